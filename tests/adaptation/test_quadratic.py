"""Quadratic programs beside SciPy's solvers, their projections and their bounds."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import LinearConstraint, linprog, minimize
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics.pairwise import rbf_kernel

from zoo.adaptation.quadratic import Group
from zoo.adaptation.quadratic import minimise as minimise_quadratic


def problem(seed: int, count: int = 12) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(count, 3))
    return rbf_kernel(x, gamma=0.3), 3 * rng.random(count)


GROUPS = {
    "one sum from below to above": [Group(np.arange(12), 2.0, 6.0, 9.0)],
    "a sum that binds": [Group(np.arange(12), 0.5, 5.5, 6.0)],
    "a sum in each group": [
        Group(np.arange(0, 12, 2), 0.4, 0.4, 0.4),
        Group(np.arange(1, 12, 2), 0.6, 0.6, 0.6),
    ],
}


def by_slsqp(matrix: np.ndarray, linear: np.ndarray, groups: list[Group]) -> float:
    rows = np.zeros((len(groups), len(linear)))
    upper = np.zeros(len(linear))
    for row, group in zip(rows, groups, strict=True):
        row[group.rows] = 1
        upper[group.rows] = group.upper
    found = minimize(
        lambda x: x @ matrix @ x / 2 - linear @ x,
        upper / 2,
        jac=lambda x: matrix @ x - linear,
        bounds=[(0, most) for most in upper],
        constraints=LinearConstraint(rows, [g.low for g in groups], [g.high for g in groups]),
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 2000},
    )
    assert found.success
    return float(found.fun)


@pytest.mark.parametrize("kind", GROUPS)
@pytest.mark.parametrize("seed", range(3))
def test_the_minimum_is_that_of_slsqp(kind: str, seed: int) -> None:
    matrix, linear = problem(seed)
    groups = GROUPS[kind]
    found = minimise_quadratic(matrix, linear, groups, tolerance=1e-10)
    expected = by_slsqp(matrix, linear, groups)
    assert found.value == pytest.approx(expected, abs=1e-8)
    assert -1e-8 <= found.value - expected <= found.gap + 1e-8
    assert found.value == pytest.approx(found.x @ matrix @ found.x / 2 - linear @ found.x)
    for group in groups:
        assert found.x[group.rows].min() >= 0
        assert found.x[group.rows].max() <= group.upper
        assert group.low - 1e-10 <= found.x[group.rows].sum() <= group.high + 1e-10


@pytest.mark.parametrize("bounds", [(1.0, 2.0), (5.0, 5.0), (0.0, 1.0), (8.0, 8.0), (0.0, 0.0)])
def test_the_projection_is_the_nearest_allowed_point(bounds: tuple[float, float]) -> None:
    rng = np.random.default_rng(1)
    group = Group(np.arange(8), 1.0, *bounds)
    for values in (rng.normal(size=8), 3 * rng.normal(size=8), np.full(8, 0.3)):
        found = group.project(values)
        assert found.min() >= 0 and found.max() <= 1
        assert bounds[0] - 1e-12 <= found.sum() <= bounds[1] + 1e-12
        # The variational inequality, over the corners of the set.
        for _ in range(50):
            corner = group.minimise(rng.normal(size=8))
            assert (values - found) @ (corner - found) <= 1e-10


@pytest.mark.parametrize("bounds", [(1.0, 2.5), (5.0, 5.0), (0.0, 1.0), (0.0, 8.0)])
def test_the_linear_minimum_is_that_of_linprog(bounds: tuple[float, float]) -> None:
    rng = np.random.default_rng(2)
    group = Group(np.arange(8), 1.0, *bounds)
    for _ in range(5):
        costs = rng.normal(size=8)
        both = np.stack([np.ones(8), -np.ones(8)])
        expected = linprog(costs, both, [bounds[1], -bounds[0]], bounds=(0, 1))
        assert costs @ group.minimise(costs) == pytest.approx(expected.fun)


def test_too_few_steps_are_told() -> None:
    matrix, linear = problem(0)
    with pytest.warns(ConvergenceWarning, match="after 2 steps the objective is within"):
        found = minimise_quadratic(
            matrix, linear, GROUPS["a sum that binds"], tolerance=1e-12, max_steps=2
        )
    assert found.gap > 0
