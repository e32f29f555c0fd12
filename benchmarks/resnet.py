"""ResNet-20 on 32x32 images: images a second and peak memory beside plain Keras and PyTorch.

Each side trains in a process of its own on the same arrays: batches of 128, momentum, weight decay,
batch normalization, flips and shifts left out. PyTorch takes part where it is installed, or where
$TORCH_PYTHON names a Python that has it.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from benchmarks.measure import Row, memory, merged, rates

BATCH = 128
_TURNS = 3
_KERAS = ("zoo engine", "zoo engine, onednn_bfloat16", "keras.Model.fit")
_TORCH = ("PyTorch, channels last", "PyTorch, channels last, bfloat16")


def rows(quick: bool) -> list[Row]:
    """Every side in turns, a process each time."""
    sides = dict.fromkeys(_KERAS, sys.executable)
    torch = os.environ.get("TORCH_PYTHON") or (
        sys.executable if importlib.util.find_spec("torch") else None
    )
    if torch:
        sides |= dict.fromkeys(_TORCH, torch)
    else:
        print("PyTorch is not here; $TORCH_PYTHON may name a Python with it", file=sys.stderr)
    found: list[list[Row]] = []
    for _ in range(1 if quick else _TURNS):
        for side, python in sides.items():
            script = Path(__file__).with_name("torch_resnet.py") if side in _TORCH else __file__
            done = subprocess.run(
                [python, str(script), side, str(4 if quick else 40)],
                env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
                stdout=subprocess.PIPE,
                text=True,
                check=True,
            )
            said = json.loads(done.stdout.splitlines()[-1])
            found.append(
                [
                    *rates("train resnet20, 32x32x3", {side: said["seconds"]}, BATCH, "images/s"),
                    Row("peak memory of the process", side, said["peak_mb"], "MB", 0.0),
                ]
            )
    return merged(found)


def examples(steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns uint8 images and labels for so many steps."""
    rng = np.random.default_rng(0)
    count = steps * BATCH
    return rng.integers(0, 256, (count, 32, 32, 3)).astype("uint8"), rng.integers(0, 10, count)


def report(seconds: list[float]) -> None:
    """Prints what `rows` reads: the time of each step and the memory the process took at most."""
    # Not that of getrusage, which begins with what the process had that started this one.
    print(json.dumps({"seconds": seconds, "peak_mb": memory("VmHWM")}))


def _train(side: str, steps: int) -> None:
    import keras

    from zoo.models.cnn.resnet import resnet20
    from zoo.training.classification import Supervised
    from zoo.training.engine import MultiPlayerModel

    images, labels = examples(steps)
    optimizer = keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True, weight_decay=5e-4)
    seconds: list[float] = []

    class Clock(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch: int, logs: object = None) -> None:
            self.began = time.perf_counter()

        def on_train_batch_end(self, batch: int, logs: object = None) -> None:
            seconds.append(time.perf_counter() - self.began)

    if side == "keras.Model.fit":
        model = resnet20((32, 32, 3))
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(optimizer, loss, metrics=["accuracy"])
        model.fit(images, labels, batch_size=BATCH, verbose=0, callbacks=[Clock()])
    else:
        precision = side.partition(", ")[2] or "float32"
        with MultiPlayerModel.graph_precision(precision):
            game = Supervised(resnet20((32, 32, 3)))
            game.compile(optimizer)
            feed = game.training_feed({"image": images, "label": labels}, BATCH, 0, 0, 1)
            game.fit(feed, steps_per_epoch=steps, shuffle=False, verbose=0, callbacks=[Clock()])
    report(seconds[3:] or seconds)


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    _train(sys.argv[1], int(sys.argv[2]))
