"""A network as one concrete TensorFlow function."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf


def compiled(network: keras.Model, softmax: bool) -> Callable[[np.ndarray], np.ndarray]:
    """Returns a function from float32 (n, …) to float32 (n, …), traced once for all n."""

    def forward(rows: tf.Tensor) -> tf.Tensor:
        outputs = network(rows, training=False)
        return tf.nn.softmax(outputs) if softmax else outputs

    signature = tf.TensorSpec((None, *network.input_shape[1:]), tf.float32)
    concrete = tf.function(forward, input_signature=[signature]).get_concrete_function()
    return lambda rows: concrete(tf.constant(rows)).numpy()
