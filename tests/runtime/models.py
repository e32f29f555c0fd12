"""Small stored models, one of each kind of pipeline, with random weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import keras

from tests.denoisers import LABELS, autoencoder, card_of, untrained
from tests.store.common import make_card
from zoo import store
from zoo.layers.shortcut import BeforeTanh
from zoo.models.autoencoder import dense
from zoo.models.cnn.small_cnn import small_cnn
from zoo.models.gan import cdcgan
from zoo.pipelines import pipeline_of

CLASSIFIER = "small_cnn.patches"
GENERATOR = "cdcgan.patches"
CODER = "dense_vae.patches"
TRANSLATOR = "pair.patches"
DIFFUSION = "ldm.patches"


def save(
    name: str,
    task: str,
    family: str,
    networks: Mapping[str, keras.Model],
    labels: Sequence[str] = (),
) -> None:
    inputs, output = pipeline_of(task, networks).describe(networks, labels)
    card = make_card(name, task=task, family=family, input=inputs, output=output)
    store.save(card, networks)


def save_classifier() -> None:
    keras.utils.set_random_seed(1)
    network = small_cnn((12, 12, 1), 3, filters=((4,), (8,)))
    save(CLASSIFIER, "classification", "cnn", {"network": network}, LABELS)


def save_generator() -> None:
    keras.utils.set_random_seed(2)
    network = cdcgan.generator((16, 16, 1), classes=3, latent_dim=8, width=4)
    save(GENERATOR, "generation", "gan", {"generator": network}, LABELS)


def save_coder() -> None:
    keras.utils.set_random_seed(3)
    networks = {
        "encoder": dense.variational_encoder(latent_dim=5, units=(16,)),
        "decoder": dense.decoder(latent_dim=5, units=(16,), likelihood="bernoulli"),
    }
    save(CODER, "generation", "autoencoder", networks)


def save_translator() -> None:
    keras.utils.set_random_seed(4)
    networks = {}
    for name in ("g_ab", "g_ba"):
        images = keras.Input((8, 8, 1), name="images")
        hidden = keras.layers.Conv2D(4, 3, padding="same", activation="relu")(images)
        change = keras.layers.Conv2DTranspose(1, 3, padding="same")(hidden)
        drawn = keras.layers.Add()([change, BeforeTanh()(images)])
        networks[name] = keras.Model(images, keras.layers.Activation("tanh")(drawn), name=name)
    save(TRANSLATOR, "translation", "translation", networks, ("day", "night"))


def save_diffusion() -> None:
    networks = {"denoiser": untrained((4, 4, 1)), **autoencoder()}
    store.save(card_of(networks, LABELS, DIFFUSION), networks)
