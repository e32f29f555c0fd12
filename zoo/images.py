"""Pictures: grids, PNG files, animations."""

from __future__ import annotations

import io
import math
from pathlib import Path

import numpy as np

from zoo import files


def image_grid(images: np.ndarray, columns: int | None = None, gap: int = 2) -> np.ndarray:
    """Lays images out in rows on white.

    Args:
        images: uint8 (n, height, width, channels) with 1 or 3 channels.
        columns: Images in a row; by default about as many as there are rows.
        gap: Pixels between images.

    Returns:
        uint8 (rows * (height + gap) + gap, columns * (width + gap) + gap, channels).
    """
    count, height, width, channels = images.shape
    columns = columns or max(1, math.ceil(math.sqrt(count)))
    rows = math.ceil(count / columns)
    canvas = np.full(
        (rows * (height + gap) + gap, columns * (width + gap) + gap, channels), 255, np.uint8
    )
    for index, image in enumerate(images):
        row, column = divmod(index, columns)
        top, left = gap + row * (height + gap), gap + column * (width + gap)
        canvas[top : top + height, left : left + width] = image
    return canvas


def paired_grid(above: np.ndarray, below: np.ndarray, columns: int = 16) -> np.ndarray:
    """Lays out rows of images with a row of their counterparts below each.

    Args:
        above: uint8 (n, height, width, channels), at least one.
        below: The counterpart of each, of the same shape.
        columns: Images in a row, at most.

    Returns:
        As `image_grid`.
    """
    columns = min(columns, len(above))
    missing = [(0, -len(above) % columns), (0, 0), (0, 0), (0, 0)]
    pairs = np.stack([np.pad(part, missing, constant_values=255) for part in (above, below)])
    rows = pairs.reshape(2, -1, columns, *above.shape[1:]).swapaxes(0, 1)
    return image_grid(rows.reshape(-1, *above.shape[1:]), columns)


def encode_png(image: np.ndarray) -> bytes:
    """Encodes uint8 (height, width, 1 or 3) as PNG."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(buffer, format="PNG")
    return buffer.getvalue()


def save_png(path: Path, image: np.ndarray) -> None:
    """Writes an image as PNG, atomically."""
    with files.atomic_path(path) as temporary:
        temporary.write_bytes(encode_png(image))


def save_animation(path: Path, images: np.ndarray, milliseconds: int = 60) -> None:
    """Writes images as one animated picture that begins again after the last, atomically.

    Args:
        path: A `.gif`, or a `.webp`, which is smaller and keeps all colours.
        images: uint8 (n, height, width, 1 or 3), at least one.
        milliseconds: How long each is shown.
    """
    from PIL import Image

    frames = [Image.fromarray(one[..., 0] if one.shape[-1] == 1 else one) for one in images]
    kind = path.suffix[1:].upper()
    options = {"lossless": True} if kind == "WEBP" else {}
    with files.atomic_path(path) as temporary:
        frames[0].save(
            temporary,
            format=kind,
            save_all=True,
            append_images=frames[1:],
            duration=milliseconds,
            loop=0,
            **options,
        )
