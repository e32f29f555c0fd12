"""Subspace alignment: the principal directions of the source are turned to those of the target.

Fernando, Habrard, Sebban, Tuytelaars: Unsupervised visual domain adaptation using subspace
alignment (ICCV 2013), equations 1 to 4.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.decomposition import PCA

from zoo.adaptation.base import FeatureAdapter
from zoo.adaptation.checks import Domains, check_count


class SubspaceAlignment(FeatureAdapter):
    """Aligns the bases of two subspaces with M = P_sᵀP_t, the minimiser of ‖P_s M - P_t‖.

    A source sample x becomes (x - μ_s) P_s M, a target sample (x - μ_t) P_t.

    Args:
        base: The classifier; by default the nearest neighbour.
        n_components: Dimensions of each subspace; at most the number of features and one less
            than the samples of either domain. None takes 20, or as many as there can be.

    Attributes:
        bases_: {"source": P_s, "target": P_t}, float64 (features, dimensions), orthonormal.
        alignment_: M, float64 (dimensions, dimensions).
    """

    def __init__(self, base: Any = None, n_components: int | None = None) -> None:
        self.base = base
        self.n_components = n_components

    def _learn(self, domains: Domains) -> None:
        samples = min(len(domains.source), len(domains.target)) - 1
        most = min(samples, domains.source.shape[1])
        count = min(20, most) if self.n_components is None else self.n_components
        check_count("n_components", count, most, "as features and samples allow")
        found = {
            side: PCA(count, svd_solver="full").fit(rows)
            for side, rows in (("source", domains.source), ("target", domains.target))
        }
        self.means_ = {side: pca.mean_ for side, pca in found.items()}
        self.bases_ = {side: pca.components_.T for side, pca in found.items()}
        self.alignment_ = self.bases_["source"].T @ self.bases_["target"]

    def _represent(self, X: np.ndarray, domain: str) -> np.ndarray:
        inner = (X - self.means_[domain]) @ self.bases_[domain]
        return inner @ self.alignment_ if domain == "source" else inner
