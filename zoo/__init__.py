"""Keras 3 reference models: trained for real, measured, searchable, served.

    import zoo
    classifier = zoo.load("resnet20.fashion_mnist")
    classifier.predict("shoe.png", top_k=3)

Importing this package imports neither Keras nor TensorFlow; what needs them imports them.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zoo.api import card, cross_validate, evaluate, list_models, load, train
    from zoo.errors import ZooError
    from zoo.evaluation.probe import linear_probe
    from zoo.networks import features_of
    from zoo.recipe import Recipe
    from zoo.training.build import create

__version__ = "0.1.0"

_WHERE = {
    "Recipe": "zoo.recipe",
    "ZooError": "zoo.errors",
    "card": "zoo.api",
    "create": "zoo.training.build",
    "cross_validate": "zoo.api",
    "evaluate": "zoo.api",
    "features_of": "zoo.networks",
    "linear_probe": "zoo.evaluation.probe",
    "list_models": "zoo.api",
    "load": "zoo.api",
    "train": "zoo.api",
}

__all__ = [
    "Recipe",
    "ZooError",
    "card",
    "create",
    "cross_validate",
    "evaluate",
    "features_of",
    "linear_probe",
    "list_models",
    "load",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'zoo' has no attribute {name!r}")
    value = getattr(importlib.import_module(_WHERE[name]), name)
    globals()[name] = value
    return value
