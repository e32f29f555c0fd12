"""Pipelines: what a user has → rows → networks → what a user wants.

A pipeline is built on one function, `run(rows)`, whose answer for a row depends on that row
alone. So rows of several callers may share a batch; the server relies on it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np

from zoo.cards import Card
from zoo.errors import InvalidInputError, UnknownModelError
from zoo.inputs import image_rows
from zoo.registry import load_object

if TYPE_CHECKING:
    import keras


class Pipeline:
    """Base of the pipelines.

    Args:
        card: The card of the model.
        networks: Its networks by name.
    """

    task: ClassVar[str]

    def __init__(self, card: Card, networks: Mapping[str, keras.Model]) -> None:
        self.card = card
        self.networks = dict(networks)

    def run(self, rows: np.ndarray) -> np.ndarray:
        """Computes answers for rows: float32 (n, …) to (n, …). Safe to call from threads."""
        raise NotImplementedError

    @classmethod
    def describe(
        cls, networks: Mapping[str, keras.Model], labels: Sequence[str]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Returns what a card says of the rows that `run` takes and of its answers.

        Args:
            networks: As for the constructor.
            labels: Class names of the training data.

        Returns:
            Two dictionaries with `shape`, `dtype` and `range`; the first also has the `name` of
            the network's input, the second the `kind` of answer and a classifier's `labels`.
        """
        raise NotImplementedError

    def warm(self, batch_sizes: Sequence[int] = (1,)) -> None:
        """Runs once for each batch size, so that no user waits for a first call."""
        shape = self.card.input["shape"]
        for size in batch_sizes:
            self.run(np.zeros((size, *shape), np.float32))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.card.name}@{self.card.version}>"


class Classifier(Pipeline):
    """Labels images.

    Example:
        classifier = zoo.load("resnet20.fashion_mnist")
        classifier.predict(["shoe.png", "coat.jpg"], top_k=3)
    """

    task = "classification"

    def __init__(self, card: Card, networks: Mapping[str, keras.Model]) -> None:
        super().__init__(card, networks)
        from zoo.runtime import compile_network

        self.labels = card.labels
        self.input_shape: tuple[int, ...] = tuple(card.input["shape"])
        self._scores = compile_network(self.networks["network"], softmax=True)
        self._features: Callable[[np.ndarray], np.ndarray] | None = None

    @classmethod
    def describe(
        cls, networks: Mapping[str, keras.Model], labels: Sequence[str]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        network = networks["network"]
        scores = {"kind": "scores", "dtype": "float32", "range": [0, 1], "labels": list(labels)}
        return (
            {"name": network.input.name, **float32_of(network.input_shape), "range": [0, 255]},
            {**scores, "shape": list(network.output_shape[1:])},
        )

    def rows(self, images: Any) -> np.ndarray:
        """Turns images into rows; see `zoo.inputs.image_rows` for what is taken."""
        return image_rows(images, self.input_shape)

    def run(self, rows: np.ndarray) -> np.ndarray:
        """Computes scores: pixels 0 to 255 to float32 (n, classes), rows summing to 1."""
        return self._scores(rows)

    def scores(self, images: Any) -> np.ndarray:
        """Returns float32 (n, classes) for one image or many."""
        return self.run(self.rows(images))

    def predict(self, images: Any, top_k: int = 1) -> list[list[tuple[str, float]]]:
        """Returns the `top_k` best (label, score) pairs of each image, best first."""
        return self.ranked(self.scores(images), top_k)

    def ranked(self, scores: np.ndarray, top_k: int) -> list[list[tuple[str, float]]]:
        """Reads scores (n, classes) as (label, score) pairs, best first.

        Raises:
            InvalidInputError: when `top_k` is not between 1 and the number of classes.
        """
        if not 1 <= top_k <= len(self.labels):
            raise InvalidInputError(f"top_k must be 1 to {len(self.labels)}, got {top_k}")
        best = np.argsort(-scores, axis=1, kind="stable")[:, :top_k]
        return [
            [(self.labels[index], float(row[index])) for index in indices]
            for row, indices in zip(scores, best, strict=True)
        ]

    def features(self, images: Any) -> np.ndarray:
        """Returns float32 (n, d): the last layer before the logits.

        Raises:
            InvalidInputError: when the network has no layer `features`, as an ensemble has none.
        """
        if self._features is None:
            from zoo.runtime import compile_network

            network = self.networks["network"]
            if not any(layer.name == "features" for layer in network.layers):
                raise InvalidInputError(
                    f"{self.card.name}@{self.card.version} has no layer named features"
                )
            self._features = compile_network(network, layer="features")
        return self._features(self.rows(images))


# By task: which pipeline is around which main network. The first that a model has decides.
_PIPELINES = {
    Classifier.task: {"network": f"{__name__}:Classifier"},
    "generation": {
        "denoiser": "zoo.diffusion:DiffusionGenerator",
        "encoder": "zoo.autoencoding:VariationalAutoencoder",
        "generator": "zoo.generation:Generator",
    },
    "reconstruction": {"encoder": "zoo.autoencoding:Autoencoder"},
    "translation": {"g_ab": "zoo.translation:Translator"},
}


def pipeline_of(task: str, networks: Collection[str]) -> type[Pipeline]:
    """Returns the pipeline for a task.

    Args:
        task: Its name.
        networks: Names of the networks that a model has; of one task these tell models apart.

    Raises:
        UnknownModelError: for a task without a pipeline.
        InvalidInputError: when no main network of the task is among the names.
    """
    if task not in _PIPELINES:
        raise UnknownModelError(task, _PIPELINES, kind="task")
    for name, path in _PIPELINES[task].items():
        if name in networks:
            return cast("type[Pipeline]", load_object(path))
    raise InvalidInputError(
        f"a model for {task} has a network {' or '.join(_PIPELINES[task])}, "
        f"this one has {', '.join(networks)}"
    )


def make_pipeline(card: Card, networks: Mapping[str, keras.Model]) -> Pipeline:
    """Returns the pipeline of a card's task around its networks."""
    return pipeline_of(card.task, networks)(card, networks)


def float32_of(shape: Sequence[int | None]) -> dict[str, Any]:
    """Describes rows of a network's shape, without their number, as a card does."""
    return {"shape": list(shape[1:]), "dtype": "float32"}
