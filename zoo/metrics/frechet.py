"""Fréchet distance between two sets of features."""

from __future__ import annotations

import numpy as np

from zoo.metrics.features import require_alike

_CHUNK = 1000


class Moments:
    """Mean and covariance of rows that come in chunks, in float64 (Chan et al. 1979, eq. 2.1).

    Memory does not grow with the number of rows, and no large numbers are subtracted, as they are
    where sums of squares are kept.
    """

    def __init__(self) -> None:
        self.count = 0
        self.mean = np.zeros(0)
        self._scatter = np.zeros((0, 0))

    @classmethod
    def of(cls, features: np.ndarray) -> Moments:
        """Returns the moments of features (n, d)."""
        moments = cls()
        for start in range(0, len(features), _CHUNK):
            moments.add(features[start : start + _CHUNK])
        return moments

    def add(self, features: np.ndarray) -> None:
        """Takes further rows (n, d) in."""
        rows = np.asarray(features, np.float64)
        if not len(rows):
            return
        mean = rows.mean(axis=0)
        scatter = (rows - mean).T @ (rows - mean)
        if not self.count:
            self.count, self.mean, self._scatter = len(rows), mean, scatter
            return
        total = self.count + len(rows)
        gap = mean - self.mean
        self._scatter += scatter + np.outer(gap, gap) * (self.count * len(rows) / total)
        self.mean = self.mean + gap * (len(rows) / total)
        self.count = total

    @property
    def covariance(self) -> np.ndarray:
        """The unbiased covariance (d, d)."""
        return self._scatter / (self.count - 1)


def frechet_distance(a: np.ndarray | Moments, b: np.ndarray | Moments) -> float:
    """Squared Fréchet distance of the Gaussians fitted to two sets (Heusel et al. 2017, eq. 6).

    |m_a - m_b|² + tr(A + B - 2 (A^½ B A^½)^½), with unbiased covariances A and B. The symmetric
    form keeps every eigenvalue real; those that rounding makes negative count as 0.

    Args:
        a: Features (n, d), or the moments of features that came in chunks.
        b: Features (m, d), or moments. The distance is biased upwards by about 1/n: compare equal
            n only.

    Returns:
        A number of at least 0, in squared units of the features. Memory beside the features grows
        with d² alone.

    Raises:
        ValueError: for features that do not fit each other, or fewer than 2 rows.
    """
    require_alike(*(x for x in (a, b) if not isinstance(x, Moments)))
    a, b = (x if isinstance(x, Moments) else Moments.of(x) for x in (a, b))
    if a.mean.shape != b.mean.shape or min(a.count, b.count) < 2:
        raise ValueError(
            f"expected moments of 2 rows or more and one d, got {a.count} rows of "
            f"{len(a.mean)} and {b.count} rows of {len(b.mean)}"
        )
    gap = a.mean - b.mean
    root = _square_root(a.covariance)
    cross = np.linalg.eigvalsh(root @ b.covariance @ root)
    overlap = np.sqrt(np.clip(cross, 0, None)).sum()
    spread = np.trace(a.covariance) + np.trace(b.covariance)
    return float(max(0.0, gap @ gap + spread - 2 * overlap))


def _square_root(matrix: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T
