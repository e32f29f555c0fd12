"""The maximum mean discrepancy of two samples.

Gretton et al.: A kernel two-sample test (JMLR 2012), equations 3 and 5.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from zoo.adaptation.checks import InvalidDomainError, check_samples
from zoo.adaptation.kernels import chosen_sigma, kernel_blocks


def squared_mmd(
    X: ArrayLike, Y: ArrayLike, sigma: float | None = None, unbiased: bool = False
) -> float:
    """Returns MMD² of two samples under k(x, y) = exp(-‖x - y‖²/σ).

        MMD²(X, Y) = mean k(x, x') + mean k(y, y') - 2 mean k(x, y)

    The biased estimate takes the means over all pairs and is never negative. The unbiased one
    leaves out k(x, x) and k(y, y), and its expectation is 0 for equal distributions.
    Kernels are computed in blocks of 64 MiB, never whole.

    Args:
        X: (n, features), two samples or more.
        Y: (m, features), two samples or more.
        sigma: σ, a squared distance; by default the median one of both samples joined.
        unbiased: Which estimate.

    Raises:
        InvalidDomainError: for samples with other features, too few, or not finite.
    """
    x, y = check_samples(X, "X"), check_samples(Y, "Y")
    if x.shape[1] != y.shape[1]:
        raise InvalidDomainError(
            f"both samples need the same features, X has {x.shape[1]}, Y has {y.shape[1]}"
        )
    scale = chosen_sigma(sigma, x, y)
    within = sum(_mean_within(one, scale, unbiased) for one in (x, y))
    return float(within - 2 * _total(x, y, scale) / (len(x) * len(y)))


def _mean_within(x: np.ndarray, sigma: float, unbiased: bool) -> float:
    count = len(x)
    total = _total(x, x, sigma)
    # k(x, x) is 1.
    return (total - count) / (count * (count - 1)) if unbiased else total / count**2


def _total(x: np.ndarray, y: np.ndarray, sigma: float) -> float:
    return float(sum(block.sum() for _, block in kernel_blocks(x, y, sigma)))
