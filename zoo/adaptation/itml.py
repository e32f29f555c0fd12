"""Information-theoretic metric learning across domains.

Davis, Kulis, Jain, Sra, Dhillon: Information-theoretic metric learning (ICML 2007), algorithm 1;
pairs across domains as in Saenko, Kulis, Fritz, Darrell: Adapting visual category models to new
domains (ECCV 2010), section 3.3.
"""

from __future__ import annotations

import dataclasses
import warnings
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics.pairwise import euclidean_distances

from zoo.adaptation.base import FeatureAdapter
from zoo.adaptation.checks import Domains, InvalidDomainError, check_count, check_number

# The least and the largest distance that bounds are taken from, as percentiles.
_PERCENTILES = (5, 95)


class ITML(FeatureAdapter):
    """Learns a Mahalanobis metric from pairs of a source and a labelled target sample.

        minimise D(A, I) + γ D(diag ξ, diag ξ₀)  where  (x - y)ᵀA(x - y) ≤ ξ for pairs of one class
        and ≥ ξ for pairs of two,  D(A, B) = tr(AB⁻¹) - log det(AB⁻¹) - d

    ξ₀ is the lower bound for pairs of one class, the upper for the others. Both domains are then
    mapped by A^(1/2). A differs from I in the span of the pairs' differences alone, and is learned
    there.

    Args:
        base: The classifier; by default the nearest neighbour.
        gamma: γ > 0: how hard the bounds are.
        bounds: Squared distances, pairs of one class should be below the first, others above the
            second. By default the 5th and 95th percentile over all pairs across the domains.
        n_pairs: How many pairs are drawn, as many of one class as of two where there are. All
            are taken where there are fewer.
        max_steps: Rounds over all pairs; after so many a `ConvergenceWarning` is given.
        tolerance: It ends when a round changes the multipliers by less, relatively.
        random_state: Decides which pairs.

    Attributes:
        metric_: A, float64 (features, features), positive definite.
        bounds_: The bounds.
    """

    def __init__(
        self,
        base: Any = None,
        gamma: float = 1.0,
        bounds: tuple[float, float] | None = None,
        n_pairs: int = 2000,
        max_steps: int = 1000,
        tolerance: float = 1e-3,
        random_state: int = 0,
    ) -> None:
        self.base = base
        self.gamma = gamma
        self.bounds = bounds
        self.n_pairs = n_pairs
        self.max_steps = max_steps
        self.tolerance = tolerance
        self.random_state = random_state

    def _learn(self, domains: Domains) -> None:
        check_number("gamma", self.gamma, 0, above=True)
        check_count("n_pairs", self.n_pairs, 10**7, "as time allows")
        check_count("max_steps", self.max_steps, 10**9, "rounds")
        known, labels = domains.known
        require_pairs(domains, "ITML")
        same = domains.source_labels[:, None] == labels
        self.bounds_ = self._bounds(domains.source, known)
        rows = draw_pairs(same, self.n_pairs, np.random.default_rng(self.random_state))
        gaps = domains.source[rows[:, 0]] - known[rows[:, 1]]
        similar = same[rows[:, 0], rows[:, 1]]
        # A pair of equal samples has the distance 0 under every metric.
        differ = gaps.any(axis=1)
        gaps, similar = gaps[differ], similar[differ]
        if not len(gaps):
            raise InvalidDomainError("every pair across the domains is one of equal samples")
        span = np.linalg.svd(np.concatenate([domains.source, known]), full_matrices=False)[2].T
        learned = logdet_metric(
            gaps @ span, similar, self.bounds_, self.gamma, self.max_steps, self.tolerance
        )
        self.n_iter_ = learned.steps
        identity = np.eye(span.shape[1])
        values, vectors = np.linalg.eigh(learned.metric)
        root = (vectors * np.sqrt(values)) @ vectors.T
        outside = np.eye(len(span))
        self.metric_ = outside + span @ (learned.metric - identity) @ span.T
        self.root_ = outside + span @ (root - identity) @ span.T

    def _represent(self, X: np.ndarray, domain: str) -> np.ndarray:
        return X @ self.root_

    def _bounds(self, source: np.ndarray, known: np.ndarray) -> tuple[float, float]:
        if self.bounds is None:
            distances = euclidean_distances(source, known, squared=True)
            differ = distances[distances > 0]
            if not len(differ):
                return 1.0, 1.0  # There is no pair that a bound is for.
            first, second = np.percentile(differ, _PERCENTILES)
            return float(first), float(second)
        low, high = self.bounds
        check_number("the first of bounds", low, 0, above=True)
        check_number("the second of bounds", high, low)
        return float(low), float(high)


