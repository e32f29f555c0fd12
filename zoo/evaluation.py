"""Measures a pipeline on a test split. Nothing else reads that split."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np

from zoo import data, report, store
from zoo.cards import Card, Metric
from zoo.errors import UnknownModelError
from zoo.metrics import classification
from zoo.metrics.frechet import frechet_distance
from zoo.metrics.kernel import kernel_distance
from zoo.pipelines import Classifier, Generator, Pipeline, make_pipeline

# Distances are biased by 1/n, so all are taken at one n.
GENERATED = 10_000
# How far a second measurement may lie from the first: other processors round otherwise.
RELATIVE_TOLERANCE = 0.02
ABSOLUTE_TOLERANCE = 5e-4


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """What was measured, and pictures of it by file name."""

    metrics: tuple[Metric, ...]
    pictures: dict[str, bytes]


def evaluate(reference: str | Path) -> Evaluation:
    """Measures a stored model on the test split of the data on its card.

    Raises:
        UnknownModelError, CorruptModelError: when the model cannot be loaded.
        DataUnavailableError: when the data set is not prepared.
    """
    return measure(make_pipeline(*store.load(reference)))


def measure(pipeline: Pipeline) -> Evaluation:
    """Measures a pipeline on the test split of the data on its card."""
    if isinstance(pipeline, Classifier):
        return _measure_classifier(pipeline)
    assert isinstance(pipeline, Generator)
    return _measure_generator(pipeline)


def _measure_classifier(classifier: Classifier) -> Evaluation:
    test = data.load(classifier.card.data["name"], "test")
    labels = test["label"]
    scores = classifier.scores(test["image"])
    record = _recorder(classifier.card, len(labels))
    metrics = (
        record("accuracy", classification.accuracy(scores, labels)),
        record("nll", classification.negative_log_likelihood(scores, labels), "nats"),
        record("ece", classification.expected_calibration_error(scores, labels), "15 bins"),
    )
    matrix = classification.confusion_matrix(scores, labels)
    return Evaluation(metrics, {"confusion.png": report.confusion_png(matrix, classifier.labels)})


def _measure_generator(generator: Generator) -> Evaluation:
    from zoo.images import encode_png

    name = generator.card.data["name"]
    pictures = {"samples.png": encode_png(generator.grid(64, seed=0))}
    judge = _judge(name)
    if judge is None:
        return Evaluation((), pictures)
    test = data.load(name, "test")["image"]
    count = min(GENERATED, len(test))
    real = judge.features(test[:count])
    train = judge.features(data.load(name, "train")["image"][:count])
    generated = judge.features(generator.generate(count, seed=0))
    network = judge.card.name.partition(".")[0]
    of = f"features of {judge.card.name}@{judge.card.version}"
    floor = f"{of}; {count} train images, which it was trained on, in place of generated ones"
    record = _recorder(generator.card, count)
    metrics = (
        record(f"fd_{network}", frechet_distance(generated, real), of),
        record(f"fd_{network}_floor", frechet_distance(train, real), floor),
        record(f"kid_{network}", kernel_distance(generated, real), of),
        record(f"kid_{network}_floor", kernel_distance(train, real), floor),
    )
    return Evaluation(metrics, pictures)


def _judge(name: str) -> Classifier | None:
    """Returns the classifier whose features judge images of a data set, if one is stored."""
    judge = data.get(name).judge
    if judge is None:
        return None
    try:
        pipeline = make_pipeline(*store.load(judge))
    except UnknownModelError:
        return None
    assert isinstance(pipeline, Classifier)
    return pipeline


def _recorder(card: Card, count: int) -> Callable[..., Metric]:
    command = f"zoo evaluate {card.name}"

    def record(name: str, value: float, note: str = "") -> Metric:
        return Metric(name, float(value), "test", count, command, note)

    return record


def agrees(stored: Metric, measured: Metric) -> bool:
    """Returns whether two measurements of a metric are the same up to rounding."""
    gap = abs(stored.value - measured.value)
    return stored.n == measured.n and bool(
        gap <= np.maximum(ABSOLUTE_TOLERANCE, RELATIVE_TOLERANCE * abs(stored.value))
    )
