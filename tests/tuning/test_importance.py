"""Importance finds what was planted, and says when there is nothing to find."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from tuning.importance import FEWEST, importance_of
from tuning.results import TrialResult

Values = dict[str, Any]


def trials(
    count: int, value: Callable[[Values], float], status: str = "completed"
) -> list[TrialResult]:
    draw = random.Random(7)
    found = []
    for number in range(count):
        values: Values = {
            "rate": 10 ** draw.uniform(-4, -1),
            "kind": draw.choice(["a", "b", "c"]),
            "noise": draw.uniform(0, 1),
        }
        if values["kind"] == "a":
            values["only_of_a"] = draw.uniform(0, 1)
        found.append(
            TrialResult(
                trial=f"{number:04}",
                number=number + 1,
                status=status,
                value=None,
                epochs=3,
                hyperparameters=values,
                objectives={"score": value(values)},
            )
        )
    return found


def test_what_decides_has_nearly_all_of_the_share() -> None:
    found = importance_of(trials(80, lambda values: values["rate"]), "score")
    assert found.missing == 0 and found.trials == 80
    assert next(iter(found.shares)) == "rate" and found.shares["rate"] > 0.9
    assert sum(found.shares.values()) == pytest.approx(1)
    assert found.explained is not None and found.explained > 0.8


def test_words_and_conditional_values_are_understood() -> None:
    worth = {"a": 1.0, "b": 5.0, "c": 3.0}
    by_kind = importance_of(trials(80, lambda values: worth[values["kind"]]), "score")
    assert next(iter(by_kind.shares)) == "kind"
    # Whether it is there tells nothing of the score here, where it lies all.
    inner = importance_of(trials(120, lambda values: values.get("only_of_a", 0.5)), "score")
    assert next(iter(inner.shares)) == "only_of_a"


def test_more_of_a_hyperparameters_effect_is_a_larger_share() -> None:
    found = importance_of(trials(150, lambda v: 3 * v["noise"] + (v["kind"] == "b")), "score")
    assert list(found.shares)[:2] == ["noise", "kind"]
    assert found.shares["noise"] > found.shares["kind"] > 5 * found.shares["rate"]


def test_of_noise_nothing_is_said() -> None:
    draw = random.Random(11)
    found = importance_of(trials(60, lambda _: draw.random()), "score")
    assert found.explained is not None and found.explained < 0.1
    constant = importance_of(trials(30, lambda _: 1.0), "score")
    assert constant.shares == {} and "explains nothing" in constant.line()


def test_too_few_trials_say_how_many_are_missing() -> None:
    found = importance_of(trials(4, lambda values: values["rate"]), "score")
    assert found.missing == FEWEST - 4 and found.shares == {}
    assert found.line() == "4 trials are too few to tell; 6 more are needed."
    assert importance_of([], "score").missing == FEWEST


def test_failed_trials_and_epochs_do_not_count_as_hyperparameters() -> None:
    good = trials(40, lambda values: values["rate"])
    failed = trials(40, lambda _: 1e9, status="failed")
    found = importance_of(good, "score")
    assert importance_of([*good, *failed], "score") == found
    assert "epochs" not in found.shares


def test_the_same_trials_give_the_same_answer() -> None:
    found = trials(40, lambda values: values["rate"])
    assert importance_of(found, "score") == importance_of(found, "score")
