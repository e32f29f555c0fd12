"""What the list of models says of a card."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any

from serving.abilities import abilities_of
from serving.schemas import ModelMetric
from zoo.cards import Card


def described(card: Card) -> dict[str, Any]:
    """Returns the fields of a `ModelEntry` that follow from the card alone."""
    return {
        "created": _unix_time(card.created),
        "owned_by": "keras-model-zoo",
        "task": card.task,
        "abilities": abilities_of(card),
        "version": card.version,
        "family": card.family,
        "paper": card.paper,
        "labels": card.labels,
        "input": card.input,
        "output": {name: value for name, value in card.output.items() if name != "labels"},
        "metrics": [
            ModelMetric(name=m.name, value=m.value, split=m.split, n=m.n)
            for m in card.metrics
            if math.isfinite(m.value)
        ],
        "pictures": sorted(name for name in card.sha256 if name.endswith(".png")),
        "parameters": sum(card.parameters.values()),
        "licence": card.licence,
    }


def _unix_time(created: str) -> int:
    try:
        return int(datetime.fromisoformat(created).timestamp())
    except ValueError:
        return 0
