"""DenseNet-BC: every layer sees all maps before it (Huang et al. 2017)."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import keras
from keras import layers

from zoo.layers.head import head
from zoo.layers.normalization import DEFAULT_MEAN, DEFAULT_STD
from zoo.models.cnn import common
from zoo.models.cnn.common import end_stage, is_small, pixels

_conv = functools.partial(
    layers.Conv2D, padding="same", use_bias=False, kernel_initializer="he_normal"
)


def densenet(
    blocks: Sequence[int],
    growth_rate: int,
    input_shape: Sequence[int] = (224, 224, 3),
    classes: int | None = 1000,
    stem: str | None = None,
    compression: float = 0.5,
    dropout: float = 0.0,
    mean: Sequence[float] = DEFAULT_MEAN,
    std: Sequence[float] = DEFAULT_STD,
) -> keras.Model:
    """Builds dense blocks with transitions between them, after a stem of twice the growth rate.

    Args:
        blocks: Layers of each dense block, of two convolutions each.
        growth_rate: The maps k that each layer adds.
        input_shape: (height, width, channels); pixels are 0 to 255.
        classes: Number of classes; None for the features alone.
        stem: `imagenet` or `small`, a bare 3x3 convolution; by default small below 64 pixels of
            height.
        compression: Share θ of the maps that a transition keeps, in (0, 1].
        dropout: Share of values dropped after each layer, in [0, 1); the paper's is 0.2 for data
            without augmentation.
        mean: Mean of the pixels, for the first layer.
        std: Deviation of the pixels.

    Returns:
        A model from `images` to logits of shape (batch, classes). The layers `stage1`, `stage2`, …
        hold the maps of each dense block, `features` the average at the end.

    Raises:
        ValueError: for an unknown stem, or a compression outside (0, 1].
    """
    if not 0 < compression <= 1:
        raise ValueError(f"compression must be above 0 and at most 1, got {compression}")
    images, x = pixels(input_shape, mean, std)
    if is_small(stem, input_shape):
        x = _conv(2 * growth_rate, 3)(x)
    else:
        x = common.stem(x, 2 * growth_rate, small=False)
    for stage, count in enumerate(blocks, 1):
        if stage > 1:
            x = _transition(x, int(compression * x.shape[-1]))
        for _ in range(count):
            x = _layer(x, growth_rate, dropout)
        x = end_stage(x, stage)
    depth = 2 * sum(blocks) + len(blocks) + 1
    return keras.Model(images, head(_activate(x), classes), name=f"densenet{depth}_{growth_rate}")


def _layer(x: keras.KerasTensor, growth_rate: int, dropout: float) -> keras.KerasTensor:
    """A 1x1 bottleneck of 4k maps, a 3x3 convolution to k, beside what came in (section 3)."""
    y = _conv(4 * growth_rate, 1)(_activate(x))
    y = _conv(growth_rate, 3)(_activate(y))
    if dropout:
        y = layers.Dropout(dropout)(y)
    return layers.Concatenate()([x, y])


def _transition(x: keras.KerasTensor, filters: int) -> keras.KerasTensor:
    """Fewer maps of half the size."""
    return layers.AveragePooling2D(2)(_conv(filters, 1)(_activate(x)))


def _activate(x: keras.KerasTensor) -> keras.KerasTensor:
    return layers.ReLU()(layers.BatchNormalization()(x))


densenet121 = functools.partial(densenet, (6, 12, 24, 16), 32)
_small_densenet = functools.partial(densenet, input_shape=(32, 32, 3), classes=10)
# The paper lists 40 layers without bottlenecks only; with them it is the lightest to try.
densenet_bc40_12 = functools.partial(_small_densenet, (6, 6, 6), 12)
densenet_bc100_12 = functools.partial(_small_densenet, (16, 16, 16), 12)