@dataclasses.dataclass(frozen=True)
class LearnedMetric:
    """A metric and what shows that it is the right one.

    Args:
        metric: A, float64 (d, d), positive definite.
        slack: ξ, (pairs,).
        multipliers: λ ≥ 0, (pairs,). At the minimum A⁻¹ = I + Σ ±λ vvᵀ, + for similar pairs.
        steps: Rounds over all pairs.
    """

    metric: np.ndarray
    slack: np.ndarray
    multipliers: np.ndarray
    steps: int


def logdet_metric(
    gaps: np.ndarray,
    similar: np.ndarray,
    bounds: tuple[float, float],
    gamma: float,
    max_steps: int,
    tolerance: float,
) -> LearnedMetric:
    """Minimises the LogDet divergence from I under bounds of squared distances.

    Each pair in turn is projected on: with p = vᵀAv, the step α that makes vᵀAv = ξ, both of which
    it changes, is ±γ/(γ+1) (1/p - 1/ξ). (Algorithm 1 as printed weighs ξ otherwise; this is the
    projection for the objective above.)

    Args:
        gaps: Differences v of pairs, (pairs, d), none of them 0.
        similar: Which pairs should be near, bool (pairs,).
        bounds: The largest squared distance of similar pairs, the least of others.
        gamma: γ; infinity makes the bounds hard.
        max_steps: Rounds.
        tolerance: It ends when a round changes λ by less, as a part of its norm.
    """
    metric = np.eye(gaps.shape[1])
    signs = np.where(similar, 1.0, -1.0)
    slack = np.where(similar, bounds[0], bounds[1])
    multipliers = np.zeros(len(gaps))
    share = 1.0 if np.isinf(gamma) else gamma / (gamma + 1)
    steps = 0
    while steps < max_steps:
        steps += 1
        before = multipliers.copy()
        for pair, gap in enumerate(gaps):
            along = metric @ gap
            distance, sign = float(gap @ along), signs[pair]
            alpha = min(multipliers[pair], sign * share * (1 / distance - 1 / slack[pair]))
            if alpha == 0:
                continue
            multipliers[pair] -= alpha
            slack[pair] = 1 / (1 / slack[pair] + sign * alpha / gamma)
            factor = sign * alpha / (1 - sign * alpha * distance)
            metric += np.outer(factor * along, along)
        change = np.abs(multipliers - before).sum()
        if change <= tolerance * (np.linalg.norm(multipliers) + np.linalg.norm(before)):
            break
    else:
        warnings.warn(
            f"after {max_steps} rounds the multipliers still change",
            ConvergenceWarning,
            stacklevel=3,
        )
    return LearnedMetric((metric + metric.T) / 2, slack, multipliers, steps)


def require_pairs(domains: Domains, method: str) -> None:
    """Refuses domains without labelled target samples, or without pairs of one class or of two."""
    _, labels = domains.known
    if domains.target_labels is None:
        raise InvalidDomainError(
            f"{method} learns from labelled samples of the target: expected yt with some, got none"
        )
    if not np.isin(labels, domains.source_labels).any():
        raise InvalidDomainError(f"{method} needs pairs of one class across the domains, got none")


def draw_pairs(same: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Draws pairs, one half of one class where there are so many.

    Args:
        same: Whether a source sample and a target sample are of one class, bool (n, m).
        count: How many pairs.
        rng: Draws them.

    Returns:
        Rows of the source and of the target, int (pairs, 2), in a random order.
    """
    near, far = np.argwhere(same), np.argwhere(~same)
    of_near = min(len(near), max(count // 2, count - len(far)))
    of_far = min(len(far), count - of_near)
    chosen = [
        pairs[rng.choice(len(pairs), many, replace=False)]
        for pairs, many in ((near, of_near), (far, of_far))
    ]
    return rng.permutation(np.concatenate(chosen))
