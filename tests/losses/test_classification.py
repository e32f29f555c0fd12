"""Losses of a classifier against NumPy."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import ops

from zoo.losses.classification import LOSSES

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(0, 2, (6, 4))
TARGETS = np.eye(4)[RNG.integers(0, 4, 6)] * 0.9 + 0.025
SIGNS = 2 * TARGETS - 1


def log_softmax(logits: np.ndarray) -> np.ndarray:
    return logits - np.log(np.exp(logits).sum(1, keepdims=True))


def sigmoid(logits: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-logits))


GAP = np.abs(TARGETS - LOGITS)
EXPECTED = {
    "cross_entropy": -(TARGETS * log_softmax(LOGITS)).sum(1),
    "bce": -(TARGETS * np.log(sigmoid(LOGITS)) + (1 - TARGETS) * np.log(sigmoid(-LOGITS))).mean(1),
    "mse": (GAP**2).mean(1),
    "mae": GAP.mean(1),
    "huber": np.where(GAP <= 1, GAP**2 / 2, GAP - 0.5).mean(1),
    "hinge": np.maximum(0, 1 - SIGNS * LOGITS).mean(1),
    "perceptron": np.maximum(0, -SIGNS * LOGITS).mean(1),
}


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_is_its_formula(name: str) -> None:
    found = LOSSES[name](ops.convert_to_tensor(TARGETS), ops.convert_to_tensor(LOGITS))
    assert tuple(found.shape) == (6,)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(found), EXPECTED[name], rtol=1e-5)
