"""`tune`: begin a search, or take it up where it stopped."""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import os
import socket
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tuning.database import FILE, Database
from tuning.folder import RECORD, check_same, describe, locked, remove
from tuning.orders import DONE
from tuning.plan import ALGORITHMS, FACTORY, Plan, make_plan
from tuning.results import Search, open_search
from tuning.spaces import Space
from tuning.trial_process import InProcess, TrialProcess
from zoo import files
from zoo.backend import backend_name, import_backend
from zoo.errors import RecipeError
from zoo.recipe import Recipe

if TYPE_CHECKING:
    from tuning.recorder import Recorder

__all__ = ["ALGORITHMS", "lead", "run", "tune"]

# The worker of a search that has no others.
LOCAL = "local"


def tune(
    recipe: str | Recipe,
    algorithm: str = "hyperband",
    trials: int = 8,
    *,
    epochs: int | None = None,
    seed: int | None = None,
    overrides: Iterable[str] | Mapping[str, Any] = (),
    space: Space | Iterable[str] | None = None,
    objectives: Sequence[str] = (),
    executions: int = 1,
    folds: int = 0,
    stopping: str = "auto",
    hours: float | None = None,
    total_epochs: int | None = None,
    max_parameters: int | None = None,
    workers: int = 1,
    fresh: bool = False,
    tensorboard: bool = False,
    in_process: bool = False,
    say: Callable[[str], None] = print,
    bar: bool = False,
    command: str | None = None,
) -> Search:
    """Searches the hyperparameters of a recipe.

    The search is kept in `$ZOO_HOME/tuning/<name>/<algorithm>` after every trial and every epoch.
    Calling this again with the same settings takes it up; a finished one is returned as it is.

    Args:
        recipe: The name of a registered recipe, or a recipe.
        algorithm: `hyperband`, `asha`, `random`, `bayesian`, `tpe` or `grid`.
        trials: Most trainings. For hyperband and asha going on with a trial counts as one more,
            and a search is laid out for one number; the others take a larger number later.
        epochs: Most epochs of a trial; by default the recipe's.
        seed: Decides which values are tried; by default the recipe's seed.
        overrides: Settings of the recipe, as for `Recipe.override`.
        space: A function from hyperparameters and the recipe to a recipe; or texts such as
            `optimizer.learning_rate=log:1e-4:1e-1`; by default the family's space.
        objectives: Names of what trials are judged by; the first leads the search, see
            `tuning.objectives.objectives_of`. By default the task's own.
        executions: Trainings of each trial, with seeds one after the other; its value is the mean.
        folds: Parts of the training split that are held out one after the other; 0 for none.
        stopping: What stops a bad trial before its last epoch: `median`, `none`, or `auto`, which
            is the median rule but for hyperband and asha.
        hours: Most wall-clock of the search, over all the times it is called.
        total_epochs: Most epochs of all trials.
        max_parameters: Models with more are skipped.
        workers: Trials that are trained at the same time, each by processes of its own.
        fresh: Delete what was found before and start anew.
        tensorboard: Write the epochs of all trials for TensorBoard too.
        in_process: Train in this process, which begins sooner; but a trial that crashes or fills
            the memory ends the search. Not for several workers.
        say: Takes each line of progress.
        bar: Show Keras' progress bar.
        command: What a user typed to begin this, for the record.

    Raises:
        RecipeError: for a recipe, space or setting that cannot be searched, or one that differs
            from those of the stored search.
        DataUnavailableError: when the data set is not prepared.
        ZooError: when another process runs this search, its files are damaged, or the disk is full.
    """
    plan = make_plan(
        recipe,
        algorithm,
        trials,
        epochs=epochs,
        seed=seed,
        overrides=overrides,
        space=space,
        objectives=objectives,
        executions=executions,
        folds=folds,
        stopping=stopping,
        hours=hours,
        total_epochs=total_epochs,
        max_parameters=max_parameters,
    )
    return run(
        plan,
        workers=workers,
        in_process=in_process,
        bar=bar,
        say=say,
        fresh=fresh,
        tensorboard=tensorboard,
        command=command,
    )


def run(
    plan: Plan,
    *,
    workers: int = 1,
    in_process: bool = False,
    bar: bool = False,
    say: Callable[[str], None] = print,
    **options: Any,
) -> Search:
    """Runs a search on this machine; the arguments are those of `tune`."""
    if workers < 1:
        raise RecipeError(f"workers must be at least 1, got {workers}")
    if in_process and workers > 1:
        raise RecipeError("several workers are processes of their own; leave out in_process")
    settings = plan.options(verbose=int(bar))
    trainer: InProcess | TrialProcess = InProcess(FACTORY, settings)
    if not in_process:
        trainer = TrialProcess(FACTORY, settings, show=bar)
    with (
        contextlib.closing(trainer),
        _opened(plan, trainer.check, say, **options) as recorder,
    ):
        if workers > 1:
            from tuning.workers import run_workers

            # What checked the first model has done its part.
            trainer.close()
            run_workers(plan, recorder, workers, say, _settings(plan, recorder))
        else:
            from tuning.tuner import RecipeTuner

            backend = plan.recipe.backend or backend_name()
            recorder.see(LOCAL, socket.gethostname(), os.getpid())
            RecipeTuner(recorder.oracle, recorder, trainer, plan.folder, LOCAL, backend).search()
    return _ended(plan, recorder, say)


