"""Whole searches without training: oracle, recorder, database and tuner, over a fake trainer."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras_tuner

from tuning.budget import Budget
from tuning.custom_space import parse_space
from tuning.database import FILE, Database
from tuning.hypermodel import RecipeHyperModel
from tuning.oracles import make_oracle
from tuning.orders import Order, Outcome, Tell, perform
from tuning.recorder import Recorder
from tuning.tuner import RecipeTuner
from zoo import registry

from .fakes import Quick
from .helpers import QUICK, RATES, quiet

EPOCHS = 3


def models() -> RecipeHyperModel:
    """The small network, three epochs a trial, over its learning rate."""
    base = registry.recipes().get("mlp.fashion_mnist").override({**QUICK, "epochs": EPOCHS})
    return RecipeHyperModel(base, parse_space(RATES, base))


@contextlib.contextmanager
def recorder_of(
    folder: Path,
    algorithm: str = "random",
    trials: int = 4,
    *,
    seed: int = 1,
    rule: Any = None,
    database: type[Database] = Database,
    say: Callable[[str], None] = quiet,
    **budget: Any,
) -> Iterator[Recorder]:
    """The recorder of a search that is begun in a folder, or taken up there."""
    folder.mkdir(parents=True, exist_ok=True)
    space = models()
    hp = keras_tuner.HyperParameters()
    space.declare_hyperparameters(hp)
    goal = keras_tuner.Objective("val_accuracy", "max")
    oracle = make_oracle(algorithm, goal, hp, trials, EPOCHS, seed, rule=rule)
    recorder = Recorder(oracle, database(folder / FILE), space, Budget(trials, **budget), say)
    with contextlib.closing(recorder):
        yield recorder


class Direct:
    """Has a trainer work here, and counts nothing that it raises as its own."""

    def __init__(self, trainer: Quick) -> None:
        self.trainer = trainer

    def train(self, order: Order, tell: Tell) -> Outcome:
        return perform(self.trainer, order, tell)


def play(
    folder: Path,
    algorithm: str = "random",
    trials: int = 4,
    trainer: Quick | None = None,
    **options: Any,
) -> list[tuple[str, int, int]]:
    """Runs a search to its end; returns the epochs that were trained: (trial, execution, epoch)."""
    trainer = trainer or Quick()
    with recorder_of(folder, algorithm, trials, **options) as recorder:
        RecipeTuner(recorder.oracle, recorder, Direct(trainer), folder, "local", "").search()
    return trainer.trained


def found(folder: Path) -> list[tuple[Any, ...]]:
    """What a search has on disk, without times: trials with all their epochs."""
    database = Database(folder / FILE, create=False)
    rows = []
    for trial in database.trials():
        epochs = [(row.execution, row.epoch, row.metrics) for row in database.epochs(trial.id)]
        facts = (trial.status, trial.hyperparameters, trial.recipe, trial.objectives, trial.reason)
        rows.append((trial.id, trial.number, *facts, trial.continues, epochs))
    database.close()
    return rows
