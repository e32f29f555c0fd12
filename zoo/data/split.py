"""Splits and orders that are functions of seeds alone."""

from __future__ import annotations

import numpy as np

from zoo.errors import RecipeError

Arrays = dict[str, np.ndarray]

_VALIDATION_SEED = 2718


def cut_validation(arrays: Arrays, count: int) -> tuple[Arrays, Arrays]:
    """Cuts `count` examples off for validation, the same ones whatever the recipe's seed.

    Returns:
        The remaining examples and the validation examples, each in their original order.

    Raises:
        RecipeError: when no example would be left to train on.
    """
    total = len(arrays["image"])
    if count >= total:
        raise RecipeError(f"data.validation must be below the {total} examples, got {count}")
    chosen = np.zeros(total, bool)
    chosen[np.random.default_rng(_VALIDATION_SEED).permutation(total)[:count]] = True
    rest = {key: value[~chosen] for key, value in arrays.items()}
    return rest, {key: value[chosen] for key, value in arrays.items()}


def order(count: int, seed: int, epoch: int) -> np.ndarray:
    """Returns an epoch's order of `count` examples, as indices: a function of (seed, epoch)."""
    return np.random.default_rng([seed, epoch]).permutation(count)
