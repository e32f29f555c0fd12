"""Small stored models for what the shipped ones cannot do; a formula says what they answer."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import keras
from keras import layers

from tests.denoisers import LABELS, autoencoder, card_of, untrained
from tests.store.common import make_card
from zoo import store
from zoo.pipelines import pipeline_of

TRANSLATOR = "negative.left_right"
AUTOENCODER = "halves.patches"
DIFFUSION = "small_ddpm.patches"
CLASSES = LABELS
# How the diffusion model draws where nothing else is asked for.
SAMPLING = {"sampler": {"name": "ddim", "eta": 0.5}, "num_inference_steps": 8, "guidance_scale": 2}


def store_models(root: Path) -> None:
    """Stores a translator, an autoencoder and a diffusion model with classes.

    The translator makes a negative one way and copies the other way. The autoencoder takes the mean
    of 2x2 pixels. The diffusion model has learned nothing.
    """
    ways = {"g_ab": _scaled("g_ab", -1.0), "g_ba": _scaled("g_ba", 1.0)}
    _store(root, TRANSLATOR, "translation", "translation", ways, ("left", "right"))
    _store(root, AUTOENCODER, "reconstruction", "autoencoder", autoencoder(), ())
    networks = {"denoiser": untrained()}
    card = card_of(networks, CLASSES, DIFFUSION)
    card = dataclasses.replace(card, output={**card.output, "sampling": SAMPLING})
    store.save(card, networks, root=root)


def _scaled(name: str, scale: float) -> keras.Model:
    images = keras.Input((28, 28, 1), name="images")
    return keras.Model(images, layers.Rescaling(scale)(images), name=name)


def _store(
    root: Path,
    name: str,
    task: str,
    family: str,
    networks: Mapping[str, keras.Model],
    labels: Sequence[str],
) -> None:
    given, output = pipeline_of(task, networks).describe(networks, labels)
    card = make_card(name, task=task, family=family, input=given, output=output)
    store.save(card, networks, root=root)