def lead(
    plan: Plan,
    host: str,
    port: int,
    *,
    timeout: float = 60,
    patience: float | None = None,
    say: Callable[[str], None] = print,
    **options: Any,
) -> Search:
    """Leads a search whose trials are trained by workers elsewhere, see `tuning.worker.work`.

    Begun again after a kill, it goes on, and so do the workers that wait for it.

    Args:
        plan: The search.
        host: The address to listen on.
        port: The port; 0 for any that is free.
        timeout: Seconds after which a worker that is not heard of loses its trial to another.
        patience: Seconds without any worker after which it ends; None is for ever.
        say: Takes each line of progress.
        **options: `fresh`, `tensorboard` and `command` as for `tune`.

    Raises:
        ZooError: as for `tune`; when the port is taken; or when no worker was there for so long.
    """
    with _opened(plan, None, say, **options) as recorder:
        from tuning.chief import Chief

        recorder.named = True
        settings = _settings(plan, recorder)
        with Chief(recorder, settings, host, port, timeout, patience, say) as chief:
            say(f"waiting for workers: zoo tune worker {plan.base.name} --chief {chief.address}")
            chief.run()
    return _ended(plan, recorder, say)


def _settings(plan: Plan, recorder: Recorder) -> dict[str, Any]:
    """Returns what a chief tells a worker of the search, as plain data."""
    return {
        "search": recorder.database.meta()["id"],
        "name": plan.base.name,
        "algorithm": plan.algorithm,
        "objective": [plan.lead.name, plan.lead.direction],
        "options": plan.options(),
    }


@contextlib.contextmanager
def _opened(
    plan: Plan,
    check: Callable[[dict[str, Any]], None] | None,
    say: Callable[[str], None],
    *,
    fresh: bool = False,
    tensorboard: bool = False,
    command: str | None = None,
) -> Iterator[Recorder]:
    """Holds a search for this process, begins it or takes it up, and keeps the time it takes.

    Args:
        plan: The search.
        check: Looks at the recipe of a new search; what it raises leaves everything as it was.
        say: Takes lines of progress.
        fresh: Delete what was found before.
        tensorboard: Write for TensorBoard too.
        command: What a user typed.
    """
    import_backend(plan.recipe.backend)
    import keras_tuner

    from tuning.hypermodel import RecipeHyperModel
    from tuning.oracles import make_oracle
    from tuning.recorder import Recorder
    from tuning.stopping import make_rule
    from tuning.tensorboard import Events

    models = RecipeHyperModel(plan.recipe, plan.space)
    hp = keras_tuner.HyperParameters()
    models.declare_hyperparameters(hp)
    record = describe(plan, hp)
    where = plan.folder
    with locked(where):
        if not fresh:
            check_same(where, record)
        rule = make_rule(plan.stopping, plan.algorithm, plan.recipe.epochs)
        oracle = make_oracle(
            plan.algorithm,
            plan.lead.keras_tuner(),
            hp,
            plan.budget.trials,
            plan.recipe.epochs,
            plan.seed,
            objectives=plan.objectives,
            rule=rule,
        )
        if fresh or not (where / RECORD).is_file():
            # An option that no network takes is one error now, with nothing deleted, and not as
            # many failed trials later.
            if check is not None:
                check(models.recipe(hp.copy()).to_dict())
            if fresh:
                remove(where)
            files.write_text(where / RECORD, json.dumps(record, indent=2))
        database = Database(where / FILE)
        if "begun" not in database.meta():
            database.set_meta(**_facts())
        database.set_meta(budget=plan.budget.to_dict(), **({"command": command} if command else {}))
        recorder = Recorder(
            oracle,
            database,
            models,
            plan.budget,
            say,
            Events(where) if tensorboard else None,
        )
        with contextlib.closing(recorder):
            say(_first_line(plan, recorder.ended))
            yield recorder
            if recorder.over == DONE:
                for checkpoint in where.glob("trial_*/**/*checkpoint.npz*"):
                    checkpoint.unlink(missing_ok=True)


def _first_line(plan: Plan, ended: int) -> str:
    most = f"epochs at most {plan.recipe.epochs}"
    if plan.executions > 1:
        most += f", {plan.executions} executions"
    if plan.folds:
        on = f"{plan.folds} folds of the train split"
    else:
        on = f"{plan.recipe.data.validation} images of the train split"
    goal = f"{plan.lead.name} ({plan.lead.direction})"
    return (
        f"{plan.algorithm} search of {plan.base.name}: trials at most {plan.budget.trials}, "
        f"{most}, {goal} on {on}{f'; trials done: {ended}' if ended else ''}"
    )


def _ended(plan: Plan, recorder: Recorder, say: Callable[[str], None]) -> Search:
    search = open_search(plan.folder)
    if recorder.over not in ("", DONE):
        say(f"\n{recorder.over}; the same command with more goes on")
    elif sum(trial.status != "skipped" for trial in search.trials) < plan.budget.trials:
        say(f"\nnothing is left to try after {len(search.trials)} trials")
    return search


def _facts() -> dict[str, Any]:
    """Returns when, where and with what a search begins."""
    return {
        # A search that was begun anew is another one, whose trials have the same names.
        "id": uuid.uuid4().hex,
        "begun": time.time(),
        "machine": {"host": socket.gethostname(), "cores": os.cpu_count()},
        "versions": {
            name: importlib.metadata.version(name) for name in ("keras", "keras-tuner", "numpy")
        },
    }
