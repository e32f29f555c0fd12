"""DiscoGAN (Kim et al. 2017): two encoder-decoders, each the way back of the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import layers, ops

from zoo.models.translation.game import TranslationGame

_INITIALIZER = {"class_name": "RandomNormal", "config": {"stddev": 0.02}}
_SLOPE = 0.2
_KERNEL = 4


def generator(
    input_shape: Sequence[int] = (64, 64, 3), width: int = 64, latent_dim: int = 100
) -> keras.Model:
    """Builds an encoder-decoder: convolutions down to one vector, and back.

    Through the vector every pixel can depend on every other, as a rotation needs.

    Args:
        input_shape: (height, width, channels); sides that halve down to 4 to 8 pixels.
        width: Channels of the first map; each smaller map has twice as many.
        latent_dim: Length of the vector in the middle.

    Returns:
        A model from `images` in [-1, 1] to images in [-1, 1] of the same shape.
    """
    smallest, halvings = _grid(input_shape)
    images = keras.Input(tuple(input_shape), name="images")
    x = _encoded(images, width, halvings)
    x = _conv(layers.Conv2D, latent_dim, smallest, 1, "valid")(x)
    x = layers.LeakyReLU(_SLOPE)(layers.BatchNormalization()(x))
    x = _conv(layers.Conv2DTranspose, width << (halvings - 1), smallest, 1, "valid")(x)
    for step in reversed(range(halvings - 1)):
        x = layers.ReLU()(layers.BatchNormalization()(x))
        x = _conv(layers.Conv2DTranspose, width << step)(x)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    x = _conv(layers.Conv2DTranspose, input_shape[-1], use_bias=True)(x)
    return keras.Model(images, layers.Activation("tanh", name="translated")(x), name="generator")


def discriminator(input_shape: Sequence[int] = (64, 64, 3), width: int = 64) -> keras.Model:
    """Builds a discriminator that sees the whole image.

    Args:
        input_shape: As for `generator`.
        width: As for `generator`.

    Returns:
        A model from `images` in [-1, 1] to logits (batch, 1), positive for real.
    """
    images = keras.Input(tuple(input_shape), name="images")
    x = layers.Flatten(name="features")(_encoded(images, width, _grid(input_shape)[1]))
    logits = layers.Dense(1, kernel_initializer=_INITIALIZER, name="logits")(x)
    return keras.Model(images, logits, name="discriminator")


@keras.saving.register_keras_serializable("zoo")
class DiscoGAN(TranslationGame):
    """Kim et al. 2017, eq. 3 to 9: cross entropy, and squared distances both ways back.

    Args:
        g_ab: As for `TranslationGame`, like the next three.
        g_ba: …
        d_a: …
        d_b: …
        loss: A name in `ADVERSARIAL_LOSSES`.
        adversarial: Weight of the adversarial loss.
        cycle: Weight of the reconstruction.
    """

    def __init__(
        self,
        g_ab: keras.Model,
        g_ba: keras.Model,
        d_a: keras.Model,
        d_b: keras.Model,
        *,
        loss: str = "non_saturating",
        adversarial: float = 1.0,
        cycle: float = 1.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            g_ab, g_ba, d_a, d_b, loss=loss, adversarial=adversarial, cycle=cycle, **kwargs
        )

    def distance(self, one: Any, other: Any) -> Any:
        return ops.mean(ops.square(one - other))


def _encoded(images: keras.KerasTensor, width: int, halvings: int) -> keras.KerasTensor:
    x = layers.LeakyReLU(_SLOPE)(_conv(layers.Conv2D, width, use_bias=True)(images))
    for step in range(1, halvings):
        x = _conv(layers.Conv2D, width << step)(x)
        x = layers.LeakyReLU(_SLOPE)(layers.BatchNormalization()(x))
    return x


def _conv(
    layer: type,
    filters: int,
    kernel: int | tuple[int, int] = _KERNEL,
    strides: int = 2,
    padding: str = "same",
    use_bias: bool = False,
) -> keras.layers.Layer:
    return layer(
        filters,
        kernel,
        strides=strides,
        padding=padding,
        use_bias=use_bias,
        kernel_initializer=_INITIALIZER,
    )


def _grid(input_shape: Sequence[int]) -> tuple[tuple[int, int], int]:
    """Returns the sides of the smallest map and the number of halvings."""
    height, breadth = input_shape[:2]
    halvings = 0
    while height % 2 == 0 and breadth % 2 == 0 and min(height, breadth) > 8:
        height, breadth, halvings = height // 2, breadth // 2, halvings + 1
    if not halvings or max(height, breadth) > 8:
        raise ValueError(
            f"images for a DiscoGAN need sides that halve down to 4 to 8 pixels, such as 28, 32 or "
            f"64, got {input_shape[0]}x{input_shape[1]}"
        )
    return (height, breadth), halvings
