"""A network that learns fast: few layers, whitened patches, filters that begin as identities.

The shape and the first weights follow Jordan, "94% on CIFAR-10 in 3.29 seconds on a single GPU"
(arXiv 2404.00498, 2024), section 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import layers

from zoo.layers.head import head
from zoo.layers.normalization import DEFAULT_MEAN, DEFAULT_STD
from zoo.models.cnn.common import end_stage, pixels

# Added to the variances of patches before dividing by them (section 3.2).
_EPSILON = 5e-4
_WHITENED = 5000
# What the features are multiplied by, so that first logits are small (airbench's scaling factor).
_SCALE = 1 / 9


def speednet(
    input_shape: Sequence[int] = (32, 32, 3),
    classes: int | None = 10,
    widths: Sequence[int] = (64, 256, 256),
    activation: str = "gelu",
    dropout: float = 0.0,
    mean: Sequence[float] = DEFAULT_MEAN,
    std: Sequence[float] = DEFAULT_STD,
    images: np.ndarray | None = None,
) -> keras.Model:
    """Builds a whitening convolution and three groups of two convolutions.

    Args:
        input_shape: (height, width, channels), at least 24x24; pixels are 0 to 255.
        classes: Number of classes; None for the features alone.
        widths: Channels of each group.
        activation: A Keras activation by name.
        dropout: Share of the features dropped in training, in [0, 1).
        mean: Mean of the pixels, for the first layer.
        std: Deviation of the pixels.
        images: Training images, uint8 (n, height, width, channels). The first layer's filters are
            the principal patches of 2x2 pixels among them, scaled to variance 1; they are not
            trained. None leaves them as orthogonal ones.

    Returns:
        A model from `images` to logits of shape (batch, classes). The layers `stage1` to `stage3`
        hold the maps of each group, `features` the largest value of each of the last ones.

    Raises:
        ValueError: for an image too small for three groups.
    """
    if min(input_shape[:2]) < 24:
        raise ValueError(f"input_shape must be at least 24x24, got {tuple(input_shape)}")
    pictures, x = pixels(input_shape, mean, std)
    patches = 4 * input_shape[-1]
    whiten = FixedConv2D(
        2 * patches, 2, use_bias=False, kernel_initializer="orthogonal", name="whiten"
    )
    x = layers.Activation(activation)(whiten(x))
    if images is not None:
        whiten.set_weights([whitening(images[:_WHITENED], mean, std)])
    for stage, width in enumerate(widths, 1):
        x = _unit(x, width, activation, pooled=True)
        x = _unit(x, width, activation, pooled=False)
        x = end_stage(x, stage)
    x = layers.Rescaling(_SCALE)(layers.GlobalMaxPooling2D()(x))
    if dropout:
        x = layers.Dropout(dropout)(x)
    return keras.Model(pictures, head(x, classes), name="speednet")


def _unit(x: keras.KerasTensor, filters: int, activation: str, pooled: bool) -> keras.KerasTensor:
    """A 3x3 convolution, maybe a pooling, batch normalization without scale, the activation."""
    x = layers.Conv2D(
        filters, 3, padding="same", use_bias=False, kernel_initializer=PartialIdentity()
    )(x)
    if pooled:
        x = layers.MaxPooling2D(2)(x)
    x = layers.BatchNormalization(momentum=0.6, epsilon=1.1e-5, scale=False)(x)
    return layers.Activation(activation)(x)


@keras.saving.register_keras_serializable("zoo")
class FixedConv2D(layers.Conv2D):
    """A convolution that never learns, whatever is frozen and let learn around it."""

    def add_weight(self, *args: Any, **options: Any) -> keras.Variable:
        return super().add_weight(*args, **{**options, "trainable": False})


@keras.saving.register_keras_serializable("zoo")
class PartialIdentity(keras.initializers.Initializer):
    """A convolution whose first filters hand the inputs on (section 3.3); the rest is random.

    Where there are more filters than inputs, the further ones are drawn as PyTorch draws them,
    uniformly with variance 1 / (3 fan_in).
    """

    def __call__(self, shape: Sequence[int], dtype: str | None = None) -> keras.KerasTensor:
        height, width, inputs, filters = shape
        random = keras.initializers.VarianceScaling(1 / 3, "fan_in", "uniform")(shape, dtype)
        kernel = np.array(keras.ops.convert_to_numpy(random))
        handed = min(inputs, filters)
        kernel[..., :handed] = 0
        kernel[height // 2, width // 2, range(handed), range(handed)] = 1
        return keras.ops.convert_to_tensor(kernel, dtype=dtype)


def whitening(images: np.ndarray, mean: Sequence[float], std: Sequence[float]) -> np.ndarray:
    """Returns filters whose answers to the images' patches are uncorrelated, of variance 1.

    Args:
        images: uint8 (n, height, width, channels).
        mean: As for the network's first layer.
        std: Likewise.

    Returns:
        float32 (2, 2, channels, 8 * channels): the eigenvectors of the covariance of 2x2 patches
        over the roots of their eigenvalues, and their negatives (section 3.2).
    """
    pixels = (images.astype(np.float32) - np.asarray(mean)) / np.asarray(std)
    windows = np.lib.stride_tricks.sliding_window_view(pixels, (2, 2), axis=(1, 2))
    patches = np.moveaxis(windows, 3, -1).reshape(-1, 4 * images.shape[-1]).astype(np.float64)
    variances, vectors = np.linalg.eigh(patches.T @ patches / len(patches))
    filters = vectors / np.sqrt(variances + _EPSILON)
    filters = np.concatenate([filters, -filters], axis=1)
    return filters.reshape(2, 2, images.shape[-1], -1).astype(np.float32)
