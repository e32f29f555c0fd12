"""Parts of recipes that several families have alike, as the dictionaries of their fields."""

from __future__ import annotations

from typing import Any


def shifted(share: float, fill: str = "constant") -> dict[str, Any]:
    """Moves images by whole pixels.

    Args:
        share: Of the image's side, the largest way.
        fill: What comes in from beyond the border, a `fill_mode` of Keras.
    """
    return {
        "name": "RandomTranslation",
        "height_factor": share,
        "width_factor": share,
        "fill_mode": fill,
        "interpolation": "nearest",
    }


def moved(degrees: float, zoom: float, shift: float) -> list[dict[str, Any]]:
    """Turns, scales and moves digits on black, each at most so far.

    Args:
        degrees: Of the turn, either way.
        zoom: Share of the side that it grows or shrinks by.
        shift: Share of the side that it is moved by.
    """
    black = {"fill_mode": "constant"}
    return [
        {"name": "RandomRotation", "factor": degrees / 360, **black},
        {"name": "RandomZoom", "height_factor": zoom, "width_factor": zoom, **black},
        {"name": "RandomTranslation", "height_factor": shift, "width_factor": shift, **black},
    ]


def nesterov(rate: float, weight_decay: float) -> dict[str, Any]:
    """SGD with Nesterov's momentum of 0.9."""
    return {
        "name": "SGD",
        "learning_rate": rate,
        "momentum": 0.9,
        "nesterov": True,
        "weight_decay": weight_decay,
    }
