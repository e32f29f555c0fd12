"""What a denoiser is built of: residual blocks that are told the time, attention, other sizes."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import layers, ops

# The last convolution of a block begins as good as 0, so that the block begins as its shortcut; at
# exactly 0 nothing before it would learn in the first step (Ho et al. 2020, their code).
ALMOST_ZERO = {"class_name": "VarianceScaling", "config": {"scale": 1e-6, "mode": "fan_avg"}}
# Channels a group has at least, and groups there are at most.
_LEAST, _MOST = 4, 32


@keras.saving.register_keras_serializable("zoo")
class ScaleAndShift(keras.layers.Layer):
    """x (1 + scale) + shift, one scale and one shift for each channel of an example.

    Dhariwal and Nichol 2021, section 4.3 ("adaptive group normalization").

    Shape:
        (batch, height, width, channels) and (batch, 2 channels), scales and then shifts, to the
        shape of the first.
    """

    def call(self, inputs: tuple[Any, Any]) -> Any:
        x, factors = inputs
        scale, shift = ops.split(factors[:, None, None], 2, axis=-1)
        return x * (1.0 + scale) + shift

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        return tuple(input_shape[0])


@keras.saving.register_keras_serializable("zoo")
class SelfAttention(keras.layers.Layer):
    """Every pixel of a map takes from all others (Vaswani et al. 2017, eq. 1), heads side by side.

    Queries, keys and values have no offsets: one of the keys would change nothing.

    Args:
        heads: Number of heads; it divides the channels.

    Shape:
        (batch, height, width, channels) to the same.

    Raises:
        ValueError: when the heads do not divide the channels.
    """

    def __init__(self, heads: int = 4, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.heads = heads

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        channels = input_shape[-1]
        if channels is None or self.heads < 1 or channels % self.heads:
            raise ValueError(f"heads must divide the {channels} channels, got {self.heads}")
        self.inward = self.add_weight(
            shape=(channels, 3 * channels), initializer="glorot_uniform", name="inward"
        )
        self.outward = self.add_weight(
            shape=(channels, channels), initializer=ALMOST_ZERO, name="outward"
        )

    def call(self, inputs: Any) -> Any:
        _, height, width, channels = inputs.shape
        depth = channels // self.heads
        tokens = ops.reshape(inputs, (-1, height * width, channels))
        parts = ops.matmul(tokens, self.inward)
        parts = ops.reshape(parts, (-1, height * width, 3, self.heads, depth))
        found = ops.dot_product_attention(
            parts[:, :, 0], parts[:, :, 1], parts[:, :, 2], scale=1.0 / math.sqrt(depth)
        )
        found = ops.matmul(ops.reshape(found, (-1, height * width, channels)), self.outward)
        return ops.reshape(found, (-1, height, width, channels))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "heads": self.heads}


def residual(
    x: keras.KerasTensor, condition: keras.KerasTensor, channels: int, dropout: float
) -> keras.KerasTensor:
    """Two convolutions beside a shortcut; the second's maps are scaled and shifted by a condition.

    Args:
        x: Maps (batch, height, width, …).
        condition: What time and label say, (batch, d).
        channels: Channels of the maps to make.
        dropout: Share of the maps dropped before the second convolution.
    """
    y = layers.Conv2D(channels, 3, padding="same")(active(x))
    factors = layers.Dense(2 * channels)(condition)
    y = layers.Activation("silu")(ScaleAndShift()([norm(y, scale=False, center=False), factors]))
    if dropout:
        y = layers.Dropout(dropout)(y)
    y = layers.Conv2D(channels, 3, padding="same", kernel_initializer=ALMOST_ZERO)(y)
    if x.shape[-1] != channels:
        x = layers.Conv2D(channels, 1)(x)
    return layers.Add()([x, y])


def attended(x: keras.KerasTensor, heads: int) -> keras.KerasTensor:
    """Self-attention beside a shortcut."""
    return layers.Add()([x, SelfAttention(heads)(norm(x))])


def smaller(x: keras.KerasTensor) -> keras.KerasTensor:
    """Halves the sides of maps; odd ones are rounded up."""
    return layers.Conv2D(x.shape[-1], 3, strides=2, padding="same")(x)


def larger(x: keras.KerasTensor, height: int, width: int, channels: int) -> keras.KerasTensor:
    """Doubles the sides of maps and cuts off what is beyond `height` and `width`, at most a row."""
    x = layers.UpSampling2D(2)(x)
    beyond = (x.shape[1] - height, x.shape[2] - width)
    if any(beyond):
        x = layers.Cropping2D(((0, beyond[0]), (0, beyond[1])))(x)
    return layers.Conv2D(channels, 3, padding="same")(x)


def active(x: keras.KerasTensor) -> keras.KerasTensor:
    """Group normalization, then SiLU."""
    return layers.Activation("silu")(norm(x))


def norm(x: keras.KerasTensor, **options: Any) -> keras.KerasTensor:
    """Group normalization (Wu and He 2018): an example does not depend on its batch."""
    channels = x.shape[-1]
    fitting = (
        groups
        for groups in (_MOST >> i for i in range(_MOST.bit_length()))
        if channels % groups == 0 and channels >= _LEAST * groups
    )
    return layers.GroupNormalization(next(fitting, 1), epsilon=1e-5, **options)(x)
