"""ARC-t: a transform from one domain to the other that is not symmetric.

Kulis, Saenko, Darrell: What you saw is not what you get: domain adaptation using asymmetric kernel
transforms (CVPR 2011), equations 1 and 4 and section 4.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from scipy.optimize import minimize
from sklearn.neighbors import KNeighborsClassifier

from zoo.adaptation.base import FeatureAdapter
from zoo.adaptation.checks import Domains, InvalidDomainError, check_count, check_number
from zoo.adaptation.itml import require_pairs
from zoo.adaptation.kernels import KernelMap, chosen_sigma


class AsymmetricTransform(FeatureAdapter):
    """Learns W so that xᵀWy is large for samples of one class and small for others.

        minimise ½‖W‖² + λ Σ max(0, l - xᵀWy)² + λ Σ max(0, xᵀWy - u)²

    The sums are over all pairs of a source sample x and a labelled target sample y, of one class
    and of two. A source sample becomes Wᵀx, in the space of the target; the target stays where it
    is. The domains may have different features. The minimum lies in the spans of the samples, where
    it is found, however many features there are.

    With `kernel="rbf"` x and y are their coordinates in the feature space of the Gaussian kernel,
    by the samples that are learned from (`KernelMap`), less the mean of their domain: without that
    all samples of the space lie at small angles. The linear form takes features as they are.

    Args:
        base: The classifier; by default the neighbour at the smallest angle.
        penalty: λ > 0.
        lower: l, what pairs of one class should reach.
        upper: u < l, what other pairs should stay below.
        kernel: `linear` or `rbf`.
        sigma: σ of the kernel in both domains; by default each domain's median squared distance.
        max_steps: Of the minimisation.

    Attributes:
        transformation_: W, float64 (source dimensions, target dimensions).
        objective_: The minimum.
    """

    _same_features = False

    def __init__(
        self,
        base: Any = None,
        penalty: float = 1.0,
        lower: float = 1.0,
        upper: float = -1.0,
        kernel: str = "linear",
        sigma: float | None = None,
        max_steps: int = 1000,
    ) -> None:
        self.base = base
        self.penalty = penalty
        self.lower = lower
        self.upper = upper
        self.kernel = kernel
        self.sigma = sigma
        self.max_steps = max_steps

    def _learn(self, domains: Domains) -> None:
        check_number("penalty", self.penalty, 0, above=True)
        check_count("max_steps", self.max_steps, 10**9, "of the minimisation")
        if not self.upper < self.lower:
            raise InvalidDomainError(
                f"lower must be above upper, got lower={self.lower!r}, upper={self.upper!r}"
            )
        require_pairs(domains, "ARC-t")
        known, labels = domains.known
        self._maps: dict[str, KernelMap | None] = {
            "source": self._feature_map(domains.source, domains.source),
            "target": self._feature_map(known, domains.target),
        }
        source, target = self._mapped(domains.source, "source"), self._mapped(known, "target")
        # xᵀWy of all pairs is the same for the part of W within both spans, and ‖W‖ is least there.
        left, right = (np.linalg.svd(one, full_matrices=False)[2] for one in (source, target))
        same = domains.source_labels[:, None] == labels
        problem = HingedSimilarity(
            source @ left.T, target @ right.T, same, self.penalty, self.lower, self.upper
        )
        found = minimize(
            problem,
            np.zeros(len(left) * len(right)),
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": self.max_steps, "ftol": 1e-12, "gtol": 1e-8},
        )
        self.objective_, self.n_iter_ = float(found.fun), int(found.nit)
        self.transformation_ = left.T @ found.x.reshape(len(left), len(right)) @ right

    def _represent(self, X: np.ndarray, domain: str) -> np.ndarray:
        mapped = self._mapped(X, domain)
        return mapped @ self.transformation_ if domain == "source" else mapped

    def _default_base(self) -> KNeighborsClassifier:
        return KNeighborsClassifier(n_neighbors=1, metric="cosine")

    def _mapped(self, X: np.ndarray, domain: str) -> np.ndarray:
        mapping = self._maps[domain]
        return X if mapping is None else mapping(X)

    def _feature_map(self, basis: np.ndarray, samples: np.ndarray) -> KernelMap | None:
        """Returns the feature map by some samples of a domain; its mean and σ are those of all."""
        if self.kernel == "linear":
            return None
        if self.kernel != "rbf":
            raise InvalidDomainError(f"kernel must be linear or rbf, got {self.kernel!r}")
        return KernelMap(basis, chosen_sigma(self.sigma, samples), centred=samples)


@dataclasses.dataclass(frozen=True)
class HingedSimilarity:
    """The objective as a function of the entries of W: its value and its gradient.

    Args:
        source: x as rows, (n, a).
        target: y as rows, (m, b).
        same: Which pairs are of one class, bool (n, m).
        penalty: λ.
        lower: l.
        upper: u.
    """

    source: np.ndarray
    target: np.ndarray
    same: np.ndarray
    penalty: float
    lower: float
    upper: float

    def __call__(self, entries: np.ndarray) -> tuple[float, np.ndarray]:
        matrix = entries.reshape(self.source.shape[1], self.target.shape[1])
        similarity = self.source @ matrix @ self.target.T
        # Beyond the bound: below l, as a negative number, or above u.
        beyond = np.where(
            self.same,
            np.minimum(similarity - self.lower, 0),
            np.maximum(similarity - self.upper, 0),
        )
        value = np.vdot(matrix, matrix) / 2 + self.penalty * np.vdot(beyond, beyond)
        gradient = matrix + 2 * self.penalty * self.source.T @ beyond @ self.target
        return float(value), gradient.ravel()
