"""Early stopping, decided by the history alone, so that a resumed run stops where it would have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zoo.errors import RecipeError, did_you_mean, nearest
from zoo.runs import History


def best_epoch(history: History, config: Mapping[str, Any]) -> int:
    """Returns the number, from 1, of the epoch with the best monitored value; the first of equals.

    Args:
        history: What was logged, epoch by epoch; at least one.
        config: A recipe's `early_stopping`. Losses are best when small, accuracies when large.

    Raises:
        RecipeError: when the monitored value is not logged.
    """
    monitor = config["monitor"]
    if monitor not in history[0]:
        near = did_you_mean(nearest(monitor, history[0]))
        raise RecipeError(f"early_stopping.monitor names {monitor!r}, which is not logged{near}")
    sign = 1 if monitor.endswith("loss") else -1
    return 1 + min(range(len(history)), key=lambda epoch: sign * history[epoch][monitor])


def is_over(history: History, config: Mapping[str, Any]) -> bool:
    """Returns whether the best epoch is `patience` epochs old."""
    return bool(
        config and history and len(history) - best_epoch(history, config) >= config["patience"]
    )
