"""Kernel distance between two sets of features."""

from __future__ import annotations

import numpy as np

from zoo.metrics.features import require_alike

# Rows and columns of the kernel matrix that are held at once.
_BLOCK = 1000


def kernel_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Unbiased squared MMD with the cubic kernel (x·y / d + 1)³ (Bińkowski et al. 2018, eq. 4).

    This is the estimate over all pairs, not a mean over random subsets: its spread is smaller, and
    nothing is drawn.

    Args:
        a: Features (n, d).
        b: Features (m, d).

    Returns:
        The estimate, without the diagonal, in float64; it may be slightly negative. Beside the
        features, memory is that of one block of the kernel matrix, whatever n and m are.

    Raises:
        ValueError: for features that do not fit each other, or fewer than 2 rows.
    """
    require_alike(a, b)
    within = sum(_sum_within(x) / (len(x) * (len(x) - 1)) for x in (a, b))
    across = sum(_kernel(x, y).sum() for x in _blocks(a) for y in _blocks(b))
    return float(within - 2 * across / (len(a) * len(b)))


def _sum_within(rows: np.ndarray) -> float:
    """Sums the kernel over all pairs of different rows; the matrix is symmetric."""
    total = 0.0
    for number, x in enumerate(_blocks(rows)):
        square = _kernel(x, x)
        total += square.sum() - np.trace(square)
        rest = rows[(number + 1) * _BLOCK :]
        total += 2 * sum(_kernel(x, y).sum() for y in _blocks(rest))
    return float(total)


def _blocks(rows: np.ndarray) -> list[np.ndarray]:
    return [rows[i : i + _BLOCK] for i in range(0, len(rows), _BLOCK)]


def _kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    products = np.asarray(x, np.float64) @ np.asarray(y, np.float64).T
    products /= x.shape[1]
    products += 1
    # Two products in place of a general power, which takes ten times as long.
    square = products * products
    square *= products
    return square
