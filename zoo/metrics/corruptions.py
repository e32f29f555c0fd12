"""Common corruptions of images, to see how much of a classifier's accuracy survives them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

# Images corrupted at once, which bounds memory.
_CHUNK = 1000

Corrupting = Callable[[np.ndarray, np.random.Generator], np.ndarray]


@dataclasses.dataclass(frozen=True)
class Corruption:
    """A corruption at one severity.

    Args:
        apply: Takes pixels (n, height, width, channels), float32 from 0 to 1, and a generator of
            noise; returns the corrupted ones, which may leave that range.
        parameter: Its strength, in words.
    """

    apply: Corrupting
    parameter: str


def corrupt(images: np.ndarray, name: str, seed: int = 0) -> np.ndarray:
    """Corrupts images as Hendrycks and Dietterich (2019, arXiv:1903.12261) do.

    The strengths are those of severity 3 of 5 in their CIFAR-10-C, made for 32x32 pixels.

    Args:
        images: uint8 (n, height, width, channels).
        name: One of `CORRUPTIONS`.
        seed: Seed of the noise; the same images and seed give the same result.

    Returns:
        uint8 of the same shape.
    """
    rng = np.random.default_rng(seed)
    corrupted = np.empty_like(images)
    for start in range(0, len(images), _CHUNK):
        part = slice(start, start + _CHUNK)
        pixels = CORRUPTIONS[name].apply(images[part].astype(np.float32) / 255, rng)
        corrupted[part] = np.rint(255 * np.clip(pixels, 0, 1))
    return corrupted


def _gaussian_noise(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return pixels + 0.08 * rng.standard_normal(pixels.shape, dtype=np.float32)


def _gaussian_blur(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    from scipy.ndimage import gaussian_filter

    return gaussian_filter(pixels, sigma=(0, 0.7, 0.7, 0), mode="nearest")


def _contrast(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    means = pixels.mean(axis=(1, 2), keepdims=True)
    return means + 0.4 * (pixels - means)


def _brightness(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Raises the value of hue, saturation and value; grey pixels simply become lighter."""
    value = pixels.max(axis=-1, keepdims=True)
    raised = np.minimum(value + 0.15, 1)
    # Black has no hue: it turns grey.
    scaled = pixels * (raised / np.where(value > 0, value, 1))
    return np.where(value > 0, scaled, raised)


def _pixelate(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Averages over boxes, each 1 / 0.85 pixels wide, and spreads them out again."""
    from PIL import Image

    height, width, channels = pixels.shape[1:]
    small = max(1, int(0.85 * width)), max(1, int(0.85 * height))
    planes = np.moveaxis(pixels, -1, 1).reshape(-1, height, width)
    box = Image.Resampling.BOX
    boxes = [
        np.asarray(Image.fromarray(plane).resize(small, box).resize((width, height), box))
        for plane in planes
    ]
    return np.moveaxis(np.stack(boxes).reshape(-1, channels, height, width), 1, -1)


CORRUPTIONS: dict[str, Corruption] = {
    "gaussian_noise": Corruption(_gaussian_noise, "deviation 0.08 of the range"),
    "gaussian_blur": Corruption(_gaussian_blur, "deviation 0.7 pixels"),
    "contrast": Corruption(_contrast, "0.4 of the distance to an image's mean"),
    "brightness": Corruption(_brightness, "value raised by 0.15 of the range"),
    "pixelate": Corruption(_pixelate, "0.85 of the resolution"),
}
