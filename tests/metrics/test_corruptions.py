"""Corruptions against their definitions, computed another way."""

from __future__ import annotations

import colorsys

import numpy as np
import pytest
from scipy.ndimage import convolve1d

from zoo.metrics.corruptions import _CHUNK, CORRUPTIONS, corrupt


def images(n: int = 6, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, 20, 24, channels), dtype=np.uint8)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_corruption_is_the_same_each_time_and_not_nothing(name: str, channels: int) -> None:
    given = images(channels=channels)
    kept = given.copy()
    corrupted = corrupt(given, name)
    assert corrupted.shape == given.shape and corrupted.dtype == np.uint8
    np.testing.assert_array_equal(given, kept)
    assert (corrupted != given).mean() > 0.3
    np.testing.assert_array_equal(corrupt(given, name), corrupted)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_an_image_is_corrupted_alike_in_any_company(name: str) -> None:
    """Those that come later change nothing, across the border of a chunk too."""
    given = np.resize(images(7), (_CHUNK + 3, 20, 24, 3))
    np.testing.assert_array_equal(corrupt(given, name)[:5], corrupt(given[:5], name))


def test_noise_has_the_deviation_it_says() -> None:
    grey = np.full((40, 32, 32, 1), 128, np.uint8)
    noise = (corrupt(grey, "gaussian_noise").astype(float) - 128) / 255
    assert noise.std() == pytest.approx(0.08, rel=0.02)
    assert abs(noise.mean()) < 3 * 0.08 / np.sqrt(noise.size)
    assert not np.array_equal(
        corrupt(grey, "gaussian_noise", seed=1), corrupt(grey, "gaussian_noise")
    )


def test_blur_is_a_convolution_with_a_gaussian() -> None:
    offsets = np.arange(-3, 4)
    kernel = np.exp(-0.5 * (offsets / 0.7) ** 2)
    kernel /= kernel.sum()
    expected = images().astype(float)
    for axis in (1, 2):
        expected = convolve1d(expected, kernel, axis=axis, mode="nearest")
    assert np.abs(corrupt(images(), "gaussian_blur") - expected).max() <= 0.51


def test_contrast_moves_pixels_towards_the_mean_of_their_channel() -> None:
    given = images().astype(float)
    means = given.mean(axis=(1, 2), keepdims=True)
    assert np.abs(corrupt(images(), "contrast") - (0.4 * given + 0.6 * means)).max() <= 0.51


def test_brightness_raises_the_value_and_keeps_the_hue() -> None:
    given = images(1)
    given[0, 0, 0] = 0
    got = corrupt(given, "brightness")
    for pixel, raised in zip(given.reshape(-1, 3), got.reshape(-1, 3), strict=True):
        hue, saturation, value = colorsys.rgb_to_hsv(*pixel / 255)
        expected = 255 * np.array(colorsys.hsv_to_rgb(hue, saturation, min(1, value + 0.15)))
        np.testing.assert_allclose(raised, expected, atol=0.51)


def test_pixelated_images_are_means_of_boxes() -> None:
    """A 20-pixel row becomes 17 boxes of 20/17 pixels, each the mean of what it covers."""

    def boxes(fine: int, coarse: int) -> np.ndarray:
        """What Pillow does: the mean of the pixels whose centres lie in a box, of 1 at least."""
        centres = (np.arange(coarse)[:, None] + 0.5) * fine / coarse
        distances = (np.arange(fine)[None] + 0.5 - centres) / max(1, fine / coarse)
        covered = (distances > -0.5) & (distances <= 0.5)
        return covered / covered.sum(1, keepdims=True)

    flat = np.repeat(images(1, 1)[:, :, :1], 24, axis=2)  # varies along the height alone
    down, up = boxes(20, 17), boxes(17, 20)
    expected = up @ down @ flat[0, :, 0, 0].astype(float)
    assert np.abs(corrupt(flat, "pixelate")[0, :, 5, 0] - expected).max() <= 0.51
