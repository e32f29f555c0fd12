"""A network as one compiled function, for batches of any size."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import keras
import numpy as np

from zoo.runtime.batches import LARGEST, Rows, in_batches

if TYPE_CHECKING or keras.backend.backend() == "tensorflow":
    from zoo.runtime.tensorflow_function import compiled
else:
    from zoo.runtime.jax_function import compiled


def compile_network(
    network: keras.Model, layer: str | None = None, smallest: int = 1, largest: int = LARGEST
) -> Callable[[Rows], np.ndarray]:
    """Compiles a network, for batches of any size.

    `keras.Model.predict` sets up a data pipeline at each call, which costs far more than a small
    batch; a compiled function does not. It may be called from several threads.

    Args:
        network: One output, and one input or a dictionary of inputs.
        layer: Name of the layer whose output is wanted; None is the network's own output.
        smallest: Least size of a batch, a power of two; smaller ones are filled up to it.
        largest: Largest size of a batch, likewise; larger ones are run in parts.

    Returns:
        A function from float32 (n, …), or a mapping of such arrays where the network takes a
        dictionary, to float32 (n, …), row i from row i alone.
    """
    if layer is not None:
        network = keras.Model(network.input, network.get_layer(layer).output)
    return in_batches(compiled(network), smallest, largest)
