"""Networks without weights: known by their shapes, for those too large to be made in a test."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import keras
import numpy as np


@contextlib.contextmanager
def weightless() -> Iterator[None]:
    """What is built inside has variables of a shape and a type and no value, then and later.

    Keras keeps a list of variables whose values are put off, and makes them at the end of the next
    scope that does so. Clearing its state forgets the list.
    """
    try:
        with keras.StatelessScope(initialize_variables=False):
            yield
    finally:
        keras.backend.clear_session()


def trainable(model: keras.Model) -> int:
    """Counts the parameters that learn; without BatchNorm's statistics, as papers count."""
    return sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)
