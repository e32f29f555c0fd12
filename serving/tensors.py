"""What a model takes and gives as bare arrays, read off its card."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from zoo.cards import Card
from zoo.errors import InvalidInputError

# Tasks whose rows are pixels, from 0 to 255; those of generators are latents.
_PIXELS = ("classification", "reconstruction", "translation")


@dataclasses.dataclass(frozen=True)
class Output:
    """One of the arrays that a model can give for its rows.

    Args:
        shape: Of one answer.
        dtype: `float32` or `uint8`.
        options: Of the pipeline's `run`.
    """

    shape: tuple[int, ...]
    dtype: str
    options: dict[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Inference:
    """What a model computed.

    Args:
        card: Of the version that did.
        output: Which of `outputs_of(card)`.
        values: (n, …), float32 or uint8.
    """

    card: Card
    output: str
    values: np.ndarray


def outputs_of(card: Card) -> dict[str, Output]:
    """Returns the outputs of a model by name, the one that is meant where none is named first.

    A classifier gives `scores`, a translator images by the names of its directions, all others
    `images`.
    """
    shape = tuple(card.output["shape"])
    if card.task == "classification":
        return {"scores": Output(shape, "float32")}
    if card.task == "translation":
        names = card.output["directions"]
        return {name: Output(shape, "uint8", {"direction": name}) for name in names}
    return {"images": Output(shape, "uint8")}


def takes_pixels(card: Card) -> bool:
    """Says whether a model's rows are pixels, which may also come as uint8."""
    return card.task in _PIXELS


def check_rows(rows: np.ndarray, card: Card, most: int) -> np.ndarray:
    """Returns rows as float32.

    Args:
        rows: (n, …).
        card: Of the model that they are for.
        most: Rows of one request.

    Raises:
        InvalidInputError: for another shape or dtype, too many rows or none, and numbers that are
            not finite.
    """
    shape = tuple(card.input["shape"])
    dtypes = ("float32", "uint8") if takes_pixels(card) else ("float32",)
    if rows.shape[1:] != shape or rows.ndim != len(shape) + 1:
        wanted = ", ".join(["n", *map(str, shape)])
        raise InvalidInputError(f"{card.name} takes rows ({wanted}), got shape {rows.shape}")
    if str(rows.dtype) not in dtypes:
        raise InvalidInputError(f"{card.name} takes {' or '.join(dtypes)}, got {rows.dtype}")
    if not 1 <= len(rows) <= most:
        raise InvalidInputError(f"a request may have 1 to {most} rows, got {len(rows)}")
    given = rows.astype(np.float32, copy=False)
    if not np.isfinite(given).all():
        raise InvalidInputError("rows must be finite; these hold NaN or infinity")
    return given
