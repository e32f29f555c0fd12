"""The benchmark of costs runs every method and makes as many steps as it says."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import adaptation_costs


@pytest.mark.parametrize("method", adaptation_costs.METHODS)
def test_every_method_runs(method: str) -> None:
    source, labels, target = adaptation_costs.domains(60)
    assert source.shape == target.shape == (60, 64) and len(np.unique(labels)) == 10
    steps = adaptation_costs.METHODS[method](source, labels, target)
    assert steps >= 1
    if method.startswith("DIP"):
        assert steps <= 10
