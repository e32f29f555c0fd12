"""`dcgan.fashion_mnist` beside the DCGAN of keras.io: images of equal training time.

The baseline re-expresses keras.io's example "DCGAN to generate face images" (Chollet 2019, 2023):
its networks, Adam at 1e-4 for both players, batches of 32, one discriminator call on real and
generated images together, and noise of up to 0.05 added to the labels. Its images have 64 pixels a
side; here they are padded to 32 with black, so its generator begins at 4x4 in place of 8x8 and its
discriminator ends there, and what it draws is cut to 28 again. Nothing else is changed.

Each side trains in a process of its own for the same wall-clock time, building and tracing
included, on all training images. The recipe's rate falls over the run, so its steps must be known
beforehand: those that fit into the time by the step's time in a trial, before the clock starts.
Distances are measured when the clocks have stopped. What it saves when the recipe's players share
images or a whole round is measured by the step alone.
"""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import Row

RECIPE, BASELINE = "dcgan.fashion_mnist", "keras.io DCGAN"
# The recipe as it is, and by what else its players can share.
SHARING = {RECIPE: "nothing"} | {f"{RECIPE}, share={what}": what for what in ("images", "round")}
# The table has a column for each side.
SIDE_BY_SIDE = True
_MINUTES = 15.0
_GENERATED = 10_000
_TRIAL = 150
_LATENT_DIM, _BATCH = 128, 32


def rows(quick: bool) -> list[Row]:
    """Distance after equal time, and the time of a step."""
    from benchmarks.judges import judged, real_features
    from zoo.metrics.frechet import frechet_distance

    minutes, count, trial = (0.5, 500, 20) if quick else (_MINUTES, _GENERATED, _TRIAL)
    space, real = judged("fashion_mnist"), real_features("fashion_mnist", count)
    found = []
    for side in (*SHARING, BASELINE):
        tried = _run(side, minutes, trial, 0)[0]
        step = 1000 * tried["step_seconds"]
        found += [
            Row("a step of its own batch", side, step, "ms", 0.0),
            Row("a step, by the image", side, step / tried["batch"], "ms", 0.0),
        ]
        if side not in (RECIPE, BASELINE):
            continue
        left = 60 * minutes - tried["seconds_before"]
        steps = max(trial, int(left / tried["mean_seconds"])) if side == RECIPE else 0
        said, images = _run(side, minutes, steps, count)
        distance = frechet_distance(space.of(images), real)
        found += [
            Row(f"FD-{space.name} after {minutes:g} min", side, distance, "", 0.0),
            Row("steps", side, said["steps"], "", 0.0),
            Row("minutes", side, said["minutes"], "min", 0.0),
        ]
    return found


