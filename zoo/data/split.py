"""Splits and orders that are functions of seeds alone."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np

from zoo.errors import RecipeError

Arrays = dict[str, np.ndarray]

_VALIDATION_SEED = 2718
_SUBSET_SEED = 5772
_TEST_SHARE = 0.2
# Of a class with fewer examples all are for training.
LEAST_TO_TEST = 5


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


def cut_test(arrays: Arrays) -> np.ndarray:
    """Chooses a fifth of each class for testing, by what is in the images.

    Where images are added later, those that were for testing stay so, but for the few at the
    border of the fifth.

    Args:
        arrays: `image` and `label`.

    Returns:
        bool (n,): at least one example of a class that has five, none of a smaller class.
    """
    label = arrays["label"]
    testing = np.zeros(len(label), bool)
    digests = np.array([hashlib.sha256(image.tobytes()).hexdigest() for image in arrays["image"]])
    for one in np.unique(label):
        positions = np.flatnonzero(label == one)
        positions = positions[np.argsort(digests[positions])]
        if len(positions) >= LEAST_TO_TEST:
            testing[positions[: max(1, round(_TEST_SHARE * len(positions)))]] = True
    return testing


def few_of_each(label: np.ndarray, count: int, drawn_as: Iterable[int]) -> np.ndarray:
    """Chooses `count` examples of each class, or all of a class that has no more.

    They are the first ones of an order that depends on the class alone, so that a smaller choice is
    part of a larger one.

    Args:
        label: Integers from 0 (n,).
        count: How many of each class.
        drawn_as: For each class the number that decides its order.

    Returns:
        Sorted positions, int64.
    """
    orders = [
        np.random.default_rng([_SUBSET_SEED, one]).permutation(np.flatnonzero(label == new))
        for new, one in enumerate(drawn_as)
    ]
    return np.sort(np.concatenate([chosen[:count] for chosen in orders]))


def order(count: int, seed: int, epoch: int, key: tuple[int, ...] = ()) -> np.ndarray:
    """Returns an epoch's order of `count` examples, as indices: a function of (seed, epoch, key).

    The key tells streams apart.
    """
    return np.random.default_rng([seed, epoch, *key]).permutation(count)
