"""Measures a pipeline on the test splits. Nothing else reads them."""

from __future__ import annotations

import dataclasses
import os
import platform
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from zoo import data, report, store
from zoo.cards import Card, Metric
from zoo.errors import InvalidInputError, UnknownModelError
from zoo.metrics import classification
from zoo.metrics.corruptions import CORRUPTIONS, corrupt
from zoo.metrics.frechet import frechet_distance
from zoo.metrics.kernel import kernel_distance
from zoo.pipelines import Classifier, Generator, Pipeline, make_pipeline
from zoo.recipe import DataSpec

# Distances are biased by 1/n, so all are taken at one n.
GENERATED = 10_000
ERRORS_SHOWN = 25
# Images in the batch whose time counts as throughput.
BATCH = 32
# How far a second measurement may lie from the first: other processors round otherwise.
RELATIVE_TOLERANCE = 0.02
ABSOLUTE_TOLERANCE = 5e-4


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """What was measured, and pictures of it by file name."""

    metrics: tuple[Metric, ...]
    pictures: dict[str, bytes]


def evaluate(reference: str | Path, source: str | None = None) -> Evaluation:
    """Measures a stored model on the test splits of the data on its card.

    Args:
        reference: As `zoo.load` takes it.
        source: For a classifier, another data set with as many classes to measure it on.

    Raises:
        UnknownModelError, CorruptModelError: when the model cannot be loaded.
        DataUnavailableError: when the data set is not prepared.
        InvalidInputError: for a source that does not fit the model.
    """
    return measure(make_pipeline(*store.load(reference)), source)


def measure(pipeline: Pipeline, source: str | None = None) -> Evaluation:
    """Measures a pipeline on the test splits of the data on its card, or of another source."""
    if isinstance(pipeline, Classifier):
        return _measure_classifier(pipeline, source)
    if source is not None:
        raise InvalidInputError(
            f"only a classifier is measured on other data; {pipeline.card.name} is for "
            f"{pipeline.task}"
        )
    assert isinstance(pipeline, Generator)
    return _measure_generator(pipeline)


def _measure_classifier(classifier: Classifier, source: str | None) -> Evaluation:
    spec = DataSpec(source) if source else data_of(classifier.card)
    names = data.labels(spec)
    if len(names) != len(classifier.labels):
        raise InvalidInputError(
            f"{classifier.card.name} tells {len(classifier.labels)} classes apart, "
            f"{spec.name} has {len(names)}"
        )
    learned = classifier.card.data.get("sha256")
    if not source and learned and learned != data.split_checksum(spec.name, "train"):
        print(
            f"zoo: {spec.name} has changed since {classifier.card.name} was trained; some of what "
            "is for testing now may have been trained on",
            file=sys.stderr,
        )
    split, *further = data.get(spec.name).tests
    test = data.examples(spec, split)
    images, labels = test["image"], test["label"]
    scores = classifier.scores(images)
    record = _recorder(classifier.card, split, len(labels), source)
    metrics = [
        record("accuracy", classification.accuracy(scores, labels)),
        record("nll", classification.negative_log_likelihood(scores, labels), "nats"),
        record("ece", classification.expected_calibration_error(scores, labels), "15 bins"),
    ]
    for other in further:
        more = data.examples(spec, other)
        accuracy = classification.accuracy(classifier.scores(more["image"]), more["label"])
        recorder = _recorder(classifier.card, other, len(more["label"]), source)
        metrics.append(recorder("accuracy", accuracy))
    corrupted = {
        kind: classification.accuracy(classifier.scores(corrupt(images, kind)), labels)
        for kind in CORRUPTIONS
    }
    mean = float(np.mean(list(corrupted.values())))
    metrics.append(record("corruption_accuracy", mean, f"mean of the {len(corrupted)} below"))
    for kind, accuracy in corrupted.items():
        note = f"severity 3: {CORRUPTIONS[kind].parameter}"
        metrics.append(record(f"accuracy_{kind}", accuracy, note))
    return Evaluation(tuple(metrics), _pictures(images, labels, scores, classifier.labels))


