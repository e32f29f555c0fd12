"""GoogLeNet: inception modules (Szegedy et al. 2015)."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import keras
from keras import layers

from zoo.layers.head import head
from zoo.layers.normalization import DEFAULT_MEAN, DEFAULT_STD
from zoo.models.cnn import common
from zoo.models.cnn.common import convolution, dense, end_stage, is_small, pixels, pool

# Table 1: #1x1, #3x3 reduce, #3x3, #5x5 reduce, #5x5, pool proj, of the modules 3a to 5b.
MODULES = (
    ((64, 96, 128, 16, 32, 32), (128, 128, 192, 32, 96, 64)),
    (
        (192, 96, 208, 16, 48, 64),
        (160, 112, 224, 24, 64, 64),
        (128, 128, 256, 24, 64, 64),
        (112, 144, 288, 32, 64, 64),
        (256, 160, 320, 32, 128, 128),
    ),
    ((256, 160, 320, 32, 128, 128), (384, 192, 384, 48, 128, 128)),
)

Convolution = Callable[[keras.KerasTensor, int, int], keras.KerasTensor]


def googlenet(
    input_shape: Sequence[int] = (224, 224, 3),
    classes: int | None = 1000,
    aux: bool = False,
    batch_norm: bool = True,
    large_kernel: int = 3,
    stem: str | None = None,
    dropout: float = 0.4,
    mean: Sequence[float] = DEFAULT_MEAN,
    std: Sequence[float] = DEFAULT_STD,
) -> keras.Model:
    """Builds nine inception modules in three stages.

    By default as it is trained today, with batch normalization (Ioffe and Szegedy 2015) and 3x3
    filters in the branch named 5x5: 6,624,904 parameters for ImageNet, the count of torchvision.
    The paper's network is `batch_norm=False, large_kernel=5`, with 6,998,552, but for its
    response normalization, which is left out.

    With the small stem the first convolution is 3x3 with stride 1, and nothing is pooled before
    the first module.

    Args:
        input_shape: (height, width, channels); pixels are 0 to 255.
        classes: Number of classes; None for the features alone.
        aux: Whether the two auxiliary classifiers are outputs, too. They stand on the modules 4a
            and 4d and need maps of at least 5x5 there.
        batch_norm: Batch normalization after each convolution, which then has no bias.
        large_kernel: Size of the filters in the branch of the largest; 5 in the paper.
        stem: `imagenet` or `small`; by default small below 64 pixels of height.
        dropout: Share of the features dropped before the logits, in [0, 1).
        mean: Mean of the pixels, for the first layer.
        std: Deviation of the pixels.

    Returns:
        A model from `images` to logits of shape (batch, classes); with `aux` to a dictionary of
        `logits`, `aux1` and `aux2`, of that shape each. The layers `stage1`, `stage2` and `stage3`
        hold the maps of the modules 3b, 4e and 5b, `features` the average of the last.

    Raises:
        ValueError: for an unknown stem, or auxiliary classifiers without classes.
    """
    if aux and classes is None:
        raise ValueError("aux needs classes, got None")
    conv = functools.partial(convolution, batch_norm=batch_norm)
    small = is_small(stem, input_shape)
    images, x = pixels(input_shape, mean, std)
    x = conv(conv(common.stem(x, 64, small, batch_norm), 64, 1), 192, 3)
    if not small:
        x = pool(x)
    beside = []
    for stage, modules in enumerate(MODULES, 1):
        if stage > 1:
            x = pool(x)
        for index, widths in enumerate(modules):
            x = _inception(x, widths, conv, large_kernel)
            if (stage, index) in ((2, 0), (2, 3)):
                beside.append(x)
        x = end_stage(x, stage)
    x = layers.GlobalAveragePooling2D()(x)
    if dropout:
        x = layers.Dropout(dropout)(x)
    outputs = head(x, classes)
    if aux:
        heads = {f"aux{i}": _auxiliary(maps, classes, conv, i) for i, maps in enumerate(beside, 1)}
        outputs = {"logits": outputs, **heads}
    return keras.Model(images, outputs, name="googlenet")


def _inception(
    x: keras.KerasTensor, widths: Sequence[int], conv: Convolution, large_kernel: int
) -> keras.KerasTensor:
    """Four branches side by side (figure 2b)."""
    one, three_reduced, three, five_reduced, five, pooled = widths
    return layers.Concatenate()(
        [
            conv(x, one, 1),
            conv(conv(x, three_reduced, 1), three, 3),
            conv(conv(x, five_reduced, 1), five, large_kernel),
            conv(layers.MaxPooling2D(3, 1, padding="same")(x), pooled, 1),
        ]
    )


def _auxiliary(
    x: keras.KerasTensor, classes: int | None, conv: Convolution, number: int
) -> keras.KerasTensor:
    """The classifier on the side (section 5)."""
    x = layers.Flatten()(conv(layers.AveragePooling2D(5, 3)(x), 128, 1))
    return layers.Dense(classes, name=f"aux{number}")(dense(x, 1024, dropout=0.7))
