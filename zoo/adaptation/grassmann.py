"""Minimisation over subspaces, each given by an orthonormal basis W, WᵀW = I.

Conjugate gradients as in Edelman, Arias, Smith: The geometry of algorithms with orthogonality
constraints (1998), with a QR retraction in place of geodesics, as in Absil, Mahony, Sepulchre:
Optimization algorithms on matrix manifolds (2008), section 8.3. (Pymanopt has this too, but imports
TensorFlow, JAX and PyTorch wherever these are installed.)
"""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable

import numpy as np
from sklearn.exceptions import ConvergenceWarning

Objective = Callable[[np.ndarray], tuple[float, np.ndarray]]
# Of Armijo's rule: the share of the decrease that the slope foretells; how often a step is halved.
_DECREASE = 1e-4
_HALVINGS = 40


@dataclasses.dataclass(frozen=True)
class Minimum:
    """Where the minimisation ended.

    Args:
        basis: W, float64 (n, k), orthonormal.
        values: The objective at the start and after each step; it never grows.
        slope: Norm of the gradient along the manifold at the end.
    """

    basis: np.ndarray
    values: list[float]
    slope: float


def minimise(
    objective: Objective, start: np.ndarray, max_steps: int = 200, tolerance: float = 1e-4
) -> Minimum:
    """Minimises a function of the subspace that W spans.

    Args:
        objective: From W to its value and its gradient in all entries of W, (n, k). The value must
            depend on the subspace alone: f(WR) = f(W) for every rotation R.
        start: W, (n, k), orthonormal.
        max_steps: After so many steps it ends with a `ConvergenceWarning`.
        tolerance: It ends where the gradient has fallen to this part of what it was at the start,
            or where no step along the gradient goes down any more.
    """
    basis = start
    value, gradient = objective(basis)
    gradient = tangent(basis, gradient)
    first = slope = float(np.linalg.norm(gradient))
    values, direction, length = [value], -gradient, 1.0
    for _ in range(max_steps):
        if slope <= tolerance * first:
            break
        descent = float(np.vdot(gradient, direction))
        if descent >= 0:
            direction, descent = -gradient, -(slope**2)
        # No direction turns the subspace by more than about a radian at once.
        length = min(2 * length, 1 / float(np.linalg.norm(direction, 2)))
        for _ in range(_HALVINGS):
            moved = retract(basis + length * direction)
            reached, further = objective(moved)
            if reached <= value + _DECREASE * length * descent:
                break
            length /= 2
        else:
            if np.array_equal(direction, -gradient):
                break  # At the precision of the objective.
            direction, length = -gradient, 1.0
            continue
        further = tangent(moved, further)
        turned = tangent(moved, gradient)
        # Polak and Ribière's factor, never negative.
        factor = max(0.0, float(np.vdot(further, further - turned)) / slope**2)
        direction = factor * tangent(moved, direction) - further
        basis, value, gradient = moved, reached, further
        slope = float(np.linalg.norm(gradient))
        values.append(value)
    else:
        warnings.warn(
            f"after {max_steps} steps the gradient is {slope / first:.1e} of the first one, not "
            f"{tolerance:g}",
            ConvergenceWarning,
            stacklevel=3,
        )
    return Minimum(basis, values, slope)


def tangent(basis: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Returns the part of a matrix that moves the subspace, (I - WWᵀ) times it."""
    return matrix - basis @ (basis.T @ matrix)


def retract(matrix: np.ndarray) -> np.ndarray:
    """Returns an orthonormal basis of the columns, near the columns themselves."""
    q, r = np.linalg.qr(matrix)
    return q * np.where(np.diag(r) < 0, -1.0, 1.0)
