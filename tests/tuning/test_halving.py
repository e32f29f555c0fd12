"""How trials are laid out, against the paper's table and by what must always hold."""

from __future__ import annotations

import pytest

from tuning.halving import plan_brackets

# Li et al., JMLR 18 (2018), table 1: eta = 3, R = 81; (configurations, epochs) of each round.
TABLE_1 = [
    [(81, 1), (27, 3), (9, 9), (3, 27), (1, 81)],
    [(34, 3), (11, 9), (3, 27), (1, 81)],
    [(15, 9), (5, 27), (1, 81)],
    [(8, 27), (2, 81)],
    [(5, 81)],
]


def test_a_full_iteration_is_the_papers() -> None:
    trials = sum(size for bracket in TABLE_1 for size, _ in bracket)
    assert plan_brackets(trials, 81) == TABLE_1


@pytest.mark.parametrize("max_epochs", [1, 2, 3, 8, 9, 24, 40, 81])
@pytest.mark.parametrize("trials", [1, 2, 3, 5, 8, 13, 30, 100, 250])
def test_every_plan_spends_what_it_may_and_ends_at_the_most_epochs(
    trials: int, max_epochs: int
) -> None:
    brackets = plan_brackets(trials, max_epochs)
    assert sum(size for bracket in brackets for size, _ in bracket) == trials
    for bracket in brackets:
        sizes, epochs = zip(*bracket, strict=True)
        assert epochs[-1] == max_epochs and min(epochs) >= 1
        assert list(sizes) == sorted(set(sizes), reverse=True)
        assert list(epochs) == sorted(set(epochs))


def test_eight_trials_are_one_bracket_that_halves() -> None:
    assert plan_brackets(8, 9) == [[(5, 1), (2, 3), (1, 9)]]
