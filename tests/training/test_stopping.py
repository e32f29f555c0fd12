"""Early stopping: by the history, at the best epoch, the same when resumed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.training.test_run import recipe
from zoo import store
from zoo.errors import RecipeError
from zoo.runs import new_run
from zoo.training.publish import publish
from zoo.training.run import fit_run
from zoo.training.stopping import best_epoch, is_over

LOSSES = [{"val_loss": loss, "val_accuracy": -loss} for loss in (3.0, 1.0, 2.0, 1.0, 1.5)]


@pytest.mark.parametrize("monitor", ["val_loss", "val_accuracy"])
def test_the_best_epoch_is_the_first_of_equals(monitor: str) -> None:
    config = {"monitor": monitor, "patience": 3}
    assert [best_epoch(LOSSES[:n], config) for n in range(1, 6)] == [1, 2, 2, 2, 2]
    assert [is_over(LOSSES[:n], config) for n in range(6)] == [False] * 5 + [True]


def test_no_patience_is_asked_for_no_stopping() -> None:
    assert not is_over(LOSSES, {})


SETTINGS: dict[str, Any] = {
    # Rates so high that the validation loss does not keep falling.
    "optimizer": {"name": "SGD", "learning_rate": 30.0},
    "schedule": {},
    "ema": {},
    "epochs": 12,
    "early_stopping": {"monitor": "val_loss", "patience": 2},
}


def test_a_run_stops_and_stores_its_best_epoch(sample_home: Path) -> None:
    run = fit_run(new_run(recipe(**SETTINGS)), verbose=0)
    best = best_epoch(run.history, SETTINGS["early_stopping"])
    assert len(run.history) == best + 2 < 12
    shorter = fit_run(new_run(recipe(**{**SETTINGS, "epochs": best, "early_stopping": {}})), 0)
    assert run.model is not None and shorter.model is not None
    for found, expected in zip(run.model.weights, shorter.model.weights, strict=True):
        np.testing.assert_array_equal(found, expected, err_msg=found.path)
    card = store.read_card(publish(run).stored or "")
    assert card.training["epochs"] == best + 2
    assert card.training["best_epoch"] == best
    again = fit_run(run, verbose=0)
    assert len(again.history) == best + 2


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"monitor": "val_loss"}, "needs monitor and patience and nothing else, got monitor"),
        ({"monitor": "loss", "patience": 2}, "a loss or an accuracy of the validation split"),
        ({"monitor": "val_kl", "patience": 2}, "such as val_loss, got 'val_kl'"),
        ({"monitor": "val_loss", "patience": 0}, "patience must be at least 1, got 0"),
        ({"monitor": "val_loss", "patience": 2, "mode": "min"}, "nothing else"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        recipe(early_stopping=settings)


def test_it_needs_a_validation_split(sample_home: Path) -> None:
    with pytest.raises(RecipeError, match="needs a validation split"):
        recipe(**{"early_stopping": {"monitor": "val_loss", "patience": 2}, "data.validation": 0})
    unknown = recipe(early_stopping={"monitor": "val_my_loss", "patience": 2})
    with pytest.raises(
        RecipeError, match=r"names .val_my_loss., which is not logged; did you mean val_loss"
    ):
        fit_run(new_run(unknown), verbose=0)
