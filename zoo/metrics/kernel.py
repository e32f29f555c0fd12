"""Kernel distance between two sets of features."""

from __future__ import annotations

import numpy as np

_CHUNK = 1000


def kernel_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Unbiased squared MMD with the cubic kernel (x·y / d + 1)³ (Bińkowski et al. 2018, eq. 4).

    Args:
        a: Features (n, d).
        b: Features (m, d).

    Returns:
        The estimate over all pairs, without the diagonal; it may be slightly negative. Memory
        grows with n + m, not with their product.
    """
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1] or min(len(a), len(b)) < 2:
        raise ValueError(
            f"expected features (n, d) and (m, d) of 2 rows or more, got {a.shape} and {b.shape}"
        )
    within = sum(
        (_kernel_sum(x, x) - _kernel(np.einsum("ij,ij->i", x, x), x.shape[1]).sum())
        / (len(x) * (len(x) - 1))
        for x in (a, b)
    )
    return float(within - 2 * _kernel_sum(a, b) / (len(a) * len(b)))


def _kernel(products: np.ndarray, dimensions: int) -> np.ndarray:
    return (products / dimensions + 1) ** 3


def _kernel_sum(a: np.ndarray, b: np.ndarray) -> float:
    parts = (a[i : i + _CHUNK] for i in range(0, len(a), _CHUNK))
    return float(sum(_kernel(part @ b.T, a.shape[1]).sum() for part in parts))
