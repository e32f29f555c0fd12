"""Differentiable augmentation (Zhao et al. 2020): what D sees, real or generated, is altered.

The generator learns through it, so every function here passes gradients on. Images are in [-1, 1],
(batch, height, width, channels); what is moved in or cut out is 0, grey.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

# The official settings: an eighth of the side for shifts, half the side for the square.
_SHIFT = 1 / 8
_SQUARE = 1 / 2


def color(images: Any, seed: Any) -> Any:
    """Adds U(-0.5, 0.5), then stretches colours by U(0, 2) and contrast by U(0.5, 1.5)."""
    images = images + _uniform(images, seed, -0.5, 0.5)
    grey = ops.mean(images, axis=-1, keepdims=True)
    images = (images - grey) * _uniform(images, seed, 0.0, 2.0) + grey
    level = ops.mean(images, axis=(1, 2, 3), keepdims=True)
    return (images - level) * _uniform(images, seed, 0.5, 1.5) + level


def translation(images: Any, seed: Any) -> Any:
    """Shifts each image by up to an eighth of its side both ways, in whole pixels."""
    height, width = images.shape[1:3]
    # A shift is a product with a shifted unit matrix: gradients of any order pass.
    down = _shift(images, seed, height)
    across = _shift(images, seed, width)
    images = ops.einsum("bij,bjwc->biwc", down, images)
    return ops.einsum("bij,bhjc->bhic", across, images)


def cutout(images: Any, seed: Any) -> Any:
    """Cuts a square of half the side out of each image, centred anywhere in it."""
    height, width = images.shape[1:3]
    rows = _covered(images, seed, height)[:, :, None, None]
    columns = _covered(images, seed, width)[:, None, :, None]
    return images * (1.0 - rows * columns)


AUGMENTATIONS: dict[str, Callable[[Any, Any], Any]] = {
    function.__name__: function for function in (color, translation, cutout)
}


def parse_policy(policy: str) -> list[Callable[[Any, Any], Any]]:
    """Reads names with commas between them, such as `color,translation,cutout`; "" for none.

    Raises:
        ValueError: for an unknown name.
    """
    names = [name.strip() for name in policy.split(",")] if policy else []
    for name in names:
        if name not in AUGMENTATIONS:
            raise ValueError(f"augment names {', '.join(AUGMENTATIONS)}, got {name!r}")
    return [AUGMENTATIONS[name] for name in names]


def _uniform(images: Any, seed: Any, low: float, high: float) -> Any:
    """One number for each image."""
    shape = (ops.shape(images)[0], 1, 1, 1)
    return keras.random.uniform(shape, low, high, dtype=images.dtype, seed=seed)


def _integers(images: Any, seed: Any, low: int, high: int) -> Any:
    """One whole number from low to high for each image, (batch, 1)."""
    return ops.floor(_uniform(images, seed, 0.0, 1.0)[:, :, 0, 0] * (high - low + 1)) + low


def _shift(images: Any, seed: Any, side: int) -> Any:
    """Matrices (batch, side, side) with ones where row i takes pixel i + shift."""
    farthest = int(side * _SHIFT + 0.5)
    shift = _integers(images, seed, -farthest, farthest)[:, :, None]
    pixels = ops.arange(side, dtype=images.dtype)
    return ops.cast(ops.equal(pixels[None, :, None] + shift, pixels[None, None, :]), images.dtype)


def _covered(images: Any, seed: Any, side: int) -> Any:
    """(batch, side), ones where the square covers a side."""
    size = int(side * _SQUARE + 0.5)
    first = _integers(images, seed, 0, side - size % 2) - size // 2
    pixels = ops.arange(side, dtype=images.dtype)[None]
    inside = ops.logical_and(pixels >= first, pixels < first + size)
    return ops.cast(inside, images.dtype)
