"""Domain invariant projection: its gradient, its manifold, and a planted difference."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import approx_fprime

from tests.adaptation.domains import blobs
from zoo.adaptation import DomainInvariantProjection, InvalidDomainError, kernels, squared_mmd
from zoo.adaptation.domain_invariant_projection import class_scatter, projected_mmd
from zoo.adaptation.grassmann import retract


@pytest.mark.parametrize("block", [1, 2**26])
def test_the_gradient_is_that_of_finite_differences(
    block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernels, "BLOCK_BYTES", block)
    rng = np.random.default_rng(0)
    source, target = rng.normal(size=(8, 4)), rng.normal(size=(6, 4)) + 0.5
    basis = retract(rng.normal(size=(4, 2)))
    value, gradient = projected_mmd(basis, source, target, 1.5)
    assert value == pytest.approx(squared_mmd(source @ basis, target @ basis, 1.5), abs=1e-12)

    def of_entries(entries: np.ndarray) -> float:
        return projected_mmd(entries.reshape(4, 2), source, target, 1.5)[0]

    numeric = approx_fprime(basis.ravel(), of_entries, 1e-7)
    np.testing.assert_allclose(gradient.ravel(), numeric, atol=1e-6)


def shifted(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two domains that differ along one direction alone, in which they also vary most."""
    source, labels = blobs(per_class=20, features=4, seed=seed)
    target = blobs(per_class=20, features=4, seed=seed + 1)[0]
    source[:, 3], target[:, 3] = 3 * source[:, 3], 3 * target[:, 3] + 6
    return source, labels, target


@pytest.mark.parametrize("clustering", [0.0, 0.1])
def test_the_direction_in_which_domains_differ_is_left_out(clustering: float) -> None:
    source, labels, target = shifted()
    found = DomainInvariantProjection(n_components=2, clustering=clustering, tolerance=1e-3)
    found.fit(source, labels, target)
    basis = found.projection_
    np.testing.assert_allclose(basis.T @ basis, np.eye(2), atol=1e-12)
    assert np.abs(basis[3]).max() < 0.1
    assert np.all(np.diff(found.values_) <= 1e-12)
    after = squared_mmd(found.transform(source, "source"), found.transform(target), found.sigma_)
    if not clustering:
        assert after == pytest.approx(found.values_[-1], abs=1e-12)
        assert after < 0.1 * found.values_[0]


def test_the_kernel_form_hides_the_difference_too() -> None:
    source, labels, target = shifted()
    found = DomainInvariantProjection(n_components=3, kernel="rbf", tolerance=0.02)
    found.fit(source, labels, target)
    basis = found.projection_
    np.testing.assert_allclose(basis.T @ basis, np.eye(3), atol=1e-12)
    assert found.values_[-1] < 0.1 * found.values_[0]
    few = DomainInvariantProjection(n_components=3, kernel="rbf", n_basis=20, tolerance=0.02)
    assert len(few.fit(source, labels, target).projection_) <= 20


def test_with_as_many_components_as_features_nothing_is_gained() -> None:
    source, labels, target = shifted()
    found = DomainInvariantProjection(n_components=4).fit(source, labels, target)
    assert found.values_[-1] == pytest.approx(found.values_[0])


def test_the_scatter_is_that_within_classes() -> None:
    source, labels = blobs()
    expected = sum(
        (source[labels == one] - source[labels == one].mean(0)).T
        @ (source[labels == one] - source[labels == one].mean(0))
        for one in range(3)
    )
    np.testing.assert_allclose(class_scatter(source, labels), expected / np.trace(expected))


def test_an_unknown_kernel_is_refused() -> None:
    source, labels, target = shifted()
    with pytest.raises(InvalidDomainError, match="kernel must be linear or rbf, got 'cubic'"):
        DomainInvariantProjection(kernel="cubic").fit(source, labels, target)
