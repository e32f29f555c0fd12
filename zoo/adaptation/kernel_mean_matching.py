"""Kernel mean matching: weights under which the source has the target's mean in feature space.

Huang, Smola, Gretton, Borgwardt, Schölkopf: Correcting sample selection bias by unlabeled data
(NIPS 2006), equation 5 and section 3.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.svm import SVC

from zoo.adaptation.base import DomainAdapter, linear_svm
from zoo.adaptation.checks import Domains, InvalidDomainError, check_count, check_number
from zoo.adaptation.kernels import KernelMatrix, chosen_sigma, kernel_mean
from zoo.adaptation.quadratic import Group, minimise


class KernelMeanMatching(DomainAdapter):
    """Weighs the source's samples for the base classifier.

        minimise ½βᵀKβ - κᵀβ  where  0 ≤ β ≤ B  and  |Σβ - n| ≤ nε

    K is the source's kernel matrix and κ_i = n times the mean kernel of x_i with the target. A
    labelled sample of the target has the weight 1: it is drawn from where it will be used. Up to
    11,585 source samples K is kept, in 1 GiB; with more it is computed at every step, and a warning
    says so.

    Args:
        base: The classifier, which must take `sample_weight`; by default a linear support vector
            machine.
        sigma: σ of exp(-‖x - y‖²/σ); by default the median squared distance of both domains.
        bound: B, the largest weight.
        epsilon: ε; by default 1 - 1/√n, as in the paper.
        tolerance: How far from its minimum the objective may be, relatively, for all that can be
            proved; it mostly is far nearer.
        max_steps: Of the solver.

    Attributes:
        weights_: β, float64 (n_source,).
        objective_: Its value at β.
        gap_: How far above the minimum it is at most.
        sigma_: σ.
    """

    def __init__(
        self,
        base: Any = None,
        sigma: float | None = None,
        bound: float = 1000.0,
        epsilon: float | None = None,
        tolerance: float = 1e-4,
        max_steps: int = 20_000,
    ) -> None:
        self.base = base
        self.sigma = sigma
        self.bound = bound
        self.epsilon = epsilon
        self.tolerance = tolerance
        self.max_steps = max_steps

    def _learn(self, domains: Domains) -> None:
        source, count = domains.source, len(domains.source)
        epsilon = 1 - 1 / np.sqrt(count) if self.epsilon is None else self.epsilon
        check_number("epsilon", epsilon, 0)
        check_number("bound", self.bound, 0, above=True)
        check_count("max_steps", self.max_steps, 10**9, "of the solver")
        low, high = count * max(1 - epsilon, 0), count * (1 + epsilon)
        if self.bound * count < low:
            raise InvalidDomainError(
                f"no weights of at most bound={self.bound:g} have a mean from {1 - epsilon:g}"
            )
        self.sigma_ = chosen_sigma(self.sigma, source, domains.target)
        solution = minimise(
            KernelMatrix(source, self.sigma_),
            count * kernel_mean(source, domains.target, self.sigma_),
            [Group(np.arange(count), float(self.bound), low, high)],
            self.tolerance,
            self.max_steps,
        )
        self.weights_ = solution.x
        self.objective_, self.gap_, self.n_iter_ = solution.value, solution.gap, solution.steps

    def _lessons(self, domains: Domains) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        rows, labels, _ = super()._lessons(domains)
        weights = np.concatenate([self.weights_, np.ones(len(rows) - len(self.weights_))])
        return rows, labels, weights

    def _default_base(self) -> SVC:
        return linear_svm()
