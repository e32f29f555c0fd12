"""Pictures to the rows that models take, and images to the pictures that are sent."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from serving.decoding import open_picture
from zoo.errors import InvalidInputError
from zoo.inputs import image_rows

if TYPE_CHECKING:
    from PIL.Image import Image as Picture


def rows_of(
    images: Sequence[bytes | np.ndarray], shape: Sequence[int], max_pixels: int
) -> np.ndarray:
    """Turns images into rows one by one, so that one decoded image is in memory at a time.

    Args:
        images: Encoded ones, or pixels.
        shape: (height, width, channels) of a row.
        max_pixels: Of an encoded image.

    Returns:
        float32 (n, height, width, channels), 0 to 255.

    Raises:
        InvalidInputError: for what is no image, naming its place where there are several.
    """
    rows = []
    for index, image in enumerate(images):
        try:
            rows.append(image_rows(_opened(image, max_pixels), shape))
        except InvalidInputError as error:
            where = f"images[{index}]: " if len(images) > 1 else ""
            raise InvalidInputError(f"{where}{error}") from error
    together = np.concatenate(rows)
    if len(together) != len(images):
        raise InvalidInputError(
            f"expected one image in each place, got {len(together)} in {len(images)}"
        )
    return together


def image_and_mask(
    image: bytes | np.ndarray,
    mask: bytes | np.ndarray | None,
    shape: Sequence[int],
    max_pixels: int,
) -> tuple[np.ndarray, np.ndarray | None]:
    """Brings an image to begin from, and the mask over it, to a generator's size.

    Args:
        image: Encoded, or pixels.
        mask: Likewise, of the image's size. Where it is transparent the image is painted anew; of
            one without an alpha channel, where it is white.
        shape: (height, width, channels) that the generator draws.
        max_pixels: Of an encoded image.

    Returns:
        uint8 (1, height, width, channels) and uint8 (1, height, width, 1), 255 where the image is
        painted anew, else 0.

    Raises:
        InvalidInputError: for what is no image, and for sizes that differ.
    """
    opened = _opened(image, max_pixels)
    # Whole numbers are never taken for shares of white, however dark they all are.
    pixels = np.rint(image_rows(opened, shape)).astype(np.uint8)
    _require_one(pixels)
    if mask is None:
        return pixels, None
    try:
        cover = _opened(mask, max_pixels)
        sizes = [f"{width} x {height}" for width, height in (_size(cover), _size(opened))]
        if sizes[0] != sizes[1]:
            raise InvalidInputError(f"it is {sizes[0]}, the image {sizes[1]}")
        shades = _painted(cover, (*shape[:2], 1))
        _require_one(shades)
    except InvalidInputError as error:
        raise InvalidInputError(f"mask: {error}") from error
    return pixels, np.where(shades > 127.5, 255, 0).astype(np.uint8)


def encoded(images: np.ndarray) -> list[str]:
    """Returns images, uint8 (n, height, width, channels), as PNGs in base64."""
    from zoo.images import encode_png

    return [base64.b64encode(encode_png(image)).decode() for image in images]


def _painted(mask: Picture | np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Returns how much of each pixel is painted anew, float32 (1, height, width, 1), to 255."""
    if isinstance(mask, np.ndarray):
        if mask.ndim == 3 and mask.shape[-1] == 4:
            return 255 - image_rows(mask[..., 3], shape)
        return image_rows(mask, shape)
    if mask.mode in ("RGBA", "LA", "PA") or "transparency" in mask.info:
        return 255 - image_rows(mask.convert("RGBA").getchannel("A"), shape)
    return image_rows(mask, shape)


def _opened(image: bytes | np.ndarray, max_pixels: int) -> Picture | np.ndarray:
    return open_picture(image, max_pixels) if isinstance(image, bytes) else image


def _size(image: Picture | np.ndarray) -> tuple[int, int]:
    """Returns (width, height) as stored."""
    if isinstance(image, np.ndarray):
        height, width = image.shape[:2]
        return width, height
    return image.size


def _require_one(images: np.ndarray) -> None:
    if len(images) != 1:
        raise InvalidInputError(f"expected one image, got {len(images)}")
