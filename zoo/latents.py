"""Latent vectors from seeds, paths between them, and images back to pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from zoo.errors import InvalidInputError


def draw_latents(
    seeds: Sequence[int], latent_dim: int, truncation: float | None = None
) -> np.ndarray:
    """Draws one vector a seed from N(0, I).

    A vector depends on its own seed alone, not on its neighbours.

    Args:
        seeds: Non-negative integers.
        latent_dim: Length of a vector.
        truncation: Numbers beyond this on either side of 0 are drawn again until none is (Brock et
            al. 2019, section 3.1): fewer kinds of images, each more typical. None for no limit.

    Returns:
        float32 (len(seeds), latent_dim).
    """
    rows = [_draw(seed, latent_dim, truncation) for seed in seeds]
    return np.stack(rows) if rows else np.zeros((0, latent_dim), np.float32)


def _draw(seed: int, latent_dim: int, truncation: float | None) -> np.ndarray:
    generator = np.random.Generator(np.random.Philox(seed))
    row = generator.standard_normal(latent_dim, np.float32)
    if truncation is not None:
        while (far := np.abs(row) > truncation).any():
            row[far] = generator.standard_normal(np.count_nonzero(far), np.float32)
    return row


def draw_rows(
    seeds: Sequence[int],
    latent_dim: int,
    classes: int = 0,
    labels: Sequence[int] | None = None,
    truncation: float | None = None,
) -> np.ndarray:
    """Draws a generator's rows: latent vectors and, for a conditional one, labels beside them.

    Args:
        seeds: As for `draw_latents`, one a row.
        latent_dim: Length of a latent vector.
        classes: Length of the one-hot label at the end of a row; 0 for none.
        labels: Class numbers, one a row; None is each seed modulo the number of classes, so that
            neighbouring seeds draw the classes in turn.
        truncation: As for `draw_latents`.

    Returns:
        float32 (len(seeds), latent_dim + classes).
    """
    latents = draw_latents(seeds, latent_dim, truncation)
    if not classes:
        return latents
    chosen = [seed % classes for seed in seeds] if labels is None else list(labels)
    one_hot = np.zeros((len(latents), classes), np.float32)
    one_hot[np.arange(len(latents)), chosen] = 1.0
    return np.concatenate([latents, one_hot], axis=1)


def slerp(start: np.ndarray, end: np.ndarray, steps: int) -> np.ndarray:
    """Walks from one latent vector to another along the sphere (White 2016, eq. 1).

    Lengths are interpolated linearly, so every vector on the way is as long as its neighbours.

    Args:
        start: (latent_dim,).
        end: (latent_dim,).
        steps: Vectors on the path, both ends included; at least 2.

    Returns:
        float32 (steps, latent_dim).

    Raises:
        InvalidInputError: for vectors of different shapes, or arrays that are none.
    """
    if start.ndim != 1 or start.shape != end.shape:
        raise InvalidInputError(
            f"a path needs two vectors of one length, got shapes {start.shape} and {end.shape}"
        )
    lengths = np.linalg.norm(start), np.linalg.norm(end)
    # A vector of length 0 has no direction; its zeros serve as one.
    unit_start, unit_end = start / (lengths[0] or 1.0), end / (lengths[1] or 1.0)
    angle = np.arccos(np.clip(np.dot(unit_start, unit_end), -1.0, 1.0))
    share = np.linspace(0.0, 1.0, steps)[:, None]
    if np.sin(angle) < 1e-6:
        directions = (1 - share) * unit_start + share * unit_end
    else:
        directions = (
            np.sin((1 - share) * angle) * unit_start + np.sin(share * angle) * unit_end
        ) / np.sin(angle)
    return (directions * ((1 - share) * lengths[0] + share * lengths[1])).astype(np.float32)


def from_pixels(pixels: Any) -> Any:
    """Maps pixels, 0 to 255, to [-1, 1]; an array of floats or a tensor keeps its type."""
    return pixels / 127.5 - 1.0


def to_pixels(images: np.ndarray) -> np.ndarray:
    """Maps images in [-1, 1] to uint8 pixels, rounding to the nearest."""
    return np.clip(np.rint((images + 1.0) * 127.5), 0, 255).astype(np.uint8)
