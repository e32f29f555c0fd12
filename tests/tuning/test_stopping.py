"""The median rule on curves drawn by hand."""

from __future__ import annotations

import pytest

from tuning.stopping import MedianRule, make_rule
from zoo.errors import RecipeError


def curve(*values: float) -> dict[int, float]:
    return dict(enumerate(values, start=1))


# Running averages after epoch 2: 0.3, 0.4, 0.8; their median is 0.4.
OTHERS = [curve(0.2, 0.4, 0.9), curve(0.4, 0.4, 0.4), curve(0.8, 0.8, 0.8)]
RULE = MedianRule(warmup=0, least_trials=3)


@pytest.mark.parametrize(
    ("own", "stops"),
    [
        (curve(0.1, 0.39), True),
        # Strictly worse, and the best so far counts, not the last.
        (curve(0.1, 0.4), False),
        (curve(0.5, 0.1), False),
    ],
)
def test_the_best_so_far_is_held_against_the_median_of_means(
    own: dict[int, float], stops: bool
) -> None:
    assert RULE.stops(own, OTHERS, 2, "max") is stops
    # Turned round, it is the same for what is minimised.
    turned = [{epoch: -value for epoch, value in one.items()} for one in (own, *OTHERS)]
    assert RULE.stops(turned[0], turned[1:], 2, "min") is stops


def test_what_came_later_plays_no_part() -> None:
    assert not RULE.stops(curve(0.45, 0.45), OTHERS, 2, "max")
    assert RULE.stops(curve(0.45, 0.45, 0.45), OTHERS, 3, "max")
    assert not RULE.stops(curve(0.45, 0.45, 0.1), OTHERS, 2, "max")


def test_trials_that_have_not_come_so_far_do_not_count() -> None:
    short = [*OTHERS, curve(0.9), curve(0.9)]
    assert not RULE.stops(curve(0.4, 0.4), short, 2, "max")
    assert RULE.stops(curve(0.4), short, 1, "max")


def test_grace_and_a_least_number_of_trials() -> None:
    bad = curve(0.0, 0.0, 0.0)
    assert not MedianRule(2, 3).stops(bad, OTHERS, 2, "max")
    assert MedianRule(2, 3).stops(bad, OTHERS, 3, "max")
    assert not MedianRule(0, 4).stops(bad, OTHERS, 3, "max")
    assert not MedianRule(0, 1).stops(bad, [], 3, "max")


def test_rules_by_name() -> None:
    assert make_rule("median", "random", 40) == MedianRule(10)
    assert make_rule("auto", "tpe", 3) == MedianRule(1)
    for algorithm in ("hyperband", "asha"):
        assert make_rule("auto", algorithm, 9) is None
        assert make_rule("median", algorithm, 9) == MedianRule(3)
    assert make_rule("none", "random", 9) is None
    with pytest.raises(RecipeError, match="did you mean median"):
        make_rule("medien", "random", 9)
