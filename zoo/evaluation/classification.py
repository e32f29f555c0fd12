"""How a classifier is measured, and what its answers cost."""

from __future__ import annotations

import dataclasses
import os
import shlex
import sys
from typing import Any

import numpy as np

from zoo import data, report
from zoo.data.unprepared import read_unprepared
from zoo.errors import InvalidInputError
from zoo.evaluation.common import Evaluation, data_of, in_chunks, recorder
from zoo.metrics import classification
from zoo.metrics.corruptions import CORRUPTIONS, corrupt
from zoo.pipelines import Classifier, Pipeline
from zoo.recipe import DataSpec
from zoo.runtime.threads import processor

ERRORS_SHOWN = 25
# Images in the batch whose time counts as throughput.
BATCH = 32


def measure_classifier(classifier: Classifier, source: str | None = None) -> Evaluation:
    """Measures a classifier on the test splits of the data on its card, or of another set.

    Classes of another set are the classifier's of the same names or, where these differ, those in
    the same order. What was adapted from one domain to another is measured on the other, and its
    accuracy on the first is `source_accuracy`.
    """
    spec = _spelled(DataSpec(source), classifier) if source else data_of(classifier.card)
    learned = classifier.card.data.get("sha256")
    if not source and learned and learned != data.split_checksum(spec.name, "train"):
        print(
            f"zoo: {spec.name} has changed since {classifier.card.name} was trained; some of what "
            "is for testing now may have been trained on",
            file=sys.stderr,
        )
    known = data.source(spec.name)
    if isinstance(known, data.Shift):
        return _measured_on_both(classifier, known, source)
    splits = {split: data.examples(spec, split) for split in data.get(spec.name).tests}
    return _measured(classifier, splits, source)


def measure_unprepared(classifier: Classifier, source: str) -> Evaluation:
    """Measures a classifier on images of the user's own that are in no data set.

    All of them count, or those for testing where the source says which these are. Classes are the
    classifier's as in `measure_classifier`.
    """
    split, arrays, names = read_unprepared(source, min(classifier.input_shape[:2]))
    place = np.argsort(_class_order(names, classifier, source))
    splits = {split: {**arrays, "label": place[arrays["label"]]}}
    return _measured(classifier, splits, shlex.quote(str(source)))


def _measured_on_both(classifier: Classifier, shift: data.Shift, source: str | None) -> Evaluation:
    """Measures everything on the target of a shift, and the accuracy alone on its source."""
    target = DataSpec(shift.target.name)
    splits = {split: data.examples(target, split) for split in shift.target.tests}
    measured = _measured(classifier, splits, source)
    test = data.load_pair(shift.name, "test")
    right = classification.accuracy(in_chunks(classifier.scores, test["a/image"]), test["a/label"])
    split = data.get(shift.a.dataset).tests[0]
    record = recorder(classifier.card, split, len(test["a/label"]), source)
    note = f"of {shift.a.name}, the domain with labels; all else is of {shift.b.name}"
    first, *rest = measured.metrics
    metrics = (first, record("source_accuracy", right, note), *rest)
    return dataclasses.replace(measured, metrics=metrics)


def _measured(
    classifier: Classifier, splits: dict[str, data.Arrays], source: str | None
) -> Evaluation:
    """Measures everything on the first of the splits, and accuracy alone on others."""
    (split, test), *further = splits.items()
    images, labels = test["image"], test["label"]
    scores = in_chunks(classifier.scores, images)
    record = recorder(classifier.card, split, len(labels), source)
    metrics = [
        record("accuracy", classification.accuracy(scores, labels)),
        record("nll", classification.negative_log_likelihood(scores, labels), "nats"),
        record("ece", classification.expected_calibration_error(scores, labels), "15 bins"),
    ]
    for other, more in further:
        further_scores = in_chunks(classifier.scores, more["image"])
        accuracy = classification.accuracy(further_scores, more["label"])
        further_record = recorder(classifier.card, other, len(more["label"]), source)
        metrics.append(further_record("accuracy", accuracy))
    corrupted = {
        kind: classification.accuracy(in_chunks(classifier.scores, corrupt(images, kind)), labels)
        for kind in CORRUPTIONS
    }
    mean = float(np.mean(list(corrupted.values())))
    metrics.append(record("corruption_accuracy", mean, f"mean of the {len(corrupted)} below"))
    for kind, accuracy in corrupted.items():
        note = f"severity 3: {CORRUPTIONS[kind].parameter}"
        metrics.append(record(f"accuracy_{kind}", accuracy, note))
    return Evaluation(tuple(metrics), _pictures(images, labels, scores, classifier.labels))


def _spelled(spec: DataSpec, classifier: Classifier) -> DataSpec:
    """Returns a spec of all classes of a set, in the classifier's order where they are the same."""
    order = _class_order(list(data.labels(spec)), classifier, spec.name)
    return dataclasses.replace(spec, classes=order)


def _class_order(names: list[str], classifier: Classifier, source: str) -> list[int]:
    """Returns where each class of the classifier is among the classes of a source."""
    if len(names) != len(classifier.labels):
        raise InvalidInputError(
            f"{classifier.card.name} tells {len(classifier.labels)} classes apart, "
            f"{source} has {len(names)}"
        )
    if sorted(names) != sorted(classifier.labels):
        return list(range(len(names)))
    return [names.index(name) for name in classifier.labels]


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
        pictures["errors.png"] = report.captioned_png(images[wrong], captions)
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
        "processor": processor(),
        "threads": os.cpu_count(),
    }
