"""Rows on which every runtime must answer as Keras does, and how nearly."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from zoo.cards import Card
from zoo.latents import draw_rows, from_pixels

COUNT = 32
# Scores lie in [0, 1], images in [-1, 1]: half a level of 255 is 4e-3 there.
_SCORES, _OTHERS = 1e-4, 2e-3
_SEED = 1729


def parity_rows(
    takes: str, shapes: Mapping[str, list[int]], card: Card, facts: Mapping[str, Any]
) -> dict[str, np.ndarray]:
    """Draws rows such as a function meets, always the same ones.

    Args:
        takes: What they are, one of those that `Pipeline.takes` names.
        shapes: `{input: shape of a row}`.
        card: Of the model.
        facts: Of the pipeline; a denoiser's `schedule` has its `steps`.

    Returns:
        `{input: float32 (32, …)}`.
    """
    rng = np.random.default_rng(_SEED)
    if takes == "noise":
        return {name: _noise(name, shape, facts, rng) for name, shape in shapes.items()}
    ((name, shape),) = shapes.items()
    if takes == "latents":
        labels = len(card.input.get("labels", []))
        labelled = labels if shape == list(card.input["shape"]) else 0
        flat = draw_rows(range(COUNT), math.prod(shape) - labelled, labelled)
        return {name: flat.reshape(COUNT, *shape)}
    pixels = _pictures(shape, rng)
    return {name: pixels if takes == "pixels" else from_pixels(pixels)}


def tolerance(function: str, expected: np.ndarray) -> float:
    """Returns how far an answer may lie from that of Keras, anywhere.

    That is 1e-4 for scores, and for all else 2e-3, of images in [-1, 1] and numbers as small, or of
    the largest number where that is larger than 1.
    """
    if function == "scores":
        return _SCORES
    return _OTHERS * max(1.0, float(np.max(np.abs(expected))))


def _noise(
    name: str, shape: list[int], facts: Mapping[str, Any], rng: np.random.Generator
) -> np.ndarray:
    if name == "timestep":
        return np.linspace(0, facts["schedule"]["steps"] - 1, COUNT).astype(np.float32)
    if name == "label":
        return np.eye(*shape, dtype=np.float32)[np.arange(COUNT) % shape[0]]
    return rng.standard_normal((COUNT, *shape), np.float32)


def _pictures(shape: list[int], rng: np.random.Generator) -> np.ndarray:
    """Draws pictures 0 to 255: soft waves, and on them a bright or a dark box with hard edges."""
    height, width, *channels = shape if len(shape) > 1 else [shape[0], 1]
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    pictures = np.empty((COUNT, height, width), np.float32)
    for picture in pictures:
        along, across, phase = rng.uniform(-3, 3, 3)
        picture[:] = 127.5 + 80 * np.sin(2 * np.pi * (along * x + across * y + phase))
        top, left = rng.integers(0, (max(1, height // 2), max(1, width // 2)))
        box = slice(top, top + height // 2), slice(left, left + width // 2)
        picture[box] = rng.choice([0.0, 255.0])
    pictures += rng.normal(0, 8, pictures.shape)
    several = pictures.reshape(COUNT, height, width, *(1 for _ in channels))
    colours = rng.uniform(0.6, 1.0, (COUNT, 1, 1, *channels))
    return np.clip(several * colours, 0, 255).astype(np.float32).reshape(COUNT, *shape)
