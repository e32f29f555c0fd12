"""Training images a second: the engine beside plain Keras on the same network and batches."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np

from benchmarks.measure import Row, interleave, rates
from zoo.models.cnn.resnet import resnet20
from zoo.models.gan.dcgan import discriminator, generator
from zoo.models.gan.gan import GAN
from zoo.training.classification import Supervised

BATCH = 128


def rows(quick: bool) -> list[Row]:
    """ResNet-20 in the engine and in `keras.Model.fit`; DCGAN's two rounds in the engine."""
    steps = 4 if quick else 20
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (steps * BATCH, 28, 28, 1)).astype("uint8")
    labels = rng.integers(0, 10, steps * BATCH)
    repeats = 3 if quick else 5
    sides = {
        "zoo engine": _engine(images, labels),
        "keras.Model.fit": _plain(images, labels),
    }
    found = rates(
        "train resnet20 28x28x1, batch 128",
        interleave(sides, repeats),
        len(images),
        "images/s",
    )
    game = GAN(generator(latent_dim=64), discriminator())
    game.compile({player: keras.optimizers.Adam(2e-4, 0.5) for player in game.players})
    found += rates(
        "train dcgan 28x28x1, batch 128",
        interleave({"zoo engine": _fit(game, {"image": images})}, repeats),
        len(images),
        "images/s",
    )
    return found


def _engine(images: np.ndarray, labels: np.ndarray) -> Callable[[], object]:
    model = Supervised(resnet20((28, 28, 1)))
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9))
    return _fit(model, {"image": images, "label": labels})


def _fit(model: keras.Model, batch: dict[str, np.ndarray]) -> Callable[[], object]:
    return lambda: model.fit(batch, batch_size=BATCH, verbose=0)


def _plain(images: np.ndarray, labels: np.ndarray) -> Callable[[], object]:
    network = resnet20((28, 28, 1))
    network.compile(
        keras.optimizers.SGD(0.1, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return lambda: network.fit(images, labels, batch_size=BATCH, verbose=0)
