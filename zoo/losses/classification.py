"""Losses of a classifier's outputs against rows of targets, by name."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


def cross_entropy(targets: Any, logits: Any) -> Any:
    """-sum_k t_k log softmax(z)_k, in nats.

    Args:
        targets: Shares of the classes, (batch, classes), rows summing to 1. So for all losses here.
        logits: The network's outputs, (batch, classes).

    Returns:
        One loss for each row, (batch,).
    """
    return keras.losses.categorical_crossentropy(targets, logits, from_logits=True)


def bce(targets: Any, logits: Any) -> Any:
    """Mean over the classes of -t log s(z) - (1 - t) log(1 - s(z)): one against the rest."""
    return keras.losses.binary_crossentropy(targets, logits, from_logits=True)


def mse(targets: Any, outputs: Any) -> Any:
    """Mean over the classes of (t - z)^2: least squares on the classes' indicators."""
    return keras.losses.mean_squared_error(targets, outputs)


def mae(targets: Any, outputs: Any) -> Any:
    """Mean over the classes of |t - z|."""
    return keras.losses.mean_absolute_error(targets, outputs)


def huber(targets: Any, outputs: Any) -> Any:
    """Mean over the classes of Huber's loss, quadratic up to |t - z| = 1 (Huber 1964)."""
    return keras.losses.huber(targets, outputs)


def hinge(targets: Any, outputs: Any) -> Any:
    """Mean over the classes of max(0, 1 - y z), y = 2t - 1: one against the rest."""
    return ops.mean(ops.relu(1 - (2 * targets - 1) * outputs), -1)


def perceptron(targets: Any, outputs: Any) -> Any:
    """Mean over the classes of max(0, -y z), y = 2t - 1.

    Its gradient is the perceptron's rule: weights move for what is on the wrong side alone
    (Rosenblatt 1958).
    """
    return ops.mean(ops.relu(-(2 * targets - 1) * outputs), -1)


LOSSES = {loss.__name__: loss for loss in (cross_entropy, bce, mse, mae, huber, hinge, perceptron)}
