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
from typing import Any

import numpy as np

from benchmarks.measure import Row, interleave, merged, rates
from zoo.recipe import BACKENDS

BATCH = 128
# The table has a column for each side.
SIDE_BY_SIDE = True
_TURNS = 2


def rows(quick: bool) -> list[Row]:
    """The engine on MLP, ResNet-20 and DCGAN, and `keras.Model.fit` on the first two."""
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

    rng = np.random.default_rng(0)

    def examples(steps: int) -> dict[str, np.ndarray]:
        count = (2 if quick else steps) * BATCH
        images = rng.integers(0, 256, (count, 28, 28, 1)).astype("uint8")
        return {"image": images, "label": rng.integers(0, 10, count)}

    # As many steps as take a second or more on a CPU, where XLA's transposed convolutions are slow.
    few, some, many = examples(5), examples(12), examples(200)

    def engine(model: keras.Model, optimizer: object, arrays: Any) -> Callable[[], object]:
        model.compile(optimizer)
        return lambda: model.fit(
            model.training_feed(arrays, BATCH, seed=0, first_epoch=0, last_epoch=1),
            steps_per_epoch=len(arrays["image"]) // BATCH,
            shuffle=False,
            verbose=0,
        )

    def plain(network: keras.Model, arrays: Any) -> Callable[[], object]:
        network.compile(
            sgd(),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
        )
        return lambda: network.fit(arrays["image"], arrays["label"], batch_size=BATCH, verbose=0)

    def sgd() -> keras.optimizers.Optimizer:
        return keras.optimizers.SGD(0.1, momentum=0.9)

    game = GAN(generator(latent_dim=64), discriminator())
    adam = {player: keras.optimizers.Adam(2e-4, 0.5) for player in game.players}
    sides = {
        "mlp, zoo engine": (engine(Supervised(mlp((28, 28, 1))), sgd(), many), many),
        "mlp, keras.Model.fit": (plain(mlp((28, 28, 1)), many), many),
        "resnet20, zoo engine": (engine(Supervised(resnet20((28, 28, 1))), sgd(), some), some),
        "resnet20, keras.Model.fit": (plain(resnet20((28, 28, 1)), some), some),
        "dcgan, zoo engine": (engine(game, adam, few), few),
    }
    seconds = interleave({what: side[0] for what, side in sides.items()}, 2 if quick else 4)
    backend = keras.backend.backend()
    return [
        row
        for what, times in seconds.items()
        for row in rates(
            f"train {what}", {backend: times}, len(sides[what][1]["image"]), "images/s"
        )
    ]


if __name__ == "__main__":
    found = measure("--quick" in sys.argv[1:])
    print(json.dumps([dataclasses.asdict(row) for row in found]))
