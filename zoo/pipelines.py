"""Pipelines: what a user has → rows → networks → what a user wants.

A pipeline is built on one function, `run(rows)`, whose answer for a row depends on that row
alone. So rows of several callers may share a batch; the server relies on it. Underneath are pure
functions on arrays, by name, which a runtime computes: Keras, or another for which they were
exported. A pipeline itself needs no Keras.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np

from zoo.cards import Card
from zoo.errors import InvalidInputError, UnknownModelError
from zoo.inputs import image_rows
from zoo.registry import load_object

if TYPE_CHECKING:
    import keras

    from zoo.runtime.functions import Functions


class Pipeline:
    """Base of the pipelines.

    Args:
        card: The card of the model.
        functions: What computes, by the names that `functions_of` gives.

    Attributes:
        task: One of `zoo.registry.TASKS`.
        takes: What the rows of each function are: `pixels`, 0 to 255; `images`, -1 to 1; `latents`,
            as `Generator.rows` draws them, or maps of such numbers; `noise`, what a denoiser takes.
        block: Rows of the batches that a function is run in, where a row must not see its mates to
            the last bit; on a GPU the least number. None where rounding may differ with the size
            of a batch.
        stepwise: Whether `run` goes step by step and takes a `callback` that watches and cancels.
    """

    task: ClassVar[str]
    takes: ClassVar[Mapping[str, str]]
    block: ClassVar[int | None] = None
    stepwise: ClassVar[bool] = False

    def __init__(self, card: Card, functions: Functions) -> None:
        self.card = card
        self.functions = functions

    @property
    def networks(self) -> dict[str, keras.Model]:
        """The networks by name.

        Raises:
            InvalidInputError: on every runtime but Keras.
        """
        return self.functions.networks

    @classmethod
    def functions_of(cls, networks: Mapping[str, keras.Model]) -> dict[str, keras.Model]:
        """Returns what the pipeline computes, by name: models of one output.

        Args:
            networks: Those of a stored model, by name.
        """
        raise NotImplementedError

    @classmethod
    def facts_of(cls, networks: Mapping[str, keras.Model]) -> dict[str, Any]:
        """Returns what the pipeline must know of its networks beside the card, as JSON holds it."""
        return {}

    def run(self, rows: np.ndarray) -> np.ndarray:
        """Computes answers for rows: float32 (n, …) to (n, …). Safe to call from threads."""
        raise NotImplementedError

    @classmethod
    def describe(
        cls, networks: Mapping[str, keras.Model], labels: Sequence[str]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Returns what a card says of the rows that `run` takes and of its answers.

        Args:
            networks: As for `functions_of`.
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
    takes: ClassVar[Mapping[str, str]] = {"scores": "pixels", "features": "pixels"}

    def __init__(self, card: Card, functions: Functions) -> None:
        super().__init__(card, functions)
        self.labels = card.labels
        self.input_shape: tuple[int, ...] = tuple(card.input["shape"])

    @classmethod
    def functions_of(cls, networks: Mapping[str, keras.Model]) -> dict[str, keras.Model]:
        """Returns `scores` and, where the network has the layer, `features`."""
        import keras

        from zoo.networks import with_scores

        network = networks["network"]
        found = {"scores": with_scores(network)}
        for layer in network.layers:
            if layer.name == "features":
                found["features"] = keras.Model(network.inputs[0], layer.output)
        return found

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
        return self.functions["scores"](rows)

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
        if "features" not in self.functions:
            raise InvalidInputError(
                f"{self.card.name}@{self.card.version} has no layer named features"
            )
        return self.functions["features"](self.rows(images))


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
    """Returns the pipeline of a card's task around its networks, on Keras."""
    from zoo.runtime import KerasFunctions

    kind = pipeline_of(card.task, networks)
    models, facts = kind.functions_of(networks), kind.facts_of(networks)
    return kind(card, KerasFunctions(networks, models, facts, kind.block))


def float32_of(shape: Sequence[int | None]) -> dict[str, Any]:
    """Describes rows of a network's shape, without their number, as a card does."""
    return {"shape": list(shape[1:]), "dtype": "float32"}
