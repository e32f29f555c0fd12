"""Classical domain adaptation: estimators with scikit-learn's interface, loaded when asked for."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zoo.adaptation.asymmetric_transform import AsymmetricTransform
    from zoo.adaptation.checks import InvalidDomainError
    from zoo.adaptation.coral import CORAL
    from zoo.adaptation.domain_invariant_projection import DomainInvariantProjection
    from zoo.adaptation.itml import ITML
    from zoo.adaptation.kernel_mean_matching import KernelMeanMatching
    from zoo.adaptation.kernels import gaussian_kernel, median_heuristic
    from zoo.adaptation.landmarks import LandmarkSelection
    from zoo.adaptation.mmd import squared_mmd
    from zoo.adaptation.subspace_alignment import SubspaceAlignment

_WHERE = {
    "CORAL": "coral",
    "ITML": "itml",
    "AsymmetricTransform": "asymmetric_transform",
    "DomainInvariantProjection": "domain_invariant_projection",
    "InvalidDomainError": "checks",
    "KernelMeanMatching": "kernel_mean_matching",
    "LandmarkSelection": "landmarks",
    "SubspaceAlignment": "subspace_alignment",
    "gaussian_kernel": "kernels",
    "median_heuristic": "kernels",
    "squared_mmd": "mmd",
}

__all__ = [
    "CORAL",
    "ITML",
    "AsymmetricTransform",
    "DomainInvariantProjection",
    "InvalidDomainError",
    "KernelMeanMatching",
    "LandmarkSelection",
    "SubspaceAlignment",
    "gaussian_kernel",
    "median_heuristic",
    "squared_mmd",
]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'zoo.adaptation' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"zoo.adaptation.{_WHERE[name]}"), name)
    globals()[name] = value
    return value
