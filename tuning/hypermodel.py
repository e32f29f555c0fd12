"""The models of a search, behind KerasTuner's HyperModel: built and fitted by the engine."""

from __future__ import annotations

from pathlib import Path

import keras
import keras_tuner

from tuning.spaces import Space
from zoo import data
from zoo.errors import RecipeError
from zoo.recipe import Recipe
from zoo.runs import Run
from zoo.training.build import build_model
from zoo.training.checkpoint import load_checkpoint
from zoo.training.engine import MultiPlayerModel
from zoo.training.run import fit_model, steps_per_epoch, training_arrays

CHECKPOINT = "checkpoint.npz"


class RecipeHyperModel(keras_tuner.HyperModel):
    """The models of a search: the base recipe with a trial's values put in by the space.

    It holds the train split alone, cut into training and validation; no trial can see the test
    split.

    Args:
        base: The recipe that is searched around, with a validation split.
        space: Function from hyperparameters and the base recipe to a trial's recipe.
    """

    def __init__(self, base: Recipe, space: Space) -> None:
        super().__init__()
        self.base = base
        self.space = space
        self.training, validation = training_arrays(base)
        if validation is None:
            raise RecipeError("a search needs a validation split; set data.validation")
        self.validation = validation

    def declare_hyperparameters(self, hp: keras_tuner.HyperParameters) -> None:
        self.space(hp, self.base)

    def recipe(self, hp: keras_tuner.HyperParameters) -> Recipe:
        """Returns the recipe of a trial's values."""
        return self.space(hp, self.base)

    def steps(self, recipe: Recipe) -> int:
        """Returns the steps of an epoch."""
        return steps_per_epoch(recipe, len(self.training["image"]))

    def build(self, hp: keras_tuner.HyperParameters) -> MultiPlayerModel:
        recipe = self.recipe(hp)
        classes = len(data.labels(recipe.data))
        # Sets the recipe's seed, so whatever a trial drew before has no influence.
        return build_model(recipe, self.training["image"], classes, self.steps(recipe))

    def fit(
        self,
        hp: keras_tuner.HyperParameters,
        model: MultiPlayerModel,
        *,
        folder: Path,
        start: Path | None,
        epochs: int,
        callbacks: list[keras.callbacks.Callback],
        verbose: int | str = 0,
    ) -> dict[str, float]:
        """Trains up to `epochs`, from the folder's own checkpoint or from `start`.

        Returns:
            What the last epoch logged. The last, not the best: it is what training the recipe
            gives, while the best of many epochs flatters noisy trials.
        """
        recipe = self.recipe(hp)
        run = Run(recipe, folder)
        checkpoint = folder / CHECKPOINT
        if checkpoint.is_file():
            run.history = load_checkpoint(checkpoint, model)["history"]
        elif start is not None:
            run.history = load_checkpoint(start, model)["history"]
        fit_model(model, run, self.training, self.validation, epochs, callbacks, verbose)
        return run.history[-1]
