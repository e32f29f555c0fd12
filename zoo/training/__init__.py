"""The engine: players take turns, one custom step, exact resume."""

import contextlib
import importlib

from zoo.backend import backend_name, import_backend, quietly

# Whoever comes here first has the backend chosen and checked.
import_backend()
if backend_name() == "jax":
    # To seed and to write a model down Keras imports TensorFlow where there is one; this way it
    # is silent.
    with quietly(), contextlib.suppress(ImportError):
        importlib.import_module("tensorflow")
