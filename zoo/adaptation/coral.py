"""CORAL: the source takes on the covariance of the target.

Sun, Feng, Saenko: Return of frustratingly easy domain adaptation (AAAI 2016), algorithm 1.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.svm import SVC

from zoo.adaptation.base import FeatureAdapter, linear_svm
from zoo.adaptation.checks import Domains, InvalidDomainError, check_number


class CORAL(FeatureAdapter):
    """Whitens the source and colours it like the target.

        A = (C_s + ρI)^(-1/2) (C_t + ρI)^(1/2)

    A source sample x becomes xA; the target stays where it is. Means are left alone.

    Args:
        base: The classifier; by default a linear support vector machine.
        ridge: ρ ≥ 0, what is added to the variances, 1 in the paper. At 0 a singular covariance of
            the source is refused.

    Attributes:
        transformation_: A, float64 (features, features).
    """

    def __init__(self, base: Any = None, ridge: float = 1.0) -> None:
        self.base = base
        self.ridge = ridge

    def _learn(self, domains: Domains) -> None:
        check_number("ridge", self.ridge, 0)
        whitening = _power(_covariance(domains.source, self.ridge), -0.5)
        colouring = _power(_covariance(domains.target, self.ridge), 0.5)
        self.transformation_ = whitening @ colouring

    def _represent(self, X: np.ndarray, domain: str) -> np.ndarray:
        return X @ self.transformation_ if domain == "source" else X

    def _default_base(self) -> SVC:
        return linear_svm()


def _covariance(X: np.ndarray, ridge: float) -> np.ndarray:
    return np.atleast_2d(np.cov(X, rowvar=False)) + ridge * np.eye(X.shape[1])


def _power(covariance: np.ndarray, exponent: float) -> np.ndarray:
    """Returns a power of a symmetric matrix without negative eigenvalues."""
    values, vectors = np.linalg.eigh(covariance)
    least = len(values) * np.finfo(float).eps * max(values[-1], 0)
    if exponent < 0 and values[0] <= least:
        raise InvalidDomainError(
            f"the covariance of the source is singular ({(values <= least).sum()} of {len(values)} "
            "directions have no variance); give ridge > 0"
        )
    return (vectors * np.maximum(values, 0) ** exponent) @ vectors.T
