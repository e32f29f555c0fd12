"""VGG: depth from 3x3 convolutions alone (Simonyan and Zisserman 2015)."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import keras
from keras import layers

from zoo.layers.head import head
from zoo.layers.normalization import DEFAULT_MEAN, DEFAULT_STD
from zoo.models.cnn.common import convolution, dense, end_stage, is_small, pixels

# Convolutions of each stage: columns A, B, D and E of table 1.
CONVOLUTIONS = {
    11: (1, 1, 2, 2, 2),
    13: (2, 2, 2, 2, 2),
    16: (2, 2, 3, 3, 3),
    19: (2, 2, 4, 4, 4),
}
WIDTHS = (64, 128, 256, 512, 512)


def vgg(
    depth: int,
    input_shape: Sequence[int] = (224, 224, 3),
    classes: int | None = 1000,
    batch_norm: bool = False,
    stem: str | None = None,
    dropout: float = 0.5,
    mean: Sequence[float] = DEFAULT_MEAN,
    std: Sequence[float] = DEFAULT_STD,
) -> keras.Model:
    """Builds five stages of 3x3 convolutions, a 2x2 pooling after each, and three dense layers.

    The paper's stem is already 3x3 with stride 1, so the small one changes the dense layers: they
    are 512 wide instead of 4096, which by themselves have 120 million parameters. Poolings are
    padded: images of 28x28 and 32x32 end as one pixel.

    Args:
        depth: Convolutions and dense layers together: 11, 13, 16 or 19.
        input_shape: (height, width, channels); pixels are 0 to 255.
        classes: Number of classes; None for the features alone.
        batch_norm: Batch normalization after each convolution, which then has no bias.
        stem: `imagenet` or `small`; by default small below 64 pixels of height.
        dropout: Share of units dropped after each hidden dense layer, in [0, 1).
        mean: Mean of the pixels, for the first layer.
        std: Deviation of the pixels.

    Returns:
        A model from `images` to logits of shape (batch, classes). The layers `stage1` to `stage5`
        hold the maps before each pooling, `features` the last hidden layer.

    Raises:
        ValueError: for an unknown depth or stem.
    """
    if depth not in CONVOLUTIONS:
        raise ValueError(f"depth must be {', '.join(map(str, CONVOLUTIONS))}, got {depth}")
    small = is_small(stem, input_shape)
    images, x = pixels(input_shape, mean, std)
    for stage, (count, filters) in enumerate(zip(CONVOLUTIONS[depth], WIDTHS, strict=True), 1):
        for _ in range(count):
            x = convolution(x, filters, 3, batch_norm=batch_norm)
        x = layers.MaxPooling2D(2, padding="same")(end_stage(x, stage))
    x = layers.Flatten()(x)
    for _ in range(2):
        x = dense(x, 512 if small else 4096, dropout)
    return keras.Model(images, head(x, classes), name=f"vgg{depth}{'_bn' if batch_norm else ''}")


vgg11 = functools.partial(vgg, 11)
vgg13 = functools.partial(vgg, 13)
vgg16 = functools.partial(vgg, 16)
vgg19 = functools.partial(vgg, 19)
vgg11_bn = functools.partial(vgg, 11, batch_norm=True)
vgg13_bn = functools.partial(vgg, 13, batch_norm=True)
vgg16_bn = functools.partial(vgg, 16, batch_norm=True)
vgg19_bn = functools.partial(vgg, 19, batch_norm=True)
