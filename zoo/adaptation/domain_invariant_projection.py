"""Domain invariant projection: the subspace in which two domains are hardest to tell apart.

Baktashmotlagh, Harandi, Lovell, Salzmann: Unsupervised domain adaptation by domain invariant
projection (ICCV 2013).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.decomposition import PCA

from zoo.adaptation import grassmann
from zoo.adaptation.base import FeatureAdapter
from zoo.adaptation.checks import Domains, InvalidDomainError, check_count, check_number
from zoo.adaptation.kernels import KernelMap, chosen_sigma, kernel_blocks


class DomainInvariantProjection(FeatureAdapter):
    """Projects both domains where their biased MMD² is smallest.

        minimise MMD²(X_s W, X_t W) + γ tr(Wᵀ S W) / tr(S)  where  WᵀW = I

    S is the scatter of the source's samples about the means of their classes: with γ > 0 classes
    cluster (the paper's DIP-CC). The objective depends on the subspace alone, so that it is
    minimised on the Grassmann manifold, from the principal directions of both domains. It is not
    convex. One step takes time in (n_source + n_target)² and blocks of 64 MiB; no whole kernel
    matrix is kept.

    With `kernel="rbf"` W is in the span of samples in the feature space of the Gaussian kernel: x
    becomes φ(x)ᵀW with the coordinates φ of `KernelMap`, which take a basis of at most `n_basis`
    samples of both domains. With fewer samples than that it is exact, else an approximation
    (Nyström).

    Args:
        base: The classifier; by default the nearest neighbour.
        n_components: Dimensions of the subspace. None takes 20, or as many as there can be.
        sigma: σ of the MMD's kernel exp(-‖u - v‖²/σ) in the subspace; by default the median squared
            distance in the subspace of the start.
        clustering: γ ≥ 0.
        kernel: `linear` or `rbf`.
        kernel_sigma: σ of the feature space's kernel; by default the median squared distance of
            both domains.
        n_basis: As above.
        max_steps: Of the minimisation.
        tolerance: It ends when the gradient has fallen to this part of the first one. Of equal
            distributions the biased MMD² is about 1/n_source + 1/n_target: far below that there is
            only chance to fit.
        random_state: Decides which samples are the basis.

    Attributes:
        projection_: W, float64 (features or basis dimensions, n_components).
        values_: The objective at the start and after each step.
        sigma_: σ.
    """

    def __init__(
        self,
        base: Any = None,
        n_components: int | None = None,
        sigma: float | None = None,
        clustering: float = 0.0,
        kernel: str = "linear",
        kernel_sigma: float | None = None,
        n_basis: int = 1000,
        max_steps: int = 200,
        tolerance: float = 1e-2,
        random_state: int = 0,
    ) -> None:
        self.base = base
        self.n_components = n_components
        self.sigma = sigma
        self.clustering = clustering
        self.kernel = kernel
        self.kernel_sigma = kernel_sigma
        self.n_basis = n_basis
        self.max_steps = max_steps
        self.tolerance = tolerance
        self.random_state = random_state

    def _learn(self, domains: Domains) -> None:
        check_number("clustering", self.clustering, 0)
        check_count("max_steps", self.max_steps, 10**9, "of the minimisation")
        self._map = self._feature_map(domains)
        source, target = self._mapped(domains.source), self._mapped(domains.target)
        joined = np.concatenate([source, target])
        most = min(joined.shape[1], len(joined) - 1)
        count = min(20, most) if self.n_components is None else self.n_components
        check_count("n_components", count, most, "as features and samples allow")
        start = PCA(count, svd_solver="full").fit(joined).components_.T
        self.sigma_ = chosen_sigma(self.sigma, joined @ start)
        scatter = class_scatter(source, domains.source_labels) if self.clustering else None

        def objective(basis: np.ndarray) -> tuple[float, np.ndarray]:
            value, gradient = projected_mmd(basis, source, target, self.sigma_)
            if scatter is not None:
                pulled = self.clustering * (scatter @ basis)
                value, gradient = value + float(np.vdot(basis, pulled)), gradient + 2 * pulled
            return value, gradient

        found = grassmann.minimise(objective, start, self.max_steps, self.tolerance)
        self.projection_ = found.basis
        self.values_, self.n_iter_ = np.array(found.values), len(found.values) - 1

    def _represent(self, X: np.ndarray, domain: str) -> np.ndarray:
        return self._mapped(X) @ self.projection_

    def _mapped(self, X: np.ndarray) -> np.ndarray:
        return X if self._map is None else self._map(X)

    def _feature_map(self, domains: Domains) -> KernelMap | None:
        if self.kernel == "linear":
            return None
        if self.kernel != "rbf":
            raise InvalidDomainError(f"kernel must be linear or rbf, got {self.kernel!r}")
        check_count("n_basis", self.n_basis, 10**5, "as memory allows")
        sigma = chosen_sigma(self.kernel_sigma, domains.source, domains.target)
        joined = np.concatenate([domains.source, domains.target])
        if len(joined) > self.n_basis:
            rng = np.random.default_rng(self.random_state)
            joined = joined[np.sort(rng.choice(len(joined), self.n_basis, replace=False))]
        return KernelMap(joined, sigma)


def projected_mmd(
    basis: np.ndarray, source: np.ndarray, target: np.ndarray, sigma: float
) -> tuple[float, np.ndarray]:
    """Returns the biased MMD² of two projected samples and its gradient.

    With all samples z as rows of Z, weights u of 1/n_source and -1/n_target, and
    G_ij = u_i u_j exp(-‖Wᵀ(z_i - z_j)‖²/σ), the value is ΣG and the gradient

        -4/σ Zᵀ (diag(G1) - G) Z W

    Args:
        basis: W, (features, k).
        source: (n_source, features).
        target: (n_target, features).
        sigma: σ.

    Returns:
        The value, and the gradient in the entries of W, float64 (features, k).
    """
    joined = np.concatenate([source, target])
    weights = np.concatenate(
        [np.full(len(source), 1 / len(source)), np.full(len(target), -1 / len(target))]
    )
    inner = joined @ basis
    value, gradient = 0.0, np.zeros_like(basis)
    for rows, block in kernel_blocks(inner, inner, sigma):
        block *= weights[rows, None]
        block *= weights
        sums = block.sum(axis=1)
        value += float(sums.sum())
        gradient += joined[rows].T @ (sums[:, None] * inner[rows] - block @ inner)
    return value, -4 / sigma * gradient


def class_scatter(samples: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Returns the scatter about the classes' means with the trace 1, (features, features)."""
    _, classes = np.unique(labels, return_inverse=True)
    counts = np.bincount(classes)
    means = np.zeros((len(counts), samples.shape[1]))
    np.add.at(means, classes, samples)
    gaps = samples - (means / counts[:, None])[classes]
    scatter = gaps.T @ gaps
    trace = np.trace(scatter)
    return scatter / trace if trace > 0 else scatter
