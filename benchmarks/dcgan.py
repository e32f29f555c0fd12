"""`dcgan.fashion_mnist` beside the DCGAN of keras.io: images of equal training time.

The baseline re-expresses keras.io's example "DCGAN to generate face images" (Chollet 2019, 2023):
its networks, Adam at 1e-4 for both players, batches of 32, one discriminator call on real and
generated images together, and noise of up to 0.05 added to the labels. Its images have 64 pixels a
side; here they are padded to 32 with black, so its generator begins at 4x4 in place of 8x8 and its
discriminator ends there, and what it draws is cut to 28 again. Nothing else is changed.

Each side trains in a process of its own for the same wall-clock time, building and tracing
included, on all training images. Distances are measured when the clocks have stopped.
"""

from __future__ import annotations

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
# The table has a column for each side.
SIDE_BY_SIDE = True
_MINUTES = 40.0
_GENERATED = 10_000
_LATENT_DIM, _BATCH = 128, 32


def rows(quick: bool) -> list[Row]:
    """Distance after equal time, and the time of a step."""
    import zoo
    from zoo import data
    from zoo.metrics.frechet import frechet_distance

    minutes, count = (0.5, 500) if quick else (_MINUTES, _GENERATED)
    judge = zoo.load(data.get("fashion_mnist").judge)
    real = judge.features(data.load("fashion_mnist", "test")["image"][:count])
    found = []
    for side in (RECIPE, BASELINE):
        with tempfile.TemporaryDirectory() as folder:
            target = Path(folder) / "images.npy"
            command = [sys.executable, "-m", "benchmarks.dcgan", side, str(minutes), str(count)]
            done = subprocess.run(
                [*command, str(target)], stdout=subprocess.PIPE, text=True, check=True
            )
            said = json.loads(done.stdout.splitlines()[-1])
            distance = frechet_distance(judge.features(np.load(target)), real)
        network = judge.card.name.partition(".")[0]
        found += [
            Row(f"FD-{network} after {minutes:g} min", side, distance, "", 0.0),
            Row("a step of the recipe's batch", side, 1000 * said["step_seconds"], "ms", 0.0),
            Row("training images", side, said["images_per_second"], "images/s", 0.0),
            Row("steps", side, said["steps"], "", 0.0),
        ]
    return found


def train(side: str, minutes: float, count: int, target: Path) -> None:
    """Trains a side for some minutes, writes images that it draws, and prints its speed."""
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
            if ends[-1] - began > 60 * minutes:
                self.model.stop_training = True

    batch, draw = (_train_recipe if side == RECIPE else _train_baseline)(images, Clock())
    np.save(
        target,
        np.concatenate([draw(start, min(count, start + 250)) for start in range(0, count, 250)]),
    )
    # The median leaves the first step out, which is traced, and the ends of epochs.
    step = float(np.median(np.diff(ends)))
    print(json.dumps({"steps": len(ends), "step_seconds": step, "images_per_second": batch / step}))


Draw = Callable[[int, int], np.ndarray]


def _train_recipe(images: np.ndarray, clock: Any) -> tuple[int, Draw]:
    from zoo import registry
    from zoo.latents import draw_latents, to_pixels
    from zoo.training.build import build_model

    recipe = registry.recipes().get(RECIPE)
    steps = len(images) // recipe.batch_size
    model = build_model(recipe, images, 10, steps)
    with model.graph_precision(recipe.precision):
        model.fit(
            model.training_feed({"image": images}, recipe.batch_size, recipe.seed, 0, 10_000),
            epochs=10_000,
            steps_per_epoch=steps,
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
    train(sys.argv[1], float(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
