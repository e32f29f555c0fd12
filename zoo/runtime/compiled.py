"""A network as one compiled function, for batches of any size."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import keras
import numpy as np

if TYPE_CHECKING or keras.backend.backend() == "tensorflow":
    from zoo.runtime.tensorflow_function import compiled
else:
    from zoo.runtime.jax_function import compiled

Function = Callable[[np.ndarray], np.ndarray]

# Rows beyond this are run in several batches, which bounds memory.
LARGEST = 256


def compile_network(
    network: keras.Model, layer: str | None = None, softmax: bool = False, smallest: int = 1
) -> Function:
    """Compiles a network, for batches of any size.

    `keras.Model.predict` sets up a data pipeline at each call, which costs far more than a small
    batch; a compiled function does not. It may be called from several threads.

    Args:
        network: One input, one output.
        layer: Name of the layer whose output is wanted; None is the network's own output.
        softmax: Whether to turn logits into scores that sum to 1.
        smallest: Least size of a batch, a power of two; smaller ones are filled up to it.

    Returns:
        A function from float32 (n, …) to float32 (n, …), row i from row i alone.
    """
    if layer is not None:
        network = keras.Model(network.input, network.get_layer(layer).output)
    run = compiled(network, softmax)

    def function(rows: np.ndarray) -> np.ndarray:
        parts = [rows[start : start + LARGEST] for start in range(0, max(1, len(rows)), LARGEST)]
        return np.concatenate([_padded(run, part, smallest) for part in parts])

    return function


def _padded(run: Function, rows: np.ndarray, smallest: int) -> np.ndarray:
    """Runs a batch filled up with zeros to a power of two.

    Kernels for odd and for tiny sizes add in another order, which would let a result depend on
    how many rows share its batch.
    """
    size = max(smallest, 1 << max(0, len(rows) - 1).bit_length())
    padding = [(0, size - len(rows))] + [(0, 0)] * (rows.ndim - 1)
    return run(np.pad(rows, padding).astype("float32", copy=False))[: len(rows)]
