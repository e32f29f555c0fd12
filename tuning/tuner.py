"""KerasTuner's tuner with its defects mended: trials are trained by the engine."""

from __future__ import annotations

import gc
import logging
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import keras_tuner
from keras_tuner.engine import trial as trials

from tuning.hypermodel import CHECKPOINT, RecipeHyperModel
from zoo import files
from zoo.errors import ZooError
from zoo.recipe import Recipe

_log = logging.getLogger(__name__)


class RecipeTuner(keras_tuner.Tuner):
    """Runs trials and keeps the search on disk. What it mends of KerasTuner 1.4.8's tuners:

    - the search could only be resumed after its first trial had ended;
    - a next round of Hyperband went on with the weights but with a new optimizer; here with the
      whole state, so that it equals a training that never stopped;
    - each trial wiped the dtype policy, and the networks of the last one stayed in memory;
    - a failed trial printed a traceback, twice; here its reason is recorded and the search goes on.

    Args:
        oracle: From `tuning.oracles`.
        hypermodel: The models.
        folder: Where the search is kept. What is there already is taken up.
        say: Takes each line of progress.
        bar: Show Keras' progress bar rather than a line for each epoch.
    """

    def __init__(
        self,
        oracle: keras_tuner.Oracle,
        hypermodel: RecipeHyperModel,
        folder: Path,
        say: Callable[[str], None],
        bar: bool = False,
    ) -> None:
        super().__init__(
            oracle=oracle,
            hypermodel=hypermodel,
            directory=str(folder.parent),
            project_name=folder.name,
        )
        self.say = say
        self.bar = bar
        if Path(oracle._get_oracle_fname()).is_file():
            oracle.reload()
        else:
            oracle.save()

    def _populate_initial_space(self) -> None:
        """Asks the space for its hyperparameters without building networks to find them."""
        space = self.oracle.get_space()
        self.hypermodel.declare_hyperparameters(space)
        self.oracle.update_space(space)

    def save(self) -> None:
        """The oracle's one file is the whole state; a tuner has none of its own."""
        self.oracle.save()

    def reload(self) -> None:
        self.oracle.reload()

    def run_trial(self, trial: trials.Trial, *args: Any, **kwargs: Any) -> dict[str, float]:
        hp = trial.hyperparameters
        folder = Path(self.get_trial_dir(trial.trial_id))
        parent = hp.values.get("tuner/trial_id")
        policy = keras.config.dtype_policy()
        keras.backend.clear_session()
        gc.collect()
        keras.config.set_dtype_policy(policy)
        model = self.hypermodel.build(hp)
        files.write_text(folder / "recipe.json", self.hypermodel.recipe(hp).to_json())
        logs = self.hypermodel.fit(
            hp,
            model,
            folder=folder,
            start=Path(self.get_trial_dir(parent)) / CHECKPOINT if parent else None,
            epochs=trial_epochs(trial, self.hypermodel.base),
            callbacks=[] if self.bar else [EpochLine(self.say, self.oracle.objective.name)],
            verbose=1 if self.bar else 0,
        )
        name = self.oracle.objective.name
        if name not in logs:
            raise ZooError(f"the training logs no {name}; it logs {', '.join(logs)}")
        return {name: logs[name]}

    def _try_run_and_update_trial(self, trial: trials.Trial, *args: Any, **kwargs: Any) -> None:
        try:
            self._run_and_update_trial(trial, *args, **kwargs)
            trial.status = trials.TrialStatus.COMPLETED
        except BrokenPipeError:
            raise
        except OSError as error:
            # A full disk is not the trial's fault. It stays unfinished and is run again.
            raise ZooError(
                f"the search stopped in trial {trial.trial_id}: {error}; "
                "the same command goes on with it"
            ) from error
        except Exception as error:  # noqa: BLE001  What values cause is a result of the search.
            _log.info("trial %s failed", trial.trial_id, exc_info=True)
            folder = Path(self.get_trial_dir(trial.trial_id))
            files.write_text(folder / "error.txt", traceback.format_exc())
            trial.status = trials.TrialStatus.FAILED
            trial.message = _first_line(error)

    def on_trial_begin(self, trial: trials.Trial) -> None:
        number = list(self.oracle.trials).index(trial.trial_id) + 1
        self.say(f"\ntrial {number} ({trial.trial_id}): {values_text(trial)}")
        parent = trial.hyperparameters.values.get("tuner/trial_id")
        if parent:
            begun = trial.hyperparameters.values["tuner/initial_epoch"]
            self.say(f"  goes on with trial {parent} after its epoch {begun}")

    def on_trial_end(self, trial: trials.Trial) -> None:
        super().on_trial_end(trial)
        ended = self.oracle.get_trial(trial.trial_id)
        if ended.status == trials.TrialStatus.FAILED:
            self.say(f"  failed: {ended.message}")
        best = self.oracle.get_best_trials()
        if best:
            name = self.oracle.objective.name
            self.say(f"  best so far: {name} {best[0].score:.4f} (trial {best[0].trial_id})")
        if "tuner/epochs" not in trial.hyperparameters.values:
            # Nothing goes on from here, and a search of many trials would fill a disk.
            (Path(self.get_trial_dir(trial.trial_id)) / CHECKPOINT).unlink(missing_ok=True)

    def on_search_end(self) -> None:
        for checkpoint in Path(self.project_dir).glob(f"trial_*/{CHECKPOINT}"):
            checkpoint.unlink(missing_ok=True)


class EpochLine(keras.callbacks.Callback):
    """One line an epoch: its number, the training loss and the objective."""

    def __init__(self, say: Callable[[str], None], objective: str) -> None:
        super().__init__()
        self.say = say
        self.objective = objective

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        shown = {key: (logs or {}).get(key) for key in ("loss", self.objective)}
        text = "  ".join(f"{key} {float(v):.4f}" for key, v in shown.items() if v is not None)
        self.say(f"  epoch {epoch + 1}/{self.params['epochs']}  {text}")


def trial_epochs(trial: trials.Trial, base: Recipe) -> int:
    """Returns the epochs that a trial has behind it when it ends."""
    return int(trial.hyperparameters.values.get("tuner/epochs", base.epochs))


def own_values(trial: trials.Trial) -> dict[str, Any]:
    """Returns a trial's values without those that an oracle tells the tuner."""
    values = trial.hyperparameters.values
    return {key: value for key, value in values.items() if not key.startswith("tuner/")}


def values_text(trial: trials.Trial) -> str:
    from tuning.results import format_values

    return format_values(own_values(trial))


def _first_line(error: BaseException) -> str:
    text = str(error).strip()
    return text.splitlines()[0][:300] if text else type(error).__name__
