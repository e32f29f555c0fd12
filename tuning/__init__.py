"""Search for hyperparameters: many trainings of one recipe, the best of them stored like any other.

    from tuning import tune, promote
    search = tune("mlp.fashion_mnist", algorithm="hyperband", trials=8)
    promote(search)

Importing this package imports neither KerasTuner nor Keras.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tuning.promotion import promote
    from tuning.results import Search, TrialResult
    from tuning.search import tune

_WHERE = {
    "Search": "tuning.results",
    "TrialResult": "tuning.results",
    "promote": "tuning.promotion",
    "tune": "tuning.search",
}

__all__ = ["Search", "TrialResult", "promote", "tune"]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'tuning' has no attribute {name!r}")
    return getattr(importlib.import_module(_WHERE[name]), name)
