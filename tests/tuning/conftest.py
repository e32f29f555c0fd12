"""A search small enough to run in a test, as a fixture."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from .helpers import QUICK, RATES, quiet


@pytest.fixture
def quick_tune(sample_home: Any) -> Callable[..., Any]:
    """`tuning.tune` of the small network, quietly and in this process, with other arguments."""

    def run(algorithm: str = "random", trials: int = 2, **options: Any) -> Any:
        from tuning import tune

        overrides = {**QUICK, **options.pop("overrides", {})}
        options = {"space": RATES, "say": quiet, "in_process": True, **options}
        return tune("mlp.fashion_mnist", algorithm, trials, overrides=overrides, **options)

    return run
