"""The Gaussian kernel k(x, y) = exp(-‖x - y‖²/σ), in blocks where it would be large.

σ is a squared distance: scikit-learn's `rbf_kernel` calls 1/σ gamma.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import numpy as np
from scipy.spatial.distance import pdist
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.utils import gen_batches

from zoo.adaptation.checks import InvalidDomainError, check_number

# A whole kernel matrix is kept up to this size: float64 for 11,585 samples.
MEMORY_LIMIT = 2**30
# So much of a larger one is held at a time.
BLOCK_BYTES = 2**26
_MEDIAN_OF = 2000


def gaussian_kernel(X: np.ndarray, Y: np.ndarray, sigma: float) -> np.ndarray:
    """Returns exp(-‖x - y‖²/σ) for all pairs, float64 (n, m).

    Args:
        X: Samples, (n, features).
        Y: Samples, (m, features).
        sigma: σ > 0, a squared distance.
    """
    check_number("sigma", sigma, 0, above=True)
    return rbf_kernel(X, Y, gamma=1 / sigma)


def median_heuristic(X: np.ndarray, Y: np.ndarray | None = None, seed: int = 0) -> float:
    """Returns the median squared distance of two different samples.

    Of more than 2,000 samples, as many are drawn.

    Args:
        X: Samples, (n, features).
        Y: More samples; pairs across the two sets count like others.
        seed: Decides which samples are drawn.

    Raises:
        InvalidDomainError: where half of the pairs or more are equal samples.
    """
    joined = X if Y is None else np.concatenate([X, Y])
    if len(joined) > _MEDIAN_OF:
        chosen = np.random.default_rng(seed).choice(len(joined), _MEDIAN_OF, replace=False)
        joined = joined[np.sort(chosen)]
    median = float(np.median(pdist(joined, "sqeuclidean"))) if len(joined) > 1 else 0.0
    if median <= 0:
        raise InvalidDomainError("the median distance of the samples is 0; give sigma")
    return median


def chosen_sigma(sigma: float | None, X: np.ndarray, Y: np.ndarray | None = None) -> float:
    """Returns a given σ, checked, or that of the median heuristic."""
    if sigma is None:
        return median_heuristic(X, Y)
    check_number("sigma", sigma, 0, above=True)
    return float(sigma)


def kernel_blocks(X: np.ndarray, Y: np.ndarray, sigma: float) -> Iterator[tuple[slice, np.ndarray]]:
    """Yields the kernel matrix by blocks of whole rows: which rows, and the block."""
    rows = max(1, BLOCK_BYTES // (8 * len(Y)))
    for block in gen_batches(len(X), rows):
        yield block, gaussian_kernel(X[block], Y, sigma)


def kernel_mean(X: np.ndarray, Y: np.ndarray, sigma: float) -> np.ndarray:
    """Returns the mean kernel of each x with all y, float64 (n,), without the whole matrix."""
    return np.concatenate([block.mean(axis=1) for _, block in kernel_blocks(X, Y, sigma)])


class KernelMatrix:
    """The kernel matrix of a set of samples, of which one needs products with vectors alone.

    Up to `MEMORY_LIMIT` it is kept. A larger one is computed again, in blocks, at every product,
    and a warning says so: it takes little memory and long.
    """

    def __init__(self, X: np.ndarray, sigma: float) -> None:
        self._samples, self._sigma = X, sigma
        size = 8 * len(X) ** 2
        self._kept = gaussian_kernel(X, X, sigma) if size <= MEMORY_LIMIT else None
        if self._kept is None:
            warnings.warn(
                f"the kernel matrix of {len(X):,} samples would take {size / 2**30:.1f} GiB, more "
                f"than {MEMORY_LIMIT / 2**30:g}: it is computed again at every step",
                stacklevel=2,
            )

    def __matmul__(self, vector: np.ndarray) -> np.ndarray:
        if self._kept is not None:
            return self._kept @ vector
        blocks = kernel_blocks(self._samples, self._samples, self._sigma)
        return np.concatenate([block @ vector for _, block in blocks])


class KernelMap:
    """Coordinates in the span of some samples in the feature space of the kernel.

    With K = UΛUᵀ of the basis, φ(x) = Λ^(-1/2) Uᵀ k(x): inner products of φ are the kernel wherever
    one of the two samples is in the basis. Directions of an eigenvalue below 1e-10 of the largest
    are left out.

    Args:
        basis: The samples, (m, features).
        sigma: σ.
        centred: Samples whose mean is to be the origin; by default that of the feature space stays.

    Raises:
        InvalidDomainError: for a basis whose kernel matrix would be larger than `MEMORY_LIMIT`.
    """

    def __init__(self, basis: np.ndarray, sigma: float, centred: np.ndarray | None = None) -> None:
        self.basis, self.sigma = basis, sigma
        if 8 * len(basis) ** 2 > MEMORY_LIMIT:
            raise InvalidDomainError(
                f"the kernel matrix of {len(basis):,} samples would take more than "
                f"{MEMORY_LIMIT / 2**30:g} GiB; take a basis of fewer"
            )
        values, vectors = np.linalg.eigh(gaussian_kernel(basis, basis, sigma))
        kept = values > 1e-10 * values[-1]
        self._factors = vectors[:, kept] / np.sqrt(values[kept])
        self._origin = np.zeros(self._factors.shape[1])
        if centred is not None:
            self._origin = kernel_mean(basis, centred, sigma) @ self._factors

    def __call__(self, X: np.ndarray) -> np.ndarray:
        """Returns coordinates, float64 (n, dimensions)."""
        return gaussian_kernel(X, self.basis, self.sigma) @ self._factors - self._origin
