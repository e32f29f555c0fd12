"""Values of hyperparameters, drawn as an oracle draws them."""

from __future__ import annotations

from typing import Any

import keras_tuner

from tuning.spaces import Space
from zoo.recipe import Recipe


def declared(space: Space, recipe: Recipe) -> keras_tuner.HyperParameters:
    """A space's hyperparameters, at their defaults."""
    hp = keras_tuner.HyperParameters()
    space(hp, recipe)
    return hp


def drawn(hp: keras_tuner.HyperParameters, seed: int) -> dict[str, Any]:
    """Values of what is active, at a random place."""
    found = keras_tuner.HyperParameters()
    for number, one in enumerate(hp.space):
        found.merge([one])
        if found.is_active(one):
            found.values[one.name] = one.random_sample(1000 * seed + number)
    return dict(found.values)


def made_with(space: Space, recipe: Recipe, values: dict[str, Any]) -> Recipe:
    """The recipe of a trial with these values."""
    hp = keras_tuner.HyperParameters()
    hp.values = dict(values)
    return space(hp, recipe)
