"""Networks as fast functions on arrays: on Keras, or exported and without it.

Importing this package imports no framework; what is asked of it imports the one that it needs.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zoo.runtime.compiled import compile_network
    from zoo.runtime.exported import ExportedFunctions
    from zoo.runtime.functions import Functions
    from zoo.runtime.keras_functions import KerasFunctions
    from zoo.runtime.keras_sampling import KerasSamplingLoop
    from zoo.runtime.sampling import NumpySamplingLoop, SamplingLoop

# What needs Keras has its backend chosen and checked first.
_ON_KERAS = {
    "KerasFunctions": "zoo.runtime.keras_functions",
    "KerasSamplingLoop": "zoo.runtime.keras_sampling",
    "compile_network": "zoo.runtime.compiled",
}
_WITHOUT = {
    "ExportedFunctions": "zoo.runtime.exported",
    "Functions": "zoo.runtime.functions",
    "NumpySamplingLoop": "zoo.runtime.sampling",
    "SamplingLoop": "zoo.runtime.sampling",
}

__all__ = [
    "ExportedFunctions",
    "Functions",
    "KerasFunctions",
    "KerasSamplingLoop",
    "NumpySamplingLoop",
    "SamplingLoop",
    "compile_network",
]


def __getattr__(name: str) -> Any:
    if name in _ON_KERAS:
        from zoo.backend import import_backend

        import_backend()
    elif name not in _WITHOUT:
        raise AttributeError(f"module 'zoo.runtime' has no attribute {name!r}")
    value = getattr(importlib.import_module({**_ON_KERAS, **_WITHOUT}[name]), name)
    globals()[name] = value
    return value
