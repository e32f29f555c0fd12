"""A network as one concrete TensorFlow function."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

Function = Callable[[np.ndarray], np.ndarray]

# Rows beyond this are run in several batches, which bounds memory.
LARGEST = 256


def compile_network(
    network: keras.Model, layer: str | None = None, softmax: bool = False, smallest: int = 1
) -> Function:
    """Traces a network once, for batches of any size.

    `keras.Model.predict` sets up a data pipeline at each call, which costs far more than a small
    batch; a concrete function does not. It may be called from several threads.

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

    def forward(rows: tf.Tensor) -> tf.Tensor:
        outputs = network(rows, training=False)
        return tf.nn.softmax(outputs) if softmax else outputs

    signature = tf.TensorSpec((None, *network.input_shape[1:]), tf.float32)
    concrete = tf.function(forward, input_signature=[signature]).get_concrete_function()

    def function(rows: np.ndarray) -> np.ndarray:
        parts = [rows[start : start + LARGEST] for start in range(0, max(1, len(rows)), LARGEST)]
        return np.concatenate([_padded(concrete, part, smallest) for part in parts])

    return function


def _padded(
    concrete: Callable[[tf.Tensor], tf.Tensor], rows: np.ndarray, smallest: int
) -> np.ndarray:
    """Runs a batch filled up with zeros to a power of two.

    Kernels for odd and for tiny sizes add in another order, which would let a result depend on
    how many rows share its batch.
    """
    size = max(smallest, 1 << max(0, len(rows) - 1).bit_length())
    padding = [(0, size - len(rows))] + [(0, 0)] * (rows.ndim - 1)
    return concrete(tf.constant(np.pad(rows, padding), tf.float32)).numpy()[: len(rows)]
