"""Clipping of gradients, by Keras' own options of an optimizer, reaches each player."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.steps import train_once, values
from zoo import registry
from zoo.training.build import build_model

IMAGES = np.random.default_rng(0).integers(0, 256, (16, 28, 28, 1), np.uint8)
BATCH = {"image": IMAGES, "label": np.arange(16) % 10}
RATE = 0.5


def step(**clipping: float) -> list[np.ndarray]:
    """The change of each weight in one step of plain gradient descent."""
    settings: dict[str, Any] = {
        "network": {"units": [8]},
        "optimizer": {"name": "SGD", "learning_rate": RATE, **clipping},
        "schedule": {},
        "augmentation": [],
    }
    recipe = registry.recipes().get("mlp.fashion_mnist").override(settings)
    model = build_model(recipe, IMAGES, 10, 1)
    before = values(model.network.trainable_variables)
    train_once(model, BATCH)
    after = values(model.network.trainable_variables)
    return [b - a for a, b in zip(before, after, strict=True)]


def norm(changes: list[np.ndarray]) -> float:
    return float(np.sqrt(sum((change**2).sum() for change in changes)))


def test_the_norm_of_all_gradients_is_clipped() -> None:
    free, clipped = step(), step(global_clipnorm=0.01)
    assert norm(free) > RATE * 0.01
    assert norm(clipped) == pytest.approx(RATE * 0.01, rel=1e-4)
    for a, b in zip(free, clipped, strict=True):
        np.testing.assert_allclose(b, a * norm(clipped) / norm(free), rtol=1e-3, atol=1e-7)


def test_the_norm_of_each_gradient_is_clipped() -> None:
    free = step()
    for a, b in zip(free, step(clipnorm=0.01), strict=True):
        expected = min(norm([a]), RATE * 0.01)
        assert norm([b]) == pytest.approx(expected, rel=1e-3)


def test_each_gradient_is_clipped_by_value() -> None:
    for a, b in zip(step(), step(clipvalue=1e-3), strict=True):
        np.testing.assert_allclose(b, np.clip(a, -RATE * 1e-3, RATE * 1e-3), rtol=1e-3, atol=1e-7)
