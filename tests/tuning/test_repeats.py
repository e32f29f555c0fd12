"""Trials that are trained several times."""

from __future__ import annotations

import statistics
from pathlib import Path

import numpy as np
import pytest

from tuning.repeats import (
    Repeat,
    examples_of,
    folder_of,
    recipe_of,
    repeats_of,
    summary,
)
from zoo import data, registry
from zoo.errors import InvalidInputError, RecipeError

BASE = registry.recipes().get("mlp.fashion_mnist").override({"data.validation": 64, "seed": 5})


def test_executions_count_seeds_and_folds_count_parts() -> None:
    assert repeats_of(BASE) == (Repeat(0, 5),)
    assert repeats_of(BASE, 3) == (Repeat(0, 5), Repeat(1, 6), Repeat(2, 7))
    assert repeats_of(BASE, folds=3) == (Repeat(0, 5, 0), Repeat(1, 5, 1), Repeat(2, 5, 2))
    both = repeats_of(BASE, 2, 2)
    assert [(one.seed, one.fold) for one in both] == [(5, 0), (5, 1), (6, 0), (6, 1)]
    last = BASE.override({"seed": 2**32 - 1})
    assert [one.seed for one in repeats_of(last, 2)] == [2**32 - 1, 0]


def test_a_repeat_has_a_recipe_and_a_folder_of_its_own() -> None:
    first, second = repeats_of(BASE, 2)
    assert recipe_of(BASE, first) == BASE
    assert recipe_of(BASE, second) == BASE.override({"seed": 6})
    trial = Path("search") / "trial_0003"
    assert folder_of(trial, first) == trial
    assert folder_of(trial, second) == trial / "execution_1"


@pytest.mark.parametrize(("executions", "folds"), [(0, 0), (1, 1), (1, -2)])
def test_numbers_that_cannot_be_are_one_clear_line(executions: int, folds: int) -> None:
    with pytest.raises(RecipeError, match=r"(executions|folds) must be"):
        repeats_of(BASE, executions, folds)


def test_without_folds_it_is_the_recipes_own_split(sample_home: Path) -> None:
    (examples,) = examples_of(BASE)
    training, validation = data.training_examples(BASE.data)
    assert validation is not None
    np.testing.assert_array_equal(examples.training["image"], training["image"])
    np.testing.assert_array_equal(examples.validation["label"], validation["label"])
    with pytest.raises(RecipeError, match=r"set data\.validation"):
        examples_of(BASE.override({"data.validation": 0}))


def test_folds_hold_each_training_example_out_once(sample_home: Path) -> None:
    whole = data.load("fashion_mnist", "train")
    folds = examples_of(BASE, 4)
    assert len(folds) == 4
    out = np.concatenate([one.validation["image"] for one in folds])
    assert sorted(image.tobytes() for image in out) == sorted(
        image.tobytes() for image in whole["image"]
    )
    for one in folds:
        assert len(one.training["image"]) + len(one.validation["image"]) == len(whole["image"])
        counts = np.bincount(one.validation["label"], minlength=10)
        assert counts.max() - counts.min() <= np.ptp(np.bincount(whole["label"])) // 4 + 1


def test_what_cannot_be_folded_is_one_clear_line(sample_home: Path) -> None:
    pair = registry.recipes().get("cyclegan.mnist_usps")
    with pytest.raises(RecipeError, match="not of mnist_usps"):
        examples_of(pair, 3)
    with pytest.raises(InvalidInputError, match="folds must be 2 to"):
        examples_of(BASE, 500)


def test_means_and_sample_deviations() -> None:
    values = [{"val_accuracy": v, "val_loss": 1 - v} for v in (0.5, 0.6, 0.9)]
    means, deviations = summary(values)
    assert means == pytest.approx({"val_accuracy": 2 / 3, "val_loss": 1 / 3})
    assert deviations["val_accuracy"] == pytest.approx(statistics.stdev([0.5, 0.6, 0.9]))
    assert summary(values[:1]) == (values[0], {})
