"""Penalties on gradients against NumPy."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from zoo.errors import UnknownModelError
from zoo.losses.penalties import PENALTIES, interpolates

GRADIENTS = np.random.default_rng(0).normal(size=(6, 4, 4, 2)).astype("float32")
NORMS = np.linalg.norm(GRADIENTS.reshape(6, -1).astype(np.float64), axis=1)


@pytest.mark.parametrize(
    ("name", "expected", "weight"),
    [("gradient_penalty", ((NORMS - 1) ** 2).mean(), 10), ("r1", (NORMS**2).mean() / 2, 10)],
)
def test_penalties_are_the_papers(name: str, expected: float, weight: float) -> None:
    penalty = PENALTIES.get(name)
    assert float(penalty.value(GRADIENTS)) == pytest.approx(expected, rel=1e-5)
    assert penalty.weight == weight


def test_points_lie_between_each_pair_at_a_place_of_its_own() -> None:
    real, fake = np.zeros((500, 2, 2, 1), np.float32), np.ones((500, 2, 2, 1), np.float32)
    points = np.asarray(interpolates(real, fake, keras.random.SeedGenerator(0)))
    assert np.ptp(points, axis=(1, 2, 3)).max() == 0
    shares = np.sort(points[:, 0, 0, 0])
    # Kolmogorov's distance to U(0, 1); of 500 draws it exceeds 0.073 once in a hundred times.
    assert np.abs(shares - np.linspace(0, 1, 500)).max() < 0.09


def test_real_images_are_where_r1_is_taken() -> None:
    assert PENALTIES.get("r1").points(GRADIENTS, None, None) is GRADIENTS


def test_an_unknown_penalty_names_near_ones() -> None:
    with pytest.raises(UnknownModelError, match="did you mean r1"):
        PENALTIES.get("r2")
