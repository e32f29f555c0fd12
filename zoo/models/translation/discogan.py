"""DiscoGAN (Kim et al. 2017): two encoder-decoders, each the way back of the other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import layers, ops

from zoo.latents import from_pixels
from zoo.layers.instance_norm import InstanceNormalization
from zoo.layers.strided import INITIALIZER, KERNEL, SLOPE, halved
from zoo.models.translation.game import TranslationGame
from zoo.models.translation.moments import mapped, principal_axes
from zoo.training.engine import Batch

MAPPINGS = ("deep", "linear", "both")
STARTS = ("random", "moments")
_DOWN, _UP = "linear_down", "linear_up"
# Before the tanh: black and white then begin as -0.96 and 0.96.
_GAIN = 2.0
_MOST_PIXELS = 4096


def generator(
    input_shape: Sequence[int] = (64, 64, 3),
    width: int = 64,
    latent_dim: int = 100,
    mapping: str = "deep",
) -> keras.Model:
    """Builds an encoder-decoder: convolutions down to one vector, and back.

    Through the vector every pixel can depend on every other, as a rotation needs. Feature maps are
    normalized image by image, where the paper's networks have batch norm: a generator is given real
    images of its domain and translated ones, and the averages that batch norm would keep of both
    would fit neither.

    A one-to-one mapping between two sets of images need not be the one that is meant. Of those that
    fit, the simplest mostly is (Galanti, Wolf, Benaim: The role of minimal complexity functions in
    unsupervised learning of semantic mappings, ICLR 2018), and a deep network does not prefer it.

    Args:
        input_shape: (height, width, channels); sides that halve down to 4 to 8 pixels.
        width: Channels of the first map; each smaller map has twice as many.
        latent_dim: Length of the vector in the middle.
        mapping: `deep`, the paper's convolutions; `linear`, before the last tanh, one matrix down
            to a vector and one back; or `both`, the sum of the two.

    Returns:
        A model from `images` in [-1, 1] to images in [-1, 1] of the same shape.
    """
    if mapping not in MAPPINGS:
        raise ValueError(f"mapping must be {', '.join(MAPPINGS)}, got {mapping!r}")
    images = keras.Input(tuple(input_shape), name="images")
    parts = []
    if mapping != "linear":
        parts.append(_deep(images, width, latent_dim))
    if mapping != "deep":
        parts.append(_linear(images, latent_dim))
    x = parts[0] if len(parts) == 1 else layers.Add()(parts)
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
    x = _encoded(images, width, _grid(input_shape)[1], layers.BatchNormalization)
    x = layers.Flatten(name="features")(x)
    logits = layers.Dense(1, kernel_initializer=INITIALIZER, name="logits")(x)
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
        cycle: Weight of the reconstruction. The authors' code gives it ten times the weight of the
            adversarial loss, the paper's equation the same.
        warmup: The share of the run, at its beginning, in which `cycle` counts a hundredth, so that
            images look right before they must lead back; as in the authors' code.
        start: `random`, or `moments`: the linear part of the generators, which they then need,
            begins with the mapping that takes the principal axes of one domain to those of the
            other, see `zoo.models.translation.moments`; for small images.
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
        warmup: float = 0.0,
        start: str = "random",
        **kwargs: Any,
    ) -> None:
        if not 0 <= warmup <= 1:
            raise ValueError(f"warmup must be in [0, 1], got {warmup}")
        if start not in STARTS:
            raise ValueError(f"start must be {' or '.join(STARTS)}, got {start!r}")
        if start == "moments":
            _require_linear(g_ab)
        super().__init__(
            g_ab, g_ba, d_a, d_b, loss=loss, adversarial=adversarial, cycle=cycle, **kwargs
        )
        self.warmup = warmup
        self.start = start

    @property
    def cycle_weight(self) -> Any:
        return self.cycle * ops.where(self.progress < self.warmup, 0.01, 1.0)

    def distance(self, one: Any, other: Any) -> Any:
        return ops.mean(ops.square(one - other))

    def begin(self, examples: Batch) -> None:
        if self.start == "random":
            return
        rank = self.g_ab.get_layer(_DOWN).units
        a, b = (principal_axes(from_pixels(examples[key]), rank) for key in self.images)
        for network, one, other in ((self.g_ab, a, b), (self.g_ba, b, a)):
            down, up, bias = mapped(one, other)
            network.get_layer(_DOWN).set_weights([down])
            network.get_layer(_UP).set_weights([_GAIN * up, _GAIN * bias])


def _deep(images: keras.KerasTensor, width: int, latent_dim: int) -> keras.KerasTensor:
    smallest, halvings = _grid(images.shape[1:])
    x = _encoded(images, width, halvings, InstanceNormalization)
    # A map of one pixel less its mean is nothing, so the vector has no norm.
    x = layers.LeakyReLU(SLOPE)(_conv(layers.Conv2D, latent_dim, smallest, 1, "valid")(x))
    x = _conv(layers.Conv2DTranspose, width << (halvings - 1), smallest, 1, "valid")(x)
    for step in reversed(range(halvings - 1)):
        x = layers.ReLU()(InstanceNormalization()(x))
        x = _conv(layers.Conv2DTranspose, width << step)(x)
    x = layers.ReLU()(InstanceNormalization()(x))
    return _conv(layers.Conv2DTranspose, images.shape[-1], use_bias=True)(x)


def _linear(images: keras.KerasTensor, latent_dim: int) -> keras.KerasTensor:
    shape = images.shape[1:]
    x = layers.Flatten()(images)
    x = layers.Dense(latent_dim, use_bias=False, kernel_initializer=INITIALIZER, name=_DOWN)(x)
    x = layers.Dense(math.prod(shape), kernel_initializer=INITIALIZER, name=_UP)(x)
    return layers.Reshape(shape)(x)


def _require_linear(generator: keras.Model) -> None:
    if _DOWN not in [layer.name for layer in generator.layers]:
        raise ValueError("start=moments needs generators with network.mapping linear or both")
    pixels, rank = generator.get_layer(_DOWN).kernel.shape
    if not rank <= pixels <= _MOST_PIXELS:
        raise ValueError(
            f"start=moments is for images of {rank}, which is latent_dim, to {_MOST_PIXELS} "
            f"numbers, got {pixels}"
        )


def _encoded(
    images: keras.KerasTensor, width: int, halvings: int, norm: type[keras.layers.Layer]
) -> keras.KerasTensor:
    x = layers.LeakyReLU(SLOPE)(_conv(layers.Conv2D, width, use_bias=True)(images))
    for step in range(1, halvings):
        x = _conv(layers.Conv2D, width << step)(x)
        x = layers.LeakyReLU(SLOPE)(norm()(x))
    return x


def _conv(
    layer: type,
    filters: int,
    kernel: int | tuple[int, int] = KERNEL,
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
        kernel_initializer=INITIALIZER,
    )


def _grid(input_shape: Sequence[int]) -> tuple[tuple[int, int], int]:
    """Returns the sides of the smallest map and the number of halvings."""
    return halved(input_shape, above=8, fewest=1, what="DiscoGAN")
