"""What a search may spend."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tuning.budget import Budget
from zoo.errors import RecipeError


def test_a_budget_without_an_end_is_never_used_up() -> None:
    budget = Budget(trials=3)
    assert budget.used_up(seconds=1e9, epochs=10**9) == ""
    assert budget.too_large(10**12) == ""
    assert budget.to_dict() == {
        "trials": 3,
        "hours": None,
        "total_epochs": None,
        "max_parameters": None,
    }


def test_hours_and_epochs_end_a_search_when_they_are_reached() -> None:
    budget = Budget(trials=3, hours=0.5, total_epochs=40)
    assert budget.used_up(1799.9, 39) == ""
    assert budget.used_up(1800.0, 39) == "the 0.5 hours are used up"
    assert budget.used_up(0.0, 40) == "the 40 epochs are used up"


def test_a_model_of_just_the_most_parameters_is_not_too_large() -> None:
    budget = Budget(trials=3, max_parameters=100_000)
    assert budget.too_large(100_000) == ""
    assert budget.too_large(123_456) == "123,456 parameters, above 100,000"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"trials": 0}, "trials must be above 0, got 0"),
        ({"hours": -1.0}, "hours must be above 0, got -1.0"),
        ({"hours": math.nan}, "hours must be above 0, got nan"),
        ({"total_epochs": 0}, "total-epochs must be above 0"),
        ({"max_parameters": 0}, "max-parameters must be above 0"),
    ],
)
def test_a_budget_of_nothing_is_one_clear_line(options: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message) as raised:
        Budget(**{"trials": 3, **options})
    assert "\n" not in str(raised.value)
