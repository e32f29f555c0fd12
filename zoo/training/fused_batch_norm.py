"""Batch normalization in one kernel: Keras composes it of a dozen operations on TensorFlow."""

from __future__ import annotations

import types
from typing import Any

import keras
import tensorflow as tf

# The kernel refuses a smaller epsilon.
_SMALLEST_EPSILON = 1.001e-5


def fuse_batch_norm(network: keras.Model) -> None:
    """Has a network's batch normalizations train through TensorFlow's fused kernel.

    The numbers are those of the layer to rounding, the moving statistics too. Layers that the
    kernel does not cover, and all of them outside training, run as Keras wrote them.

    Args:
        network: Its layers are changed in place; a copy made from its configuration is not.
    """
    for layer in network.layers:
        if isinstance(layer, keras.Model):
            fuse_batch_norm(layer)
        elif type(layer) is keras.layers.BatchNormalization and _is_covered(layer):
            layer.call = types.MethodType(_call, layer)


def _is_covered(layer: keras.layers.BatchNormalization) -> bool:
    return (
        layer.built
        and layer.axis in (-1, 3)
        and layer.input_spec.ndim == 4
        and layer.epsilon >= _SMALLEST_EPSILON
        and not (layer.synchronized or layer.renorm)
    )


def _call(
    layer: keras.layers.BatchNormalization,
    inputs: Any,
    training: bool | None = None,
    mask: Any = None,
) -> Any:
    """`BatchNormalization.call`, with the same equations (Ioffe and Szegedy 2015, algorithm 1)."""
    fits = inputs.dtype in (tf.float32, tf.bfloat16)
    if not (training and layer.trainable and fits and mask is None):
        return type(layer).call(layer, inputs, training=training, mask=mask)
    channels = inputs.shape[-1]
    outputs, mean, variance = tf.compat.v1.nn.fused_batch_norm(
        inputs,
        tf.ones(channels) if layer.gamma is None else layer.gamma.value,
        tf.zeros(channels) if layer.beta is None else layer.beta.value,
        epsilon=layer.epsilon,
        is_training=True,
    )
    # The kernel's variance is divided by n - 1, Keras keeps the one divided by n.
    n = tf.cast(tf.size(inputs) // channels, tf.float32)
    for average, value in (
        (layer.moving_mean, mean),
        (layer.moving_variance, variance * (n - 1) / n),
    ):
        average.assign(average * layer.momentum + value * (1 - layer.momentum))
    return outputs
