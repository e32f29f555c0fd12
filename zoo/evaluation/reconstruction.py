"""How an autoencoder is measured: what comes back of test images, and what their codes tell."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from zoo import data, report
from zoo.autoencoding import Coder
from zoo.cards import Metric
from zoo.evaluation.common import (
    Evaluation,
    chunks,
    data_of,
    flat_pixels,
    in_chunks,
    recorder,
    trained_on,
)
from zoo.images import encode_png, paired_grid
from zoo.metrics.neighbours import nearest

SHOWN = 32
# Training images whose labels the codes are read with.
PROBED = 10_000
# Of codes that are points of the plane or of space, as many are drawn.
POINTS = 3000
_SEED = 0
# The squared error of rounding to 8 bits, on pixels from 0 to 1: no image shows a smaller one.
_LEAST_MSE = 1 / 12 / 255**2


def measure_coder(coder: Coder) -> Evaluation:
    """Measures how an autoencoder of any kind gives test images back, and what codes tell.

    - `mse` and `psnr` of the reconstructions, as the uint8 images that a user gets.
    - `code_accuracy` and `code_neighbour_accuracy`, where the data have labels: a linear classifier
      on codes and the nearest of them, both from training images and their labels alone. Beside
      them `pixel_accuracy` and `pixel_neighbour_accuracy`, the same of the pixels.
    """
    spec = data_of(coder.card)
    split = data.get(spec.name).tests[0]
    test = data.examples(spec, split)
    codes = in_chunks(coder.encode, test["image"])
    metrics = list(_errors(coder, split, test["image"], codes))
    if "label" in test:
        metrics += _labels_read(coder, split, test, codes)
    shown = test["image"][:SHOWN]
    grid = paired_grid(shown, coder.decode(codes[:SHOWN]))
    pictures = {"reconstructions.png": encode_png(grid)}
    if coder.code_shape in ((2,), (3,)):
        labels = test["label"][:POINTS] if "label" in test else None
        names = data.labels(spec)
        pictures["codes.png"] = report.scatter_png(codes[:POINTS], labels, names)
    return Evaluation(tuple(metrics), pictures)


def _errors(coder: Coder, split: str, images: np.ndarray, codes: np.ndarray) -> Iterator[Metric]:
    """Yields how far the images are from what their codes give back."""
    total = 0.0
    for part in chunks(len(images)):
        gap = flat_pixels(coder.decode(codes[part])) - flat_pixels(images[part])
        total += float(np.sum(np.square(gap), dtype=np.float64))
    mse = total / images.size
    numbers, pixels = math.prod(coder.code_shape), math.prod(images.shape[1:])
    record = recorder(coder.card, split, len(images))
    # A pixel has 8 bits, a number of a code 32.
    size = f"{pixels} pixels in {numbers} numbers: {pixels / numbers:.3g} to 1"
    size += f", in bytes {pixels / numbers / 4:.3g} to 1"
    yield record("mse", mse, f"pixels from 0 to 1; {size}")
    yield record("psnr", -10 * math.log10(max(mse, _LEAST_MSE)), "dB, of the mean squared error")


def _labels_read(
    coder: Coder, split: str, test: data.Arrays, codes: np.ndarray
) -> Iterator[Metric]:
    """Yields how often labels are read off codes, and off pixels, by what training images say."""
    train = trained_on(coder.card)
    chosen = np.random.default_rng(_SEED).permutation(len(train["image"]))[:PROBED]
    images, labels = train["image"][chosen], train["label"][chosen]
    record = recorder(coder.card, split, len(codes))
    known = in_chunks(coder.encode, images)
    for kind, fitted, tested in (
        ("code", known.reshape(len(known), -1), codes.reshape(len(codes), -1)),
        ("pixel", flat_pixels(images), flat_pixels(test["image"])),
    ):
        of = f"the {kind}s of {len(labels)} train images"
        right = _linear_accuracy(fitted, labels, tested, test["label"])
        yield record(f"{kind}_accuracy", right, f"logistic regression on {of}")
        index, _ = nearest(tested, fitted)
        right = float(np.mean(labels[index] == test["label"]))
        yield record(f"{kind}_neighbour_accuracy", right, f"the nearest of {of}")


def _linear_accuracy(
    fitted: np.ndarray, labels: np.ndarray, tested: np.ndarray, truth: np.ndarray
) -> float:
    """Returns how often a linear classifier is right that was fitted on features and labels."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    # So weak a penalty leaves a few numbers free, and so strong a one keeps hundreds in check.
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=500))
    return float(model.fit(fitted, labels).score(tested, truth))