def data_of(card: Card) -> DataSpec:
    """Returns which data a model was made for, all of its examples."""
    return DataSpec(card.data["name"], classes=card.data.get("classes"))


def _pictures(
    images: np.ndarray, labels: np.ndarray, scores: np.ndarray, names: list[str]
) -> dict[str, bytes]:
    matrix = classification.confusion_matrix(scores, labels)
    pictures = {
        "confusion.png": report.confusion_png(matrix, names),
        "calibration.png": report.calibration_png(
            *classification.calibration_curve(scores, labels)
        ),
    }
    wrong = classification.confident_errors(scores, labels, ERRORS_SHOWN)
    if len(wrong):
        guesses = scores[wrong].argmax(axis=1)
        captions = [
            f"{names[label]}\n→ {names[guess]} {100 * row.max():.0f}%"
            for label, guess, row in zip(labels[wrong], guesses, scores[wrong], strict=True)
        ]
        pictures["errors.png"] = report.errors_png(images[wrong], captions)
    return pictures


def costs(pipeline: Pipeline) -> dict[str, Any]:
    """Measures what an answer of a classifier costs on this machine.

    Returns:
        `flops` of one image, 2 for each multiply-add, where they can be counted; `latency_ms` of
        one image and `images_per_second` in batches of 32, medians of repeated calls of the
        function that serves; `device`, `processor`, and `threads`, how many run at
        once. Empty for other pipelines.
    """
    if not isinstance(pipeline, Classifier):
        return {}
    from zoo.metrics.costs import flops, median_seconds
    from zoo.training.engine import MultiPlayerModel

    counted = flops(pipeline.networks["network"])
    one, many = (np.zeros((size, *pipeline.input_shape), np.float32) for size in (1, BATCH))
    return {
        **({} if counted is None else {"flops": counted}),
        "latency_ms": round(1000 * median_seconds(lambda: pipeline.run(one)), 3),
        "images_per_second": round(BATCH / median_seconds(lambda: pipeline.run(many))),
        "device": MultiPlayerModel.device(),
        "processor": _processor(),
        "threads": os.cpu_count(),
    }


def _processor() -> str:
    """Returns the name of the processor, as far as the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _measure_generator(generator: Generator) -> Evaluation:
    from zoo.images import encode_png

    name = generator.card.data["name"]
    pictures = {"samples.png": encode_png(generator.grid(64, seed=0))}
    judge = _judge(name)
    if judge is None:
        return Evaluation((), pictures)
    split = data.get(name).tests[0]
    test = data.load(name, split)["image"]
    count = min(GENERATED, len(test))
    real = judge.features(test[:count])
    train = judge.features(data.load(name, "train")["image"][:count])
    generated = judge.features(generator.generate(count, seed=0))
    network = judge.card.name.partition(".")[0]
    of = f"features of {judge.card.name}@{judge.card.version}"
    floor = f"{of}; {count} train images, which it was trained on, in place of generated ones"
    record = _recorder(generator.card, split, count)
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


def _recorder(
    card: Card, split: str, count: int, source: str | None = None
) -> Callable[..., Metric]:
    reference = f"{card.name}@{card.version}" if card.version else card.name
    command = f"zoo evaluate {reference}" + (f" --data {source}" if source else "")

    def record(name: str, value: float, note: str = "") -> Metric:
        return Metric(name, float(value), split, count, command, note)

    return record


def agrees(stored: Metric, measured: Metric) -> bool:
    """Returns whether two measurements of a metric are the same up to rounding."""
    gap = abs(stored.value - measured.value)
    return stored.n == measured.n and bool(
        gap <= np.maximum(ABSOLUTE_TOLERANCE, RELATIVE_TOLERANCE * abs(stored.value))
    )
