"""What every evaluation shares: its result, how a metric is recorded, when two of them agree."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from zoo.cards import Card, Metric
from zoo.recipe import DataSpec

# How far a second measurement may lie from the first: other processors round otherwise.
RELATIVE_TOLERANCE = 0.02
ABSOLUTE_TOLERANCE = 5e-4


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """What was measured, and pictures of it by file name."""

    metrics: tuple[Metric, ...]
    pictures: dict[str, bytes]


def data_of(card: Card) -> DataSpec:
    """Returns which data a model was made for, all of its examples."""
    return DataSpec(card.data["name"], classes=card.data.get("classes"))


def recorder(
    card: Card, split: str, count: int, source: str | None = None
) -> Callable[..., Metric]:
    """Returns a function (name, value, note="") that makes the metrics of one split.

    Args:
        card: Of the model that is measured.
        split: The split of the data that is measured on.
        count: How many of its examples are.
        source: The data set, where it is not the one on the card.
    """
    reference = f"{card.name}@{card.version}" if card.version else card.name
    command = f"zoo evaluate {reference}" + (f" --data {source}" if source else "")

    def record(name: str, value: float, note: str = "") -> Metric:
        return Metric(name, float(value), split, count, command, note)

    return record


def agrees(stored: Metric, measured: Metric) -> bool:
    """Returns whether two measurements of a metric are the same up to rounding."""
    gap = abs(stored.value - measured.value)
    return stored.n == measured.n and bool(
        gap <= np.maximum(ABSOLUTE_TOLERANCE, RELATIVE_TOLERANCE * abs(stored.value))
    )
