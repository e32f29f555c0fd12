"""Likelihoods against SciPy's densities, the divergence against an integral."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from scipy import stats

from zoo.losses.likelihoods import bernoulli_nll, gaussian_kl, gaussian_nll

RNG = np.random.default_rng(0)
SHAPE = (5, 4, 3, 2)
AXES = (1, 2, 3)


def number(value: object) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(value))


def normal(scale: float = 1.0) -> np.ndarray:
    return RNG.normal(scale=scale, size=SHAPE).astype("float32")


def test_the_bernoulli_likelihood_is_that_of_scipy() -> None:
    targets, logits = RNG.integers(0, 2, SHAPE).astype("float32"), normal(3.0)
    p = 1 / (1 + np.exp(-logits.astype(np.float64)))
    expected = -stats.bernoulli.logpmf(targets, p).sum(axis=AXES)
    np.testing.assert_allclose(number(bernoulli_nll(targets, logits)), expected, rtol=1e-5)


def test_of_shares_it_is_least_at_the_share_itself() -> None:
    share = np.full((1, 7), 0.3, np.float32)
    at = {
        p: float(bernoulli_nll(share, np.log(p / (1 - p)) * np.ones_like(share))[0])
        for p in (0.2, 0.3, 0.4)
    }
    assert at[0.3] == pytest.approx(7 * stats.bernoulli(0.3).entropy(), rel=1e-5)
    assert min(at, key=lambda p: at[p]) == 0.3


def test_extreme_logits_stay_finite() -> None:
    for target in (0.0, 1.0):
        logits = np.array([[-1e4, 1e4]], np.float32)
        cost = float(bernoulli_nll(np.full((1, 2), target, np.float32), logits)[0])
        assert cost == pytest.approx(1e4)


@pytest.mark.parametrize("each", [False, True])
def test_the_gaussian_likelihood_is_that_of_scipy(each: bool) -> None:
    targets, means = normal(), normal()
    deviation = np.exp(normal(0.5)) if each else 0.3
    expected = -stats.norm.logpdf(targets, means, deviation).sum(axis=AXES)
    found = number(gaussian_nll(targets, means, deviation))
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_the_divergence_is_the_integral_that_defines_it() -> None:
    mean, log_variance = RNG.normal(size=(2, 6, 3)).astype("float32")
    grid = np.linspace(-25, 25, 200_001)
    expected = np.zeros(6)
    for (row, _), m, lv in zip(np.ndindex(6, 3), mean.flat, log_variance.flat, strict=True):
        q = stats.norm(m, np.exp(lv / 2))
        inside = q.pdf(grid) * (q.logpdf(grid) - stats.norm.logpdf(grid))
        expected[row] += np.trapezoid(inside, grid)
    found = number(gaussian_kl(mean, log_variance))
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5)
    assert number(gaussian_kl(np.zeros((1, 4)), np.zeros((1, 4))))[0] == 0.0


def test_everything_of_an_example_is_summed_and_nothing_averaged() -> None:
    """Twice as many pixels cost twice as much, and so do latents; examples stay apart."""
    one, other = normal(), normal()
    doubled = [np.concatenate([part, part], axis=1) for part in (one, other)]
    costs: tuple[Callable[[Any, Any], Any], ...] = (
        lambda a, b: bernoulli_nll(np.abs(a) % 1, b),
        lambda a, b: gaussian_nll(a, b, 0.5),
        gaussian_kl,
    )
    for cost in costs:
        single, twice = number(cost(one, other)), number(cost(*doubled))
        assert single.shape == (len(one),)
        np.testing.assert_allclose(twice, 2 * single, rtol=1e-5)
