"""Distances of domains: planted ones, and NumPy's covariances."""

from __future__ import annotations

import numpy as np
import pytest

from zoo.metrics.domains import coral_distance, proxy_a_distance


def test_domains_far_apart_have_an_a_distance_of_two_and_alike_ones_of_about_none() -> None:
    rng = np.random.default_rng(0)
    one, other = rng.normal(size=(400, 3)), rng.normal(size=(700, 3))
    assert proxy_a_distance(one, other + 10) == 2
    assert abs(proxy_a_distance(one, other)) < 0.3


def test_the_a_distance_is_the_error_of_the_best_threshold() -> None:
    """Two unit normals whose means are 2 apart: a half misses by the normal tail at 1."""
    rng = np.random.default_rng(1)
    found = proxy_a_distance(rng.normal(size=(20_000, 1)), rng.normal(2, 1, (20_000, 1)))
    assert found == pytest.approx(2 * (1 - 2 * 0.158655), abs=0.03)


def test_the_coral_distance_is_its_closed_form() -> None:
    one, other = np.array([[1, 0], [-1, 0]]), np.array([[0, 1], [0, -1]])
    assert coral_distance(one, other) == pytest.approx(0.5)
    assert coral_distance(one, one + 7) == 0


def test_features_that_do_not_fit_are_one_line() -> None:
    rows = np.zeros((8, 2))
    for function in (coral_distance, proxy_a_distance):
        with pytest.raises(ValueError, match="expected features"):
            function(rows, np.zeros((8, 3)))
    with pytest.raises(ValueError, match="of 4 rows or more"):
        proxy_a_distance(rows, rows[:3])
