"""A linear mapping between two domains by moments alone: where a translation may begin."""

from __future__ import annotations

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Axes:
    """The principal axes of images, each pointing to where its third moment is positive.

    An orthogonal mapping of the images, such as a turn, maps their axes to those of the others:
    variances say which is which, third moments which way they point, as far as both differ.

    Args:
        mean: The mean image, (pixels,).
        directions: Unit vectors in its columns, of the largest variance first, (pixels, rank).
    """

    mean: np.ndarray
    directions: np.ndarray


def principal_axes(images: np.ndarray, rank: int) -> Axes:
    """Finds the axes of images (n, …) of numbers in [-1, 1]; it takes time like pixels cubed."""
    rows = images.reshape(len(images), -1).astype(np.float64)
    mean = rows.mean(axis=0)
    rows -= mean
    _, vectors = np.linalg.eigh(rows.T @ rows / len(rows))
    directions = vectors[:, ::-1][:, :rank]
    skew = np.mean((rows @ directions) ** 3, axis=0)
    return Axes(mean, directions * np.where(skew < 0, -1.0, 1.0))


def mapped(one: Axes, other: Axes) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns (down, up, bias): rows @ down @ up + bias maps axes of the one to the other's.

    Returns:
        float64 (pixels, rank), (rank, pixels), (pixels,).
    """
    down, up = one.directions, other.directions.T
    return down, up, other.mean - one.mean @ down @ up
