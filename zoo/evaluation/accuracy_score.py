"""Classifier accuracy score: how well a classifier does that saw generated images alone."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from zoo import data
from zoo.errors import InvalidInputError
from zoo.evaluation.common import in_chunks
from zoo.inputs import image_rows
from zoo.metrics.classification import accuracy
from zoo.recipe import DataSpec, Recipe
from zoo.runs import new_run


def score_recipe(spec: DataSpec) -> Recipe:
    """Returns how the classifier is trained where nothing else is asked for.

    Small and plain, so that it takes minutes and differences come from the images: five
    convolutions, five epochs, no augmentation. The training images of Fashion-MNIST score 0.91.
    """
    return Recipe(
        name=f"small_cnn.{spec.name}-cas",
        architecture="small_cnn",
        data=spec,
        network={"filters": [[16, 16], [32, 32], [64]]},
        optimizer={"name": "AdamW", "learning_rate": 2e-3, "weight_decay": 1e-2},
        schedule={"name": "cosine", "warmup": 0.1},
        epochs=5,
    )


def classifier_accuracy_score(
    images: np.ndarray, labels: np.ndarray, recipe: Recipe
) -> tuple[float, int]:
    """Trains a classifier on generated images and tests it on real ones (Ravuri, Vinyals 2019).

    Args:
        images: Generated, uint8 (n, height, width, channels); as many as there are training
            images, for more of them score higher.
        labels: The classes they were generated for, integers (n,); all of the classes occur.
        recipe: Of a classifier. Its data name the classes and the real test split; nothing else of
            them is read.

    Returns:
        The accuracy on the test split, 0 to 1, and the number of its images. Beside it belongs what
        the same recipe reaches on the training images.

    Raises:
        InvalidInputError: when images and labels do not fit each other or the classes.
        RecipeError: when the recipe cannot be trained.
    """
    classes = len(data.labels(recipe.data))
    if len(images) != len(labels) or not np.array_equal(np.unique(labels), np.arange(classes)):
        raise InvalidInputError(
            f"expected as many labels as images, of all {classes} classes from 0, "
            f"got {len(images)} images and {len(labels)} labels of {len(np.unique(labels))} classes"
        )
    from zoo.runtime import compile_network
    from zoo.training.run import fit_run

    examples = {"image": images, "label": np.asarray(labels, np.int64)}
    with tempfile.TemporaryDirectory() as folder:
        run = fit_run(new_run(recipe, Path(folder)), verbose=0, arrays=(examples, None))
    assert run.model is not None
    network = run.model.published_networks()["network"]
    answer, shape = compile_network(network), network.input_shape[1:]
    test = data.examples(recipe.data, data.get(recipe.data.name).tests[0])
    scores = in_chunks(lambda images: answer(image_rows(images, shape)), test["image"])
    return accuracy(scores, test["label"]), len(scores)
