"""Convex quadratic programs over boxes with bounded sums, as large as a kernel matrix.

    minimise ½xᵀHx - cᵀx  where  0 ≤ x ≤ upper  and, in each group of variables, low ≤ Σx ≤ high

H is dense, and a solver that factorises it takes time in n³ and several n×n matrices. Here H is
multiplied with vectors only: accelerated projected gradients (Beck, Teboulle 2009) that begin again
where they overshoot (O'Donoghue, Candès 2015). The projection onto the constraints is exact. So is
the linear minimisation over them, which bounds how far the objective is from its minimum and
decides when to stop.
"""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from sklearn.exceptions import ConvergenceWarning


class Matrix(Protocol):
    """Whatever can be multiplied with a vector."""

    def __matmul__(self, vector: Any, /) -> Any: ...


@dataclasses.dataclass(frozen=True)
class Group:
    """Variables with bounds of their own and of their sum.

    Args:
        rows: Which variables, int (m,); every variable is in one group.
        upper: Largest value of each; the smallest is 0.
        low: Smallest sum.
        high: Largest sum.
    """

    rows: np.ndarray
    upper: float
    low: float
    high: float

    def project(self, values: np.ndarray) -> np.ndarray:
        """Returns the nearest point that is allowed, (m,)."""
        clipped = np.clip(values, 0, self.upper)
        total = clipped.sum()
        if self.low <= total <= self.high:
            return clipped
        wanted = self.low if total < self.low else self.high
        return np.clip(values - _shift(values, self.upper, wanted), 0, self.upper)

    def minimise(self, costs: np.ndarray) -> np.ndarray:
        """Returns the point that is allowed and minimises costsᵀx, (m,): cheap ones are filled."""
        gainful = np.count_nonzero(costs < 0) * self.upper
        total = min(max(gainful, self.low), self.high)
        filled = np.clip(total - self.upper * np.arange(len(costs)), 0, self.upper)
        found = np.empty(len(costs))
        found[np.argsort(costs, kind="stable")] = filled
        return found


@dataclasses.dataclass(frozen=True)
class Solution:
    """Where the minimisation ended.

    Args:
        x: The variables, float64 (n,); they keep all constraints.
        value: The objective.
        gap: How far it is above the minimum at most.
        steps: How many steps were made.
    """

    x: np.ndarray
    value: float
    gap: float
    steps: int


def minimise(
    matrix: Matrix,
    linear: np.ndarray,
    groups: Sequence[Group],
    tolerance: float = 1e-6,
    max_steps: int = 20_000,
) -> Solution:
    """Minimises until the gap is below `tolerance` times the objective's size.

    Args:
        matrix: H, positive semidefinite and without negative entries, as kernel matrices are.
        linear: c, (n,).
        groups: The constraints; each must allow some point.
        tolerance: Relative; the size is |½xᵀHx| + |cᵀx|.
        max_steps: After so many steps it ends with a `ConvergenceWarning`.
    """
    count = len(linear)
    # The largest row sum of such a matrix is at least its largest eigenvalue.
    step = 1 / float(np.max(matrix @ np.ones(count)))
    # Of the point and of the point that momentum has carried on to, Hx is kept beside x.
    x = _each(groups, np.zeros(count), "project")
    hx = matrix @ x
    ahead, h_ahead, momentum = x, hx, 1.0
    steps = 0
    while steps < max_steps:
        steps += 1
        moved = _each(groups, ahead - step * (h_ahead - linear), "project")
        h_moved = matrix @ moved
        following = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
        if (ahead - moved) @ (moved - x) > 0:  # Momentum led away: begin again without it.
            following = 1.0
            ahead, h_ahead = moved, h_moved
        else:
            rate = (momentum - 1) / following
            ahead, h_ahead = moved + rate * (moved - x), h_moved + rate * (h_moved - hx)
        x, hx, momentum = moved, h_moved, following
        slope = hx - linear
        gap = float(slope @ (x - _each(groups, slope, "minimise")))
        size = abs(x @ hx) / 2 + abs(linear @ x)
        if gap <= tolerance * size:
            break
    else:
        warnings.warn(
            f"after {max_steps:,} steps the objective is within {gap / size:.1e} of its minimum, "
            f"not {tolerance:g}",
            ConvergenceWarning,
            stacklevel=3,
        )
    return Solution(x, float(x @ hx / 2 - linear @ x), gap, steps)


def _each(groups: Sequence[Group], values: np.ndarray, method: str) -> np.ndarray:
    result = np.empty(len(values))
    for group in groups:
        result[group.rows] = getattr(group, method)(values[group.rows])
    return result


def _shift(values: np.ndarray, upper: float, total: float) -> float:
    """Returns τ with Σ clip(values - τ, 0, upper) = total.

    The sum falls in τ and is linear between the points where a value enters or leaves its bounds.
    """
    knots = np.sort(np.concatenate([values, values - upper]))
    sums = _excess(values, knots) - _excess(values - upper, knots)
    return float(np.interp(total, sums[::-1], knots[::-1]))


def _excess(values: np.ndarray, knots: np.ndarray) -> np.ndarray:
    """Returns Σ max(values - knot, 0) for each knot."""
    ordered = np.sort(values)
    above = np.concatenate([np.cumsum(ordered[::-1])[::-1], [0.0]])
    place = np.searchsorted(ordered, knots)
    return above[place] - (len(values) - place) * knots