def _run(side: str, minutes: float, steps: int, count: int) -> tuple[dict[str, float], np.ndarray]:
    """Trains a side in a process of its own; returns what it says and its images."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "images.npy"
        numbers = [str(number) for number in (minutes, steps, count)]
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.dcgan", side, *numbers, str(target)],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        return json.loads(done.stdout.splitlines()[-1]), np.load(target)


def train(side: str, minutes: float, steps: int, count: int, target: Path) -> None:
    """Trains a side, writes images that it draws, and prints how fast it was.

    Args:
        side: One of `SHARING`, or `BASELINE`.
        minutes: How long at most.
        steps: How many steps at most, over which the recipe's rate falls; 0 for no end.
        count: Images to draw.
        target: A file for them.
    """
    from zoo.backend import import_backend

    import_backend("tensorflow")
    import keras

    from zoo import data

    images = data.load("fashion_mnist", "train")["image"]
    began = time.perf_counter()
    ends: list[float] = []

    class Clock(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            ends.append(time.perf_counter())
            if len(ends) == steps or ends[-1] - began > 60 * minutes:
                self.model.stop_training = True

    if side in SHARING:
        batch, draw = _train_recipe(images, Clock(), SHARING[side], steps)
    else:
        batch, draw = _train_baseline(images, Clock())
    parts = [draw(start, min(count, start + 250)) for start in range(0, count, 250)]
    np.save(target, np.concatenate(parts) if parts else np.zeros((0, 28, 28, 1), np.uint8))
    said = {
        "batch": batch,
        "steps": len(ends),
        # The median leaves out the first step, which is traced, and the ends of epochs.
        "step_seconds": float(np.median(np.diff(ends))),
        "mean_seconds": float(np.mean(np.diff(ends))),
        "seconds_before": ends[0] - began,
        "minutes": (ends[-1] - began) / 60,
    }
    print(json.dumps(said))


Draw = Callable[[int, int], np.ndarray]


def _train_recipe(images: np.ndarray, clock: Any, share: str, steps: int) -> tuple[int, Draw]:
    from zoo import registry
    from zoo.latents import draw_latents, to_pixels
    from zoo.training.build import build_model

    recipe = registry.recipes().get(RECIPE).override({"method.share": share})
    # One epoch of so many steps is the run over which the rate falls.
    model = build_model(dataclasses.replace(recipe, epochs=1), images, 10, steps)
    with model.graph_precision(recipe.precision):
        model.fit(
            model.training_feed({"image": images}, recipe.batch_size, recipe.seed, 0, 10_000),
            epochs=10_000,
            steps_per_epoch=len(images) // recipe.batch_size,
            shuffle=False,
            verbose=0,
            callbacks=[clock],
        )
    generator = model.published_networks()["generator"]

    def draw(start: int, stop: int) -> np.ndarray:
        latents = draw_latents(range(start, stop), generator.input_shape[-1])
        return to_pixels(np.asarray(generator(latents, training=False)))

    return recipe.batch_size, draw


def _train_baseline(images: np.ndarray, clock: Any) -> tuple[int, Draw]:
    import keras
    import tensorflow as tf
    from keras import layers

    keras.utils.set_random_seed(1)
    padded = np.pad(images, ((0, 0), (2, 2), (2, 2), (0, 0))).astype("float32") / 255

    def halving(filters: int) -> list[keras.layers.Layer]:
        convolution = layers.Conv2D(filters, 4, strides=2, padding="same")
        return [convolution, layers.LeakyReLU(0.2)]

    def doubling(filters: int) -> list[keras.layers.Layer]:
        convolution = layers.Conv2DTranspose(filters, 4, strides=2, padding="same")
        return [convolution, layers.LeakyReLU(0.2)]

    discriminator = keras.Sequential(
        [
            keras.Input((32, 32, 1)),
            *halving(64),
            *halving(128),
            *halving(128),
            layers.Flatten(),
            layers.Dropout(0.2),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    generator = keras.Sequential(
        [
            keras.Input((_LATENT_DIM,)),
            layers.Dense(4 * 4 * 128),
            layers.Reshape((4, 4, 128)),
            *doubling(128),
            *doubling(256),
            *doubling(512),
            layers.Conv2D(1, 5, padding="same", activation="sigmoid"),
        ]
    )
    judge_optimizer, draw_optimizer = (keras.optimizers.Adam(1e-4) for _ in range(2))
    cross_entropy = keras.losses.BinaryCrossentropy()

    class Baseline(keras.Model):
        """Generated images have label 1, real ones 0, as in the example."""

        def train_step(self, real: Any) -> dict[str, Any]:
            count = tf.shape(real)[0]
            drawn = generator(tf.random.normal((count, _LATENT_DIM)))
            together = tf.concat([drawn, real], 0)
            labels = tf.concat([tf.ones((count, 1)), tf.zeros((count, 1))], 0)
            labels += 0.05 * tf.random.uniform(tf.shape(labels))
            with tf.GradientTape() as tape:
                judge_loss = cross_entropy(labels, discriminator(together, training=True))
            weights = [v.value for v in discriminator.trainable_variables]
            judge_optimizer.apply(
                tape.gradient(judge_loss, weights), discriminator.trainable_variables
            )
            latents = tf.random.normal((count, _LATENT_DIM))
            with tf.GradientTape() as tape:
                judged = discriminator(generator(latents, training=True), training=True)
                draw_loss = cross_entropy(tf.zeros((count, 1)), judged)
            weights = [v.value for v in generator.trainable_variables]
            draw_optimizer.apply(tape.gradient(draw_loss, weights), generator.trainable_variables)
            return {"d_loss": judge_loss, "g_loss": draw_loss}

    model = Baseline()
    model.discriminator, model.generator = discriminator, generator
    judge_optimizer.build(discriminator.trainable_variables)
    draw_optimizer.build(generator.trainable_variables)
    model.compile()
    feed = tf.data.Dataset.from_tensor_slices(padded).shuffle(len(padded), seed=1).batch(_BATCH)
    model.fit(
        feed.prefetch(tf.data.AUTOTUNE), epochs=10_000, shuffle=False, verbose=0, callbacks=[clock]
    )
    rng = np.random.default_rng(0)

    def draw(start: int, stop: int) -> np.ndarray:
        latents = rng.standard_normal((stop - start, _LATENT_DIM), np.float32)
        drawn = np.asarray(generator(latents, training=False))[:, 2:30, 2:30]
        return np.rint(255 * drawn).astype(np.uint8)

    return _BATCH, draw


if __name__ == "__main__":
    side, minutes, steps, count, target = sys.argv[1:]
    train(side, float(minutes), int(steps), int(count), Path(target))
