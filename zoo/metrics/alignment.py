"""The nearest of many images once brightness, contrast, position and side are made equal."""

from __future__ import annotations

import itertools

import numpy as np

# Pixels to every side; smaller images are shifted by an eighth of their side at most.
SHIFT = 3
# Images that are compared at once, and numbers of the other images that are held at once.
_ROWS = 2500
_NUMBERS = 2**22

Place = tuple[bool, int, int]


def comparisons(shape: tuple[int, ...]) -> int:
    """Returns how many numbers two images (height, width, channels) are compared in."""
    height, width, channels = shape
    margin = _margin(shape)
    return len(_places(margin)) * (height - 2 * margin) * (width - 2 * margin) * channels


def nearest_aligned(
    images: np.ndarray, others: np.ndarray, own: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Finds the other image that is nearest to each image, however it is placed and lit.

    The middle of an image, without a margin as wide as the largest shift, is laid upon every window
    of that size in the other image and in its mirror image. Each window gets mean 0 and length 1
    first, over all pixels and channels, so that the distance is (2 - 2 r)^½ with the correlation
    coefficient r of the two: template matching by zero-mean normalised cross-correlation. What
    was moved into an image from outside, at its border, plays no part.

    Args:
        images: uint8 (n, height, width, channels).
        others: uint8 (m, height, width, channels).
        own: Whether image i is to be told from other i, with which it is the same.

    Returns:
        The index of the nearest, int (n,), and its distance, float64 (n,), 0 to 2: 0 for a copy
        that was shifted by up to 3 pixels each way, mirrored, or made brighter or of more
        contrast. The search is in float32, the distance to what it finds in float64. Beside the
        images memory does not grow with n or m.

    Raises:
        ValueError: for images that do not fit each other.
    """
    if images.shape[1:] != others.shape[1:] or images.ndim != 4 or len(others) <= own:
        raise ValueError(
            f"expected images (n, height, width, channels) of one size and {1 + own} others or "
            f"more, got {images.shape} and {others.shape}"
        )
    margin = _margin(images.shape[1:])
    places = _places(margin)
    index = np.zeros(len(images), int)
    distance = np.empty(len(images))
    for start in range(0, len(images), _ROWS):
        part = slice(start, start + _ROWS)
        middle = _window(images[part], margin, (False, margin, margin))
        rows = np.arange(start, start + len(middle)) if own else None
        index[part], place = _search(_unit(middle, np.float32), others, margin, rows)
        exact = _unit(middle, np.float64)
        for number in np.unique(place):
            chosen = np.flatnonzero(place == number)
            found = _window(others[index[start + chosen]], margin, places[number])
            gap = exact[chosen] - _unit(found, np.float64)
            distance[start + chosen] = np.linalg.norm(gap, axis=1)
    return index, distance


def _search(
    rows: np.ndarray, others: np.ndarray, margin: int, own: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the index and the place of the nearest window; `own` are indices to leave out."""
    least = np.full(len(rows), np.inf, np.float32)
    index, place = np.zeros(len(rows), int), np.zeros(len(rows), int)
    size = max(1, _NUMBERS // rows.shape[1])
    for start in range(0, len(others), size):
        block = others[start : start + size]
        mine = None if own is None else own[:, None] == np.arange(start, start + len(block))
        for number, where in enumerate(_places(margin)):
            columns = _unit(_window(block, margin, where), np.float32)
            # A window without contrast has length 0, not 1.
            squares = rows @ (-2 * columns.T) + np.einsum("ij,ij->i", columns, columns)
            if mine is not None:
                squares[mine] = np.inf
            nearest = squares.argmin(axis=1)
            value = squares[np.arange(len(rows)), nearest]
            better = value < least
            least[better], index[better] = value[better], start + nearest[better]
            place[better] = number
    return index, place


def _margin(shape: tuple[int, ...]) -> int:
    return min(SHIFT, min(shape[:2]) // 8)


def _places(margin: int) -> list[Place]:
    """Returns where windows begin: in the image or its mirror image, which row, which column."""
    steps = range(2 * margin + 1)
    return list(itertools.product((False, True), steps, steps))


def _window(images: np.ndarray, margin: int, place: Place) -> np.ndarray:
    mirrored, top, left = place
    height, width = (side - 2 * margin for side in images.shape[1:3])
    images = images[:, :, ::-1] if mirrored else images
    return images[:, top : top + height, left : left + width]


def _unit(windows: np.ndarray, kind: type[np.floating]) -> np.ndarray:
    """Returns windows as rows (n, d) of mean 0 and length 1, or 0 where a window is of one grey."""
    rows = windows.reshape(len(windows), -1).astype(kind)
    rows -= rows.mean(axis=1, keepdims=True)
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    # Where whole numbers differ at all, the length is about 1; less is rounding.
    return np.where(length > 0.5, rows / np.maximum(length, 0.5), 0)
