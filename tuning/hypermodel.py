"""The models of a search, behind KerasTuner's HyperModel: a recipe for each trial's values."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras_tuner

from tuning.spaces import Space
from zoo.recipe import Recipe

if TYPE_CHECKING:
    from zoo.training.engine import MultiPlayerModel


class RecipeHyperModel(keras_tuner.HyperModel):
    """The models of a search: the base recipe with a trial's values put in by the space.

    It reads no data before it builds. What trains is the recipe, in a process of its own.

    Args:
        base: The recipe that is searched around, as trials train it.
        space: Function from hyperparameters and the base recipe to a trial's recipe.
    """

    def __init__(self, base: Recipe, space: Space) -> None:
        super().__init__()
        self.base = base
        self.space = space

    def declare_hyperparameters(self, hp: keras_tuner.HyperParameters) -> None:
        self.space(hp, self.base)

    def recipe(self, hp: keras_tuner.HyperParameters) -> Recipe:
        """Returns the recipe of a trial's values."""
        return self.space(hp, self.base)

    def build(self, hp: keras_tuner.HyperParameters) -> MultiPlayerModel:
        """Returns the compiled model of a trial's values, with weights decided by its seed."""
        from tuning.repeats import examples_of
        from zoo import data
        from zoo.data.feed import epoch_length, first_images
        from zoo.training.build import build_model
        from zoo.training.run import steps_per_epoch

        recipe = self.recipe(hp)
        training = examples_of(recipe)[0].training
        steps = steps_per_epoch(recipe, epoch_length(training))
        return build_model(recipe, first_images(training), len(data.labels(recipe.data)), steps)
