"""The importance-weighted bound on a model whose likelihood is known in closed form."""

from __future__ import annotations

import itertools

import keras
import numpy as np
import pytest
from scipy import stats

from zoo.metrics.bounds import importance_weighted_bound

# z from N(0, 1), x from N(2 z + 1, 0.5^2): x is from N(1, 4.25).
SLOPE, OFFSET, DEVIATION = 2.0, 1.0, 0.5
X = np.array([-3.0, 0.0, 0.5, 4.0])
EXACT = stats.norm.logpdf(X, OFFSET, np.hypot(SLOPE, DEVIATION))


def drawn_weights(k: int, mean: np.ndarray, deviation: float, seed: int = 0) -> np.ndarray:
    """log p(x, z) - log q(z|x) for k latents of each x, drawn from N(mean, deviation^2)."""
    z = np.random.default_rng(seed).normal(mean, deviation, (k, len(X)))
    return (
        stats.norm.logpdf(X, SLOPE * z + OFFSET, DEVIATION)
        + stats.norm.logpdf(z)
        - stats.norm.logpdf(z, mean, deviation)
    )


def bound(log_weights: np.ndarray) -> np.ndarray:
    value = importance_weighted_bound(log_weights.astype("float32"))
    return np.asarray(keras.ops.convert_to_numpy(value))


def test_with_the_true_posterior_every_draw_gives_the_likelihood() -> None:
    precision = 1 + SLOPE**2 / DEVIATION**2
    mean = SLOPE * (X - OFFSET) / DEVIATION**2 / precision
    for k in (1, 7):
        found = bound(drawn_weights(k, mean, precision**-0.5))
        np.testing.assert_allclose(found, EXACT, rtol=1e-4)


def test_it_rises_with_k_and_ends_at_the_likelihood() -> None:
    """The latents come from the prior, of which few explain x."""
    blind = np.zeros(len(X))
    means = [
        np.mean([bound(drawn_weights(k, blind, 1.0, seed)) for seed in range(200)], axis=0)
        for k in (1, 4, 16, 64)
    ]
    assert all((low < high).all() for low, high in itertools.pairwise(means))
    assert (means[-1] < EXACT).all()
    np.testing.assert_allclose(bound(drawn_weights(200_000, blind, 1.0)), EXACT, atol=0.1)


def test_of_one_latent_it_is_its_weight_and_large_ones_stay_finite() -> None:
    weights = np.array([[-800.0, 700.0]])
    np.testing.assert_allclose(bound(weights), weights[0])
    assert bound(np.array([[-900.0], [-900.0]]))[0] == pytest.approx(-900.0)
