"""Training images a second: the engine beside plain Keras, on each backend.

A process has one backend, so each is measured in processes of its own, which take turns.
"""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Callable

import numpy as np

from benchmarks.measure import Row, interleave, merged, rates
from zoo.recipe import BACKENDS

BATCH = 128
EPOCHS = 2
# The table has a column for each side.
SIDE_BY_SIDE = True
_TURNS = 3


def rows(quick: bool) -> list[Row]:
    """The engine on MLP, ResNet-20 and DCGAN, and `keras.Model.fit` on ResNet-20."""
    found: list[list[Row]] = []
    for _ in range(1 if quick else _TURNS):
        for backend in BACKENDS:
            done = subprocess.run(
                [sys.executable, "-m", "benchmarks.training", *(["--quick"] if quick else [])],
                env={**os.environ, "KERAS_BACKEND": backend},
                stdout=subprocess.PIPE,
                text=True,
                check=True,
            )
            found.append([Row(**row) for row in json.loads(done.stdout.splitlines()[-1])])
    return merged(found)


def measure(quick: bool) -> list[Row]:
    """Measures on this process's backend, which is the side."""
    from zoo.backend import import_backend

    import_backend()
    import keras

    from zoo.models.cnn.resnet import resnet20
    from zoo.models.gan.dcgan import discriminator, generator
    from zoo.models.gan.gan import GAN
    from zoo.models.mlp.mlp import mlp
    from zoo.training.classification import Supervised

    steps = 2 if quick else 20
    rng = np.random.default_rng(0)
    arrays = {
        "image": rng.integers(0, 256, (steps * BATCH, 28, 28, 1)).astype("uint8"),
        "label": rng.integers(0, 10, steps * BATCH),
    }

    def engine(model: keras.Model, optimizer: object) -> Callable[[], object]:
        model.compile(optimizer)
        return lambda: model.fit(
            model.training_feed(arrays, BATCH, seed=0, first_epoch=0, last_epoch=EPOCHS),
            steps_per_epoch=steps,
            epochs=EPOCHS,
            shuffle=False,
            verbose=0,
        )

    def plain(network: keras.Model) -> Callable[[], object]:
        network.compile(
            keras.optimizers.SGD(0.1, momentum=0.9),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
        )
        images, labels = arrays["image"], arrays["label"]
        return lambda: network.fit(images, labels, batch_size=BATCH, epochs=EPOCHS, verbose=0)

    def sgd() -> keras.optimizers.Optimizer:
        return keras.optimizers.SGD(0.1, momentum=0.9)

    game = GAN(generator(latent_dim=64), discriminator())
    sides = {
        "mlp, zoo engine": engine(Supervised(mlp((28, 28, 1))), sgd()),
        "resnet20, zoo engine": engine(Supervised(resnet20((28, 28, 1))), sgd()),
        "resnet20, keras.Model.fit": plain(resnet20((28, 28, 1))),
        "dcgan, zoo engine": engine(
            game, {player: keras.optimizers.Adam(2e-4, 0.5) for player in game.players}
        ),
    }
    seconds = interleave(sides, 2 if quick else 5)
    backend = keras.backend.backend()
    return [
        row
        for what, times in seconds.items()
        for row in rates(f"train {what}", {backend: times}, EPOCHS * steps * BATCH, "images/s")
    ]


if __name__ == "__main__":
    found = measure("--quick" in sys.argv[1:])
    print(json.dumps([dataclasses.asdict(row) for row in found]))
