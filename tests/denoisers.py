"""Denoisers for tests: one whose images follow from a formula, and a U-Net that learned nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from tests.store.common import make_card
from zoo.cards import Card
from zoo.diffusion import DiffusionGenerator
from zoo.models.diffusion.schedules import NoiseSchedule
from zoo.models.diffusion.time import DiffusionTime
from zoo.models.diffusion.unet import denoiser
from zoo.pipelines import make_pipeline

SCHEDULE = {"name": "cosine", "zero_terminal_snr": True}
LABELS = ("cat", "dog", "T-shirt/top")
# Where the images of each class are, and how far from there.
MEANS = (-0.3, 0.1, 0.3)
DEVIATION = 0.15


class PosteriorMean(layers.Layer):
    """E[x0 | x] for x0 ~ N(mean, DEVIATION^2), the means being those of the labels."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        schedule = NoiseSchedule.from_config(SCHEDULE)
        self.alpha = schedule.alpha(np.arange(schedule.steps)).astype("float32")

    def call(self, x: Any, timestep: Any, label: Any) -> Any:
        # DiffusionTime is there for its configuration; the time itself is read from the table.
        index = ops.cast(ops.round(timestep), "int32")
        alpha = ops.take(ops.convert_to_tensor(self.alpha), index)[:, None, None, None]
        mean = ops.matmul(label, ops.convert_to_tensor([[m] for m in MEANS], "float32"))
        mean = mean[:, :, None, None]
        noise = 1.0 - alpha**2
        gain = alpha * DEVIATION**2 / (alpha**2 * DEVIATION**2 + noise)
        return mean + gain * (x - alpha * mean)


def exact(shape: Sequence[int] = (8, 8, 1)) -> keras.Model:
    """A denoiser that is right: of class c every pixel is from N(MEANS[c], DEVIATION^2).

    Without a label the mean is 0. Noise z then becomes mean + DEVIATION z.
    """
    sample = keras.Input(tuple(shape), name="sample")
    timestep = keras.Input((), name="timestep")
    label = keras.Input((len(LABELS),), name="label")
    # Its numbers count for nothing.
    idle = 0.0 * ops.sum(DiffusionTime(SCHEDULE, "sample", 2)(timestep), axis=-1)
    x = PosteriorMean()(sample, timestep + idle, label)
    inputs = {"sample": sample, "timestep": timestep, "label": label}
    return keras.Model(inputs, x, name="denoiser")


def untrained(
    shape: Sequence[int] = (8, 8, 1), classes: int = len(LABELS), **options: Any
) -> keras.Model:
    """A small U-Net with random weights, its last layers included, always the same."""
    keras.utils.set_random_seed(0)
    network = denoiser(tuple(shape), classes=classes, width=8, heads=2, **options)
    rng = np.random.default_rng(0)
    for weight in network.weights:
        weight.assign(weight + 0.1 * rng.standard_normal(weight.shape).astype("float32"))
    return network


def autoencoder() -> dict[str, keras.Model]:
    """Images of 8x8 pixels to their means over 2x2, and back."""
    images = keras.Input((8, 8, 1), name="images")
    scaled = layers.Rescaling(1 / 127.5, offset=-1.0)(images)
    latents = keras.Input((4, 4, 1), name="latents")
    return {
        "encoder": keras.Model(images, layers.AveragePooling2D(2)(scaled), name="encoder"),
        "decoder": keras.Model(latents, layers.UpSampling2D(2)(latents), name="decoder"),
    }


def card_of(networks: Mapping[str, keras.Model], labels: Sequence[str], name: str) -> Card:
    inputs, output = DiffusionGenerator.describe(networks, labels)
    return make_card(name, task="generation", family="diffusion", input=inputs, output=output)


def generator_of(
    networks: Mapping[str, keras.Model],
    labels: Sequence[str] = LABELS,
    name: str = "ddpm.patches",
) -> DiffusionGenerator:
    made = make_pipeline(card_of(networks, labels, name), networks)
    assert isinstance(made, DiffusionGenerator)
    return made
