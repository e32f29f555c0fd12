"""How a trial is trained: by the engine, epoch by epoch, from wherever it was stopped."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import gc
import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import keras

from tuning.budget import Budget
from tuning.measures import Measured, count_parameters
from tuning.objectives import objectives_of
from tuning.orders import BEGAN, EPOCH, Answer, Order, Outcome, Tell
from tuning.repeats import Repeat, examples_of, folder_of, recipe_of, repeats_of, summary
from zoo import data
from zoo.data.feed import epoch_length, first_images
from zoo.errors import ZooError
from zoo.recipe import Recipe
from zoo.runs import History, Run
from zoo.training.build import build_model
from zoo.training.callbacks import CHECKPOINT
from zoo.training.checkpoint import read_checkpoint, restore
from zoo.training.engine import MultiPlayerModel
from zoo.training.run import explained, fit_model, steps_per_epoch

# How long a trial waits for the process that trained it before, which may not know yet that it was
# given up.
_SECONDS_FOR_ANOTHER = 900


class RecipeTrainer:
    """Trains trials. It holds the train split alone; no trial can see the test split.

    Args:
        base: The recipe that is searched around, as trials train it.
        objectives: Their names, the leading one first.
        executions: Trainings of each trial, with seeds one after the other.
        folds: Parts of the examples that are held out one after the other, 0 for none.
        max_parameters: A larger model is not trained; None for no limit.
        verbose: As for `keras.Model.fit`.
    """

    def __init__(
        self,
        base: Recipe,
        objectives: Sequence[str],
        executions: int = 1,
        folds: int = 0,
        max_parameters: int | None = None,
        verbose: int = 0,
    ) -> None:
        self.objectives = objectives_of(base, objectives)
        self.executions = executions
        self.folds = folds
        self.budget = Budget(trials=1, max_parameters=max_parameters)
        self.verbose = verbose
        self.examples = examples_of(base, folds)
        self._policy = keras.config.dtype_policy()

    def check(self, recipe: dict[str, Any]) -> None:
        """Builds one model, so that an option that no network takes is one error before all."""
        self._build(Recipe.from_dict(recipe), 0)

    def train(self, order: Order, tell: Tell) -> Outcome:
        """Trains a trial as `tuning.orders.Trainer` says.

        Its values are those of the last epoch. The last, not the best: it is what training the
        recipe gives, while the best of many epochs flatters noisy trials.
        """
        recipe = Recipe.from_dict(order.recipe)
        finals: list[dict[str, float]] = []
        costs: dict[str, float] = {}
        for repeat in repeats_of(recipe, self.executions, self.folds):
            own = recipe_of(recipe, repeat)
            model = self._build(own, repeat.fold)
            if not finals:
                too_large = self.budget.too_large(count_parameters(model))
                if too_large:
                    return Outcome("skipped", reason=too_large)
                costs = self._costs(model, own, repeat)
            history, answer = self._fit(own, repeat, model, order, tell)
            # The next one is built before this name is given to it.
            del model
            if answer == "pause":
                return Outcome("paused", epochs=len(history))
            finals.append({**self._values(history[-1]), **costs})
            if answer == "stop":
                return Outcome("stopped", finals[-1], epochs=len(history))
        means, deviations = summary(finals)
        # A cost is measured once; that it does not deviate says nothing.
        spread = {name: value for name, value in deviations.items() if name not in costs}
        return Outcome("completed", means, spread, epochs=order.epochs)

    def _build(self, recipe: Recipe, fold: int) -> MultiPlayerModel:
        # What earlier trials left in memory; the policy would go with it.
        keras.backend.clear_session()
        gc.collect()
        keras.config.set_dtype_policy(self._policy)
        training = self.examples[fold].training
        steps = steps_per_epoch(recipe, epoch_length(training))
        # Sets the recipe's seed, so whatever a trial drew before has no influence.
        return build_model(recipe, first_images(training), len(data.labels(recipe.data)), steps)

    def _fit(
        self, recipe: Recipe, repeat: Repeat, model: MultiPlayerModel, order: Order, tell: Tell
    ) -> tuple[History, Answer]:
        """Trains one execution up to the order's last epoch; returns its history and what is next.

        One that was told to stop or to pause, but has no epoch left, is complete all the same.
        """
        folder = folder_of(Path(order.folder), repeat)
        folder.mkdir(parents=True, exist_ok=True)
        run = Run(recipe, folder)
        examples = self.examples[repeat.fold]
        sources = [folder]
        if order.start is not None:
            sources.append(folder_of(Path(order.start), repeat))
        with _alone(folder), explained(run):
            for source in sources:
                if (source / CHECKPOINT).is_file():
                    values, record = read_checkpoint(source / CHECKPOINT, model)
                    # One that is further would be of an earlier search.
                    if len(record["history"]) <= order.epochs:
                        restore(model, values)
                        run.history = record["history"]
                        break
            began = {"kind": BEGAN, "execution": repeat.number, "history": run.history}
            teller = Teller(run, repeat.number, tell, tell(began))
            if teller.answer == "go":
                fit_model(
                    model,
                    run,
                    examples.training,
                    examples.validation,
                    order.epochs,
                    [teller],
                    self.verbose,
                    first=[Measured(self.objectives, examples, recipe)],
                )
        return run.history, "go" if len(run.history) >= order.epochs else teller.answer

    def _costs(self, model: MultiPlayerModel, recipe: Recipe, repeat: Repeat) -> dict[str, float]:
        """Measures what does not change as a model learns."""
        return {
            one.name: one.measure(model, self.examples[repeat.fold], recipe)
            for one in self.objectives
            if not one.per_epoch
        }

    def _values(self, logs: dict[str, float]) -> dict[str, float]:
        """Returns the objectives among what an epoch logged."""
        values = {}
        for name in (one.name for one in self.objectives if one.per_epoch):
            if name not in logs:
                raise ZooError(f"the training logs no {name}; it logs {', '.join(logs)}")
            if not math.isfinite(logs[name]):
                raise ZooError(f"{name} is {logs[name]} after the last epoch")
            values[name] = logs[name]
        return values


class Teller(keras.callbacks.Callback):
    """Tells of each epoch once it is kept, and ends the training when it is told to.

    Args:
        run: Whose history has the epochs.
        execution: The number of the trial's training.
        tell: Takes the messages.
        answer: What was said last.
    """

    def __init__(self, run: Run, execution: int, tell: Tell, answer: Answer) -> None:
        super().__init__()
        self.run = run
        self.execution = execution
        self.tell = tell
        self.answer = answer

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        values = dict(self.run.history[-1])
        number, seconds = int(values.pop("epoch")), values.pop("seconds")
        message = {"kind": EPOCH, "execution": self.execution, "epoch": number}
        self.answer = self.tell({**message, "metrics": values, "seconds": seconds})
        if self.answer != "go":
            self.model.stop_training = True


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Holds a training for this process, and waits for one that does not yet know it was given up.

    Raises:
        BlockingIOError: when that takes too long.
    """
    until = time.monotonic() + _SECONDS_FOR_ANOTHER
    with (folder / "lock").open("w") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > until:
                    text = "another process trains this trial"
                    raise BlockingIOError(errno.EAGAIN, text, str(folder)) from None
                time.sleep(0.2)
        yield
