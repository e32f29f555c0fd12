"""A network as one compiled function, for batches of any size."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import keras
import numpy as np

from zoo.runtime.batches import batches, filled, power_of_two

if TYPE_CHECKING or keras.backend.backend() == "tensorflow":
    from zoo.runtime.tensorflow_function import compiled
else:
    from zoo.runtime.jax_function import compiled

Function = Callable[[np.ndarray], np.ndarray]


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
        parts = [rows[part] for part in batches(len(rows))]
        sizes = [power_of_two(len(part), smallest) for part in parts]
        done = [run(filled(p, size))[: len(p)] for p, size in zip(parts, sizes, strict=True)]
        return np.concatenate(done)

    return function
