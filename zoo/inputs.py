"""From anything that is an image to rows of pixels."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from zoo.errors import InvalidInputError


def image_rows(images: Any, shape: Sequence[int], resize: bool = True) -> np.ndarray:
    """Turns one image or many into rows of the shape a network takes.

    Args:
        images: A path, encoded bytes (PNG, JPEG, …), a PIL image, an array (h, w), (h, w, c),
            (n, h, w) or (n, h, w, c), or a sequence of these. Integer pixels are 0 to 255, float
            ones 0 to 1, -1 to 1 or 0 to 255, told apart by their smallest and largest value. A
            16-bit picture is scaled to 8 bits, a transparent one laid on black, an animated one
            cut to its first frame, a photograph turned as its EXIF tag says.
        shape: (height, width, channels) of a row.
        resize: Whether an image of another size is resized (bilinear, antialiased) or refused.

    Returns:
        float32 (n, height, width, channels), 0 to 255. Grey and colour are turned into each other.

    Raises:
        InvalidInputError: for what cannot be read as images, or is of a size that is refused.
    """
    if isinstance(images, np.ndarray):
        items: list[Any] = _split(images, shape)
    elif isinstance(images, list | tuple):
        items = [part for image in images for part in _parts(image, shape)]
    else:
        items = _parts(images, shape)
    if not items:
        raise InvalidInputError("expected at least one image, got none")
    for image in () if resize else items:
        if image.shape[:2] != tuple(shape[:2]):
            sizes = [f"{height}x{width}" for height, width in (shape[:2], image.shape[:2])]
            raise InvalidInputError(f"expected an image of {sizes[0]} pixels, got {sizes[1]}")
    return np.stack([fit(image, shape) for image in items])


def _parts(image: Any, shape: Sequence[int]) -> list[np.ndarray]:
    """Returns the images in one element of what the user gave."""
    if isinstance(image, np.ndarray):
        return _split(image, shape)
    if isinstance(image, str | Path | bytes):
        return [decode(image)]
    if hasattr(image, "convert") and hasattr(image, "size"):
        return [_pixels(image)]
    if isinstance(image, list | tuple):
        return _split(_array(image), shape)
    if hasattr(image, "__array__"):
        return _split(np.asarray(image), shape)
    raise InvalidInputError(
        f"expected a path, bytes, a PIL image or an array, got {type(image).__name__}"
    )


def _array(values: Any) -> np.ndarray:
    try:
        return np.asarray(values, dtype=np.float32)
    except (ValueError, TypeError) as error:
        raise InvalidInputError(f"nested lists need equal lengths and numbers: {error}") from error


def _split(array: np.ndarray, shape: Sequence[int]) -> list[np.ndarray]:
    """Splits an array into images (h, w, c) with float32 pixels 0 to 255."""
    array = _scale(array)
    if array.ndim == 2:
        return [array[..., None]]
    if array.ndim == 3:
        several = tuple(array.shape[1:]) == tuple(shape[:2]) or array.shape[-1] not in (1, 3, 4)
        if several and tuple(array.shape) != tuple(shape):
            return list(array[..., None])
        return [array]
    if array.ndim == 4 and array.shape[-1] in (1, 3, 4):
        return list(array)
    raise InvalidInputError(
        f"expected an image (height, width), (height, width, channels) or a batch of them with "
        f"1, 3 or 4 channels, got shape {array.shape}"
    )


def _scale(array: np.ndarray) -> np.ndarray:
    """Brings numbers to float32 pixels 0 to 255, by their range."""
    if array.dtype == bool:
        return array.astype(np.float32) * 255
    if not np.issubdtype(array.dtype, np.integer) and not np.issubdtype(array.dtype, np.floating):
        raise InvalidInputError(f"expected numbers as pixels, got an array of {array.dtype}")
    if array.size == 0:
        raise InvalidInputError(f"expected pixels, got an empty array of shape {array.shape}")
    low, high = float(array.min()), float(array.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        raise InvalidInputError("expected finite pixels, got NaN or infinity")
    if low < -1 or high > 255 or (low < 0 and high > 1):
        raise InvalidInputError(
            f"expected pixels from 0 to 255, 0 to 1 or -1 to 1, got {low:g} to {high:g}"
        )
    pixels = array.astype(np.float32)
    if np.issubdtype(array.dtype, np.integer):
        return pixels
    if low < 0:
        return (pixels + 1) * 127.5
    return pixels * 255 if high <= 1 else pixels


def decode(image: str | Path | bytes) -> np.ndarray:
    """Reads a file or encoded bytes, in their own size: float32 (height, width, 1 or 3), 0 to 255.

    Raises:
        InvalidInputError: for what cannot be read, caused by what Pillow says of it.
    """
    from PIL import Image, UnidentifiedImageError

    what = str(image) if isinstance(image, str | Path) else "this"
    source = io.BytesIO(image) if isinstance(image, bytes) else Path(image)
    try:
        with Image.open(source) as opened:
            return _pixels(opened)
    except FileNotFoundError as error:
        raise InvalidInputError(f"there is no file {what}") from error
    except UnidentifiedImageError as error:
        raise InvalidInputError(f"{what} cannot be read as an image") from error
    except Exception as error:
        # Pillow's readers raise many kinds of errors for damaged files.
        raise InvalidInputError(f"{what} cannot be read as an image: {error}") from error


def _pixels(picture: Any) -> np.ndarray:
    """Turns a PIL image into float32 (height, width, 1 or 3), 0 to 255."""
    from PIL import Image, ImageOps

    picture = ImageOps.exif_transpose(picture)
    if picture.mode.startswith("I"):
        # Pillow would clip 16 bits to 8 instead of scaling them.
        return (np.asarray(picture, np.float32) / 257.0).clip(0, 255)[..., None]
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        black = Image.new("RGBA", picture.size, (0, 0, 0, 255))
        picture = Image.alpha_composite(black, picture).convert("RGB")
    elif picture.mode not in ("L", "RGB"):
        picture = picture.convert("L" if picture.mode in ("1", "F") else "RGB")
    pixels = np.asarray(picture, np.float32)
    return pixels[..., None] if pixels.ndim == 2 else pixels


def fit(image: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Brings an image to the size and channels of a network; an exact fit is kept.

    Args:
        image: float32 (h, w, 1, 3 or 4), 0 to 255.
        shape: (height, width, channels) that are wanted, 1 or 3 channels.

    Returns:
        float32 (height, width, channels), 0 to 255.
    """
    from PIL import Image

    height, width, channels = shape
    if image.shape[-1] == 4:
        image = image[..., :3] * (image[..., 3:] / 255)
    if image.shape[-1] == 3 and channels == 1:
        # ITU-R 601-2 luma, as Pillow weighs it.
        image = image @ np.array([[0.299], [0.587], [0.114]], np.float32)
    elif image.shape[-1] == 1 and channels == 3:
        image = np.repeat(image, 3, axis=-1)
    if image.shape[:2] != (height, width):
        planes = [
            Image.fromarray(np.ascontiguousarray(image[..., c])).resize(
                (width, height), Image.Resampling.BILINEAR
            )
            for c in range(channels)
        ]
        image = np.stack([np.asarray(plane, np.float32) for plane in planes], axis=-1)
    return image.astype(np.float32, copy=False)
