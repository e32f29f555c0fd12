"""The minimisation over subspaces, on a problem whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from zoo.adaptation.grassmann import minimise, retract, tangent


def quadratic(matrix: np.ndarray):  # type: ignore[no-untyped-def]
    return lambda w: (float(np.vdot(w, matrix @ w)), 2 * matrix @ w)


def test_the_least_quadratic_form_is_in_the_eigenvectors() -> None:
    rng = np.random.default_rng(0)
    half = rng.normal(size=(9, 9))
    matrix = half @ half.T
    values, vectors = np.linalg.eigh(matrix)
    start = retract(rng.normal(size=(9, 3)))
    found = minimise(quadratic(matrix), start, max_steps=500, tolerance=1e-9)
    assert found.values[-1] == pytest.approx(values[:3].sum())
    assert np.all(np.diff(found.values) <= 1e-12)
    np.testing.assert_allclose(found.basis.T @ found.basis, np.eye(3), atol=1e-12)
    cosines = np.linalg.svd(found.basis.T @ vectors[:, :3], compute_uv=False)
    np.testing.assert_allclose(cosines, 1, atol=1e-6)
    np.testing.assert_allclose(found.basis.T @ tangent(found.basis, half[:, :3]), 0, atol=1e-12)


def test_too_few_steps_are_told() -> None:
    matrix = np.diag(np.arange(1.0, 7.0))
    start = retract(np.random.default_rng(1).normal(size=(6, 2)))
    with pytest.warns(ConvergenceWarning, match="after 1 steps the gradient is"):
        minimise(quadratic(matrix), start, max_steps=1, tolerance=1e-9)


def test_where_nothing_can_be_gained_nothing_moves() -> None:
    start = np.eye(4)[:, :2]
    found = minimise(lambda w: (1.0, np.zeros_like(w)), start)
    np.testing.assert_array_equal(found.basis, start)
    assert found.values == [1.0]
