"""KerasTuner's tuner with its defects mended: trials are trained by the engine, elsewhere."""

from __future__ import annotations

import importlib.metadata
import json
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import keras_tuner
from keras_tuner.engine import base_tuner
from keras_tuner.engine import trial as trials

from tuning.orders import Answer, Order, Outcome, Tell
from zoo import files
from zoo.errors import ZooError

Status = trials.TrialStatus
CHECKPOINT = "checkpoint.npz"
# Seconds between two questions of a worker for which there is nothing to do yet.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 5.0


class Desk(Protocol):
    """Where a worker gets its trials and tells of them: a `Recorder`, or a chief's far away."""

    def next_trial(self, worker: str) -> trials.Trial: ...

    def begin(self, worker: str, trial: str, versions: Mapping[str, str]) -> dict[str, Any]: ...

    def hear(self, worker: str, trial: str, message: Mapping[str, Any]) -> Answer: ...

    def end(self, worker: str, trial: str, outcome: Outcome) -> None: ...


class Trains(Protocol):
    """A `TrialProcess`, or an `InProcess`."""

    def train(self, order: Order, tell: Tell) -> Outcome: ...


class RecipeTuner(base_tuner.BaseTuner):
    """Runs trials. What it mends of KerasTuner 1.4.8's tuners:

    - each trial wiped the dtype policy, and the networks of the last one stayed in memory;
    - a next round of Hyperband went on with the weights but with a new optimizer; here with the
      whole state, so that it equals a training that never stopped;
    - a worker with nothing to do asked again without a pause;
    - a failed trial printed a traceback, twice; here its reason is recorded and the search goes on;
    - it kept files of its own, which a kill left contradicting the oracle's; here it keeps none.

    Args:
        oracle: From `tuning.oracles`; a worker's is KerasTuner's client of it.
        desk: Where trials come from and what happens is told.
        trainer: What trains them.
        folder: Where the search is kept, with a folder for each trial.
        worker: The worker's name.
        backend: The backend that trains.
    """

    def __init__(
        self,
        oracle: keras_tuner.Oracle,
        desk: Desk,
        trainer: Trains,
        folder: Path,
        worker: str,
        backend: str,
    ) -> None:
        super().__init__(oracle, directory=str(folder.parent), project_name=folder.name)
        self.tuner_id = worker
        self.desk = desk
        self.trainer = trainer
        self.folder = folder
        self.versions = _versions(backend)

    def search(self, *fit_args: Any, **fit_kwargs: Any) -> None:
        """Trains one trial after the other until there is none left."""
        pause = _FIRST_PAUSE
        while True:
            trial = self.desk.next_trial(self.tuner_id)
            if trial.status == Status.STOPPED:
                break
            if trial.status == Status.IDLE:
                time.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
                continue
            pause = _FIRST_PAUSE
            self.run_trial(trial)

    def run_trial(self, trial: trials.Trial, *fit_args: Any, **fit_kwargs: Any) -> None:
        """Trains a trial and tells what came of it.

        Raises:
            ZooError: for what is not the trial's fault; it stays unfinished and is run again.
        """
        name = trial.trial_id
        begun = self.desk.begin(self.tuner_id, name, self.versions)
        if not begun:
            return
        if "reason" in begun:
            self.desk.end(self.tuner_id, name, Outcome("failed", reason=begun["reason"]))
            return
        folder = trial_folder(self.folder, name)
        try:
            order = _order(name, begun, self.folder)
            outcome = self.trainer.train(
                order, lambda message: self.desk.hear(self.tuner_id, name, message)
            )
            if outcome.traceback:
                files.write_text(folder / "error.txt", outcome.traceback)
        except BrokenPipeError:
            raise
        except (OSError, ZooError) as error:
            # Such as a full disk.
            raise ZooError(
                f"the search stopped in trial {name}: {error}; the same command goes on with it"
            ) from error
        self.desk.end(self.tuner_id, name, outcome)
        if outcome.status != "paused":
            tidy(folder, keep=outcome.status == "completed" and begun["may_go_on"])

    def _populate_initial_space(self) -> None:
        """Leaves the space as it is: the oracle was made with it, and no network is built."""

    def save(self) -> None:
        """Writes nothing: the database has all."""

    def reload(self) -> None:
        """Reads nothing: what makes the oracle takes up what is stored."""


def trial_folder(search: Path, trial: str) -> Path:
    """Returns the folder of a trial: recipe.json, checkpoint.npz, history.csv, error.txt."""
    return search / f"trial_{trial}"


def tidy(folder: Path, keep: bool = False) -> None:
    """Removes what a trial that has ended no longer needs: many trials would fill a disk.

    Args:
        folder: The trial's.
        keep: Leave its checkpoints: another trial may go on from them.
    """
    for path in folder.glob(f"**/.{CHECKPOINT}.*"):
        # What a kill left of a checkpoint that was being written.
        path.unlink(missing_ok=True)
    if not keep:
        for path in folder.glob(f"**/{CHECKPOINT}"):
            path.unlink(missing_ok=True)


def _order(trial: str, begun: Mapping[str, Any], search: Path) -> Order:
    """Makes the folder of a trial and the order to train it there.

    On a worker's own disk there may be trials of an earlier search with the same names: what was
    not trained by the very recipe is not gone on with.
    """
    folder, text = trial_folder(search, trial), json.dumps(begun["recipe"], indent=2)
    recipe = json.loads(text)
    if folder.is_dir() and _recipe_in(folder) != recipe:
        shutil.rmtree(folder)
    files.write_text(folder / "recipe.json", text)
    start = trial_folder(search, begun["continues"]) if begun["continues"] else None
    if start is not None and _recipe_in(start) != recipe:
        start = None
    return Order(trial, recipe, str(folder), begun["epochs"], str(start) if start else None)


def _recipe_in(folder: Path) -> Any:
    """Returns the recipe that a trial's folder was begun with, None where that cannot be read."""
    try:
        return json.loads((folder / "recipe.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _versions(backend: str) -> dict[str, str]:
    packages = {"tensorflow": ["tensorflow"], "jax": ["jax", "jaxlib"]}.get(backend, [])
    return {name: importlib.metadata.version(name) for name in ("keras", *packages, "numpy")}
