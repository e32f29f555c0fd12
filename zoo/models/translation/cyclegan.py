"""CycleGAN (Zhu et al. 2017): ResNet generators, patch discriminators, a cycle, a pool."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import layers, ops

from zoo.layers.instance_norm import InstanceNormalization
from zoo.layers.padding import ReflectionPadding
from zoo.layers.shortcut import BeforeTanh
from zoo.layers.strided import INITIALIZER, SLOPE
from zoo.models.translation.game import TranslationGame
from zoo.models.translation.pool import exchange
from zoo.training.engine import Losses


def generator(
    input_shape: Sequence[int] = (128, 128, 3),
    width: int = 64,
    blocks: int = 6,
    downsamplings: int = 2,
    skip: bool = False,
) -> keras.Model:
    """Builds a generator: down, residual blocks, up, with reflection padding throughout.

    Args:
        input_shape: (height, width, channels); sides divisible by 2 for each downsampling.
        width: Channels of the first map; each smaller map has twice as many.
        blocks: Residual blocks; the paper has 6 at 128 pixels, 9 at 256.
        downsamplings: Convolutions of stride 2.
        skip: Whether what is made is added to the image itself, before the last tanh. Then it
            begins close to the image and learns what has to change.

    Returns:
        A model from `images` in [-1, 1] to images in [-1, 1] of the same shape.
    """
    smallest = min(input_shape[:2]) >> downsamplings
    if any(side % (1 << downsamplings) for side in input_shape[:2]) or smallest < 4:
        raise ValueError(
            f"{downsamplings} downsamplings need sides divisible by {1 << downsamplings}, of "
            f"{4 << downsamplings} pixels at least, got {input_shape[0]}x{input_shape[1]}"
        )
    images = keras.Input(tuple(input_shape), name="images")
    x = _normalized(_conv(width, 7)(ReflectionPadding(3)(images)))
    for step in range(1, downsamplings + 1):
        x = _normalized(_conv(width << step, 3, strides=2, padding="same")(x))
    filters = width << downsamplings
    for _ in range(blocks):
        y = _normalized(_conv(filters, 3)(ReflectionPadding(1)(x)))
        y = _normalized(_conv(filters, 3)(ReflectionPadding(1)(y)), activation=None)
        x = layers.Add()([x, y])
    for step in reversed(range(downsamplings)):
        # A kernel of 4, a multiple of the stride, draws no checkerboards; the paper's 3 does.
        x = layers.Conv2DTranspose(
            width << step,
            4,
            strides=2,
            padding="same",
            use_bias=False,
            kernel_initializer=INITIALIZER,
        )(x)
        x = _normalized(x)
    x = _conv(input_shape[-1], 7, use_bias=True)(ReflectionPadding(3)(x))
    if skip:
        x = layers.Add()([x, BeforeTanh()(images)])
    return keras.Model(images, layers.Activation("tanh", name="translated")(x), name="generator")


def discriminator(
    input_shape: Sequence[int] = (128, 128, 3), width: int = 64, depth: int | None = None
) -> keras.Model:
    """Builds a PatchGAN: a logit for each of many overlapping patches.

    Args:
        input_shape: (height, width, channels).
        width: Channels of the first map; each next one has twice as many, up to eight times.
        depth: Convolutions of stride 2. By default 3 from 256 pixels on, as in the paper, 2 from
            128 on and 1 below: patches of 70, 34 and 16 pixels. With 0 one is all there is,
            without a norm: patches of 10.

    Returns:
        A model from `images` in [-1, 1] to logits (batch, rows, columns, 1), positive for real.
    """
    if depth is None:
        depth = min(3, max(1, int(math.log2(min(input_shape[:2]))) - 5))
    images = keras.Input(tuple(input_shape), name="images")
    x = layers.LeakyReLU(SLOPE)(_patch(width, strides=2, use_bias=True)(images))
    for step in range(1, depth + 1):
        filters = width << min(step, 3)
        x = _patch(filters, strides=2 if step < depth else 1)(x)
        x = layers.LeakyReLU(SLOPE)(InstanceNormalization()(x))
    return keras.Model(images, _patch(1, use_bias=True, name="logits")(x), name="discriminator")


@keras.saving.register_keras_serializable("zoo")
class CycleGAN(TranslationGame):
    """Zhu et al. 2017, eq. 1 to 3, with the identity loss of section 5.2.

    L1 distances; the discriminators' objective is divided by 2 and learns from a pool of earlier
    translations (section 4). Sums are the paper's: Mao's least squares have a factor 1/2 that the
    paper's have not, which `adversarial=2` undoes.

    Args:
        g_ab: As for `TranslationGame`, like the next three.
        g_ba: …
        d_a: …
        d_b: …
        loss: A name in `ADVERSARIAL_LOSSES`.
        adversarial: Weight of the adversarial loss.
        cycle: Weight of the reconstruction, the paper's lambda.
        identity: Weight, in units of `cycle`, of leaving images of the target domain alone.
        pool: Images kept of each domain; 0 for none.
    """

    logged = ("reconstruction_loss", "identity_loss")
    discriminator_share = 0.5

    def __init__(
        self,
        g_ab: keras.Model,
        g_ba: keras.Model,
        d_a: keras.Model,
        d_b: keras.Model,
        *,
        loss: str = "least_squares",
        adversarial: float = 2.0,
        cycle: float = 10.0,
        identity: float = 0.5,
        pool: int = 50,
        **kwargs: Any,
    ) -> None:
        if identity < 0 or pool < 0:
            raise ValueError(f"identity and pool must be 0 or more, got {identity} and {pool}")
        super().__init__(
            g_ab, g_ba, d_a, d_b, loss=loss, adversarial=adversarial, cycle=cycle, **kwargs
        )
        self.identity = identity
        self.pool = pool
        self._pools = {domain: self._new_pool(domain) for domain in ("a", "b")} if pool else {}

    def distance(self, one: Any, other: Any) -> Any:
        return ops.mean(ops.abs(one - other))

    def further_losses(self, a: Any, b: Any, training: bool) -> tuple[Any, Losses]:
        if not self.identity:
            return 0.0, {"identity_loss": 0.0}
        kept = self.distance(self.g_ba(a, training=training), a)
        kept = kept + self.distance(self.g_ab(b, training=training), b)
        return self.cycle * self.identity * kept, {"identity_loss": kept}

    def shown(self, made: Any, domain: str) -> Any:
        if not self.pool:
            return made
        pool, filled = self._pools[domain]
        draws = [
            keras.random.uniform(ops.shape(made)[:1], seed=self.rng(f"pool {domain} {what}"))
            for what in ("coins", "slots")
        ]
        shown, after, count = exchange(pool.value, filled.value, made, *draws)
        pool.assign(after)
        filled.assign(count)
        return shown

    def _new_pool(self, domain: str) -> tuple[keras.Variable, keras.Variable]:
        """Variables, so that the pool is part of a checkpoint like the weights."""
        common: dict[str, Any] = {"trainable": False, "aggregation": "only_first_replica"}
        shape = (self.pool, *self.d_a.input_shape[1:])
        images = self.add_weight(shape=shape, initializer="zeros", name=f"pool_{domain}", **common)
        filled = self.add_weight(
            shape=(), initializer="zeros", dtype="int32", name=f"pool_{domain}_filled", **common
        )
        return images, filled


# Where a norm follows, a bias would have no effect.
def _conv(filters: int, size: int, use_bias: bool = False, **options: Any) -> keras.layers.Layer:
    return layers.Conv2D(
        filters, size, use_bias=use_bias, kernel_initializer=INITIALIZER, **options
    )


def _patch(filters: int, strides: int = 1, **options: Any) -> keras.layers.Layer:
    return _conv(filters, 4, strides=strides, padding="same", **options)


def _normalized(x: keras.KerasTensor, activation: str | None = "relu") -> keras.KerasTensor:
    x = InstanceNormalization()(x)
    return layers.Activation(activation)(x) if activation else x
