"""The kernel, σ, kernel matrices larger than what is kept, and the MMD by other means."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from sklearn.metrics.pairwise import rbf_kernel

from zoo.adaptation import kernels
from zoo.adaptation.checks import InvalidDomainError
from zoo.adaptation.kernels import (
    KernelMap,
    KernelMatrix,
    gaussian_kernel,
    kernel_mean,
    median_heuristic,
)
from zoo.adaptation.mmd import squared_mmd


def samples(count: int, features: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, features))


def test_the_kernel_is_its_formula() -> None:
    x, y = samples(4, 3, 0), samples(5, 3, 1)
    found = gaussian_kernel(x, y, 2.5)
    for i, j in itertools.product(range(4), range(5)):
        assert found[i, j] == pytest.approx(np.exp(-np.sum((x[i] - y[j]) ** 2) / 2.5))


def test_the_median_is_that_of_squared_distances_of_different_samples() -> None:
    line = np.array([[0.0], [1.0], [3.0]])
    assert median_heuristic(line) == 4.0  # of 1, 4 and 9
    assert median_heuristic(line[:2], line[2:]) == 4.0
    many = samples(2500, 2, 0)
    assert median_heuristic(many) == median_heuristic(many)
    # The squared distance of two standard normal points in the plane has the median 4 log 2.
    assert median_heuristic(many) == pytest.approx(4 * np.log(2), rel=0.05)
    with pytest.raises(InvalidDomainError, match="the median distance of the samples is 0"):
        median_heuristic(np.ones((5, 2)))


@pytest.mark.parametrize("block", [1, 2**26])
def test_both_estimates_are_the_means_of_kernels(
    block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernels, "BLOCK_BYTES", block)
    x, y, sigma = samples(7, 3, 0), samples(9, 3, 1) + 0.5, 1.7
    within_x, within_y = rbf_kernel(x, gamma=1 / sigma), rbf_kernel(y, gamma=1 / sigma)
    across = rbf_kernel(x, y, gamma=1 / sigma).mean()
    biased = within_x.mean() + within_y.mean() - 2 * across
    assert squared_mmd(x, y, sigma) == pytest.approx(biased, abs=1e-12)
    off_x, off_y = ~np.eye(7, dtype=bool), ~np.eye(9, dtype=bool)
    unbiased = within_x[off_x].mean() + within_y[off_y].mean() - 2 * across
    assert squared_mmd(x, y, sigma, unbiased=True) == pytest.approx(unbiased, abs=1e-12)


def test_mmd_is_that_of_two_gaussians() -> None:
    """E k(x, y) = (σ/(σ+4))^(d/2) exp(-‖m‖²/(σ+4)) where x - y has the mean m, covariance 2I."""
    features, sigma, shift = 3, 4.0, 0.8

    def expected_kernel(gap: float) -> float:
        return (sigma / (sigma + 4)) ** (features / 2) * np.exp(-(gap**2) / (sigma + 4))

    exact = 2 * expected_kernel(0) - 2 * expected_kernel(shift)
    found, level = [], []
    for seed in range(30):
        x, y = samples(150, features, 2 * seed), samples(150, features, 2 * seed + 1)
        level.append(squared_mmd(x, y, sigma, unbiased=True))
        y[:, 0] += shift
        found.append(squared_mmd(x, y, sigma, unbiased=True))
        assert squared_mmd(x, x, sigma) == pytest.approx(0, abs=1e-12)
    for values, truth in ((found, exact), (level, 0.0)):
        error = np.std(values, ddof=1) / np.sqrt(len(values))
        assert abs(np.mean(values) - truth) < 4 * error


def test_a_large_kernel_matrix_is_not_kept_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    x, vector = samples(40, 3, 0), samples(40, 1, 1)[:, 0]
    kept = KernelMatrix(x, 2.0) @ vector
    monkeypatch.setattr(kernels, "MEMORY_LIMIT", 8 * 39**2)
    monkeypatch.setattr(kernels, "BLOCK_BYTES", 8 * 40 * 7)
    with pytest.warns(UserWarning, match=r"the kernel matrix of 40 samples would take .* again"):
        matrix = KernelMatrix(x, 2.0)
    with pytest.raises(InvalidDomainError, match="matrix of 40 samples would take more than"):
        KernelMap(x, 2.0)
    np.testing.assert_allclose(matrix @ vector, kept, atol=1e-12)
    np.testing.assert_allclose(kept, rbf_kernel(x, gamma=0.5) @ vector, atol=1e-12)
    np.testing.assert_allclose(kernel_mean(x, x[:5], 2.0), rbf_kernel(x, x[:5], 0.5).mean(1))


def test_the_map_has_the_inner_products_of_the_kernel() -> None:
    basis, other = samples(12, 3, 0), samples(5, 3, 1)
    mapping = KernelMap(basis, 3.0)
    inside = mapping(basis)
    np.testing.assert_allclose(inside @ inside.T, gaussian_kernel(basis, basis, 3.0), atol=1e-8)
    across = mapping(other) @ inside.T
    np.testing.assert_allclose(across, gaussian_kernel(other, basis, 3.0), atol=1e-8)
    centred = KernelMap(basis, 3.0, centred=other)
    np.testing.assert_allclose(centred(other).mean(0), 0, atol=1e-10)
    np.testing.assert_allclose(np.diff(centred(other), axis=0), np.diff(mapping(other), axis=0))
    # A sample that is there twice adds no direction.
    assert KernelMap(np.concatenate([basis, basis]), 3.0)(other).shape == (5, inside.shape[1])


def test_what_cannot_be_compared_is_one_line() -> None:
    x = samples(5, 3, 0)
    for wrong, told in (
        (x[:, :2], "X has 3, Y has 2"),
        (x[:1], "Y: Found array with 1 sample"),
        (x[:0], "Y: Found array with 0 sample"),
        (np.where(x > 0, np.nan, x), "Y: Input contains NaN"),
    ):
        with pytest.raises(InvalidDomainError, match=told) as caught:
            squared_mmd(x, wrong)
        assert "\n" not in str(caught.value)
    for sigma in (0, -1.0, "wide"):
        with pytest.raises(InvalidDomainError, match="sigma must be a number above 0, got"):
            squared_mmd(x, x + 1, sigma)  # type: ignore[arg-type]
