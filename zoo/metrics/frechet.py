"""Fréchet distance between two sets of features."""

from __future__ import annotations

import numpy as np


def frechet_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Squared Fréchet distance of the Gaussians fitted to two sets (Heusel et al. 2017, eq. 6).

    |m_a - m_b|² + tr(A + B - 2 (A^½ B A^½)^½), with unbiased covariances A and B. The symmetric
    form keeps every eigenvalue real; those that rounding makes negative count as 0.

    Args:
        a: Features (n, d).
        b: Features (m, d). The distance is biased upwards by about 1/n: compare equal n only.

    Returns:
        A number of at least 0, in squared units of the features.
    """
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1] or min(len(a), len(b)) < 2:
        raise ValueError(
            f"expected features (n, d) and (m, d) of 2 rows or more, got {a.shape} and {b.shape}"
        )
    gap = a.mean(axis=0) - b.mean(axis=0)
    cov_a, cov_b = (np.atleast_2d(np.cov(a, rowvar=False)), np.atleast_2d(np.cov(b, rowvar=False)))
    root = _square_root(cov_a)
    cross = np.linalg.eigvalsh(root @ cov_b @ root)
    overlap = np.sqrt(np.clip(cross, 0, None)).sum()
    return float(max(0.0, gap @ gap + np.trace(cov_a) + np.trace(cov_b) - 2 * overlap))


def _square_root(matrix: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T
