"""The first layer of a classifier: pixels to numbers of mean 0 and deviation 1."""

from __future__ import annotations

from collections.abc import Sequence

import keras

# Pixels of mean 127.5 and deviation 127.5 are mapped to [-1, 1].
DEFAULT_MEAN = (127.5,)
DEFAULT_STD = (127.5,)


def normalize(
    images: keras.KerasTensor,
    mean: Sequence[float] = DEFAULT_MEAN,
    std: Sequence[float] = DEFAULT_STD,
) -> keras.KerasTensor:
    """Subtracts a mean and divides by a deviation, per channel or the same for all.

    The layer is part of the network, so that training, pipelines and exported models normalise
    alike. It holds constants, no weights.

    Args:
        images: Pixels from 0 to 255, (batch, height, width, channels).
        mean: One mean, or one for each channel, in pixel values.
        std: The deviations, likewise.
    """
    channels = images.shape[-1]
    means = [float(m) for m in mean] * (channels if len(mean) == 1 else 1)
    variances = [float(s) ** 2 for s in std] * (channels if len(std) == 1 else 1)
    return keras.layers.Normalization(mean=means, variance=variances, name="normalize")(images)
