"""Landmarks: the samples of the source that are most like the target.

Gong, Grauman, Sha: Connecting the dots with landmarks (ICML 2013), equations 2 to 4, at one scale.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.svm import SVC

from zoo.adaptation.base import DomainAdapter, linear_svm
from zoo.adaptation.checks import Domains, check_count, check_number
from zoo.adaptation.kernels import KernelMatrix, chosen_sigma, kernel_blocks, kernel_mean
from zoo.adaptation.quadratic import Group, minimise


class LandmarkSelection(DomainAdapter):
    """Selects samples of the source whose mean in feature space is that of the target.

    To select is a choice of 0 or 1 for each sample. Relaxed and divided by their number, these are
    shares β, and each class keeps the share that it has in the source:

        minimise βᵀKβ - 2κᵀβ  where  β ≥ 0  and  Σ_{i in c} β_i = n_c/n for each class c

    K is the source's kernel matrix and κ_i the mean kernel of x_i with the target. Landmarks are
    the samples with a share above a small threshold. The base classifier learns them alone, with
    the labelled samples of the target. Up to 11,585 source samples K is kept, in 1 GiB; with more
    it is computed at every step, and a warning says so.

    Args:
        base: The classifier; by default a linear support vector machine.
        sigma: σ of exp(-‖x - y‖²/σ); by default the median squared distance of both domains.
        threshold: The least share of a landmark, as a part of the mean share 1/n.
        tolerance: How far from its minimum the objective may be, relatively, for all that can be
            proved; it mostly is far nearer.
        max_steps: Of the solver.

    Attributes:
        shares_: β, float64 (n_source,), with the sum 1.
        landmarks_: Rows of the source, int (landmarks,), ascending.
        squared_mmd_: Biased MMD² between the source under β and the target.
        gap_: How far above its minimum that is at most.
        sigma_: σ.
    """

    def __init__(
        self,
        base: Any = None,
        sigma: float | None = None,
        threshold: float = 1e-3,
        tolerance: float = 1e-4,
        max_steps: int = 20_000,
    ) -> None:
        self.base = base
        self.sigma = sigma
        self.threshold = threshold
        self.tolerance = tolerance
        self.max_steps = max_steps

    def _learn(self, domains: Domains) -> None:
        check_number("threshold", self.threshold, 0, 1)
        check_count("max_steps", self.max_steps, 10**9, "of the solver")
        source, labels, count = domains.source, domains.source_labels, len(domains.source)
        self.sigma_ = chosen_sigma(self.sigma, source, domains.target)
        groups = []
        for one in np.unique(labels):
            rows = np.flatnonzero(labels == one)
            share = len(rows) / count
            groups.append(Group(rows, share, share, share))
        solution = minimise(
            KernelMatrix(source, self.sigma_),
            kernel_mean(source, domains.target, self.sigma_),
            groups,
            self.tolerance,
            self.max_steps,
        )
        self.shares_ = solution.x
        self.landmarks_ = np.flatnonzero(solution.x > self.threshold / count)
        blocks = kernel_blocks(domains.target, domains.target, self.sigma_)
        of_target = sum(block.sum() for _, block in blocks) / len(domains.target) ** 2
        self.squared_mmd_ = float(2 * solution.value + of_target)
        self.gap_, self.n_iter_ = 2 * solution.gap, solution.steps

    def _lessons(self, domains: Domains) -> tuple[np.ndarray, np.ndarray, None]:
        rows, labels, _ = super()._lessons(domains)
        chosen = np.concatenate([self.landmarks_, np.arange(len(domains.source), len(rows))])
        return rows[chosen], labels[chosen], None

    def _default_base(self) -> SVC:
        return linear_svm()
