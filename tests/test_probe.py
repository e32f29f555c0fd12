"""The linear probe: pooled features against NumPy, and a fit on a stored discriminator."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

from tests.conftest import load_sample
from zoo import registry, store
from zoo.errors import InvalidInputError
from zoo.evaluation.probe import linear_probe, probe_features
from zoo.models.gan import cdcgan, dcgan, dense
from zoo.runs import new_run
from zoo.training.build import build_model
from zoo.training.checkpoint import save_checkpoint
from zoo.training.run import make_card

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 1)).astype("uint8")


def test_features_are_the_largest_values_of_a_grid_of_four() -> None:
    keras.utils.set_random_seed(0)
    network = dcgan.discriminator((32, 32, 1), width=2)
    features = probe_features(network, IMAGES)
    maps = [one.output for one in network.layers if isinstance(one, keras.layers.LeakyReLU)]
    assert [one.shape[1:] for one in maps] == [(16, 16, 2), (8, 8, 4), (4, 4, 8)]
    expected = []
    for values in keras.Model(network.input, maps)(IMAGES / np.float32(127.5) - 1):
        side, channels = values.shape[1] // 4, values.shape[-1]
        cells = np.asarray(values).reshape(5, 4, side, 4, side, channels)
        expected.append(cells.max(axis=(2, 4)).reshape(5, -1))
    np.testing.assert_allclose(features, np.concatenate(expected, axis=1), rtol=1e-4, atol=1e-5)


def test_labels_play_no_part_and_dense_networks_have_no_maps() -> None:
    conditional = cdcgan.discriminator((32, 32, 1), classes=3, width=2)
    assert probe_features(conditional, IMAGES).shape == (5, 16 * (2 + 4 + 8))
    with pytest.raises(InvalidInputError, match="no convolutional features"):
        probe_features(dense.discriminator((32, 32, 1), [4]), IMAGES)


def test_a_stored_discriminator_is_probed(sample_home: Path) -> None:
    """Even random filters tell more than a tenth of the digits apart."""
    recipe = registry.recipes().get("dcgan.mnist")
    small = {"network.width": 4, "data.limit": 300, "ema": {}, "epochs": 1}
    images = load_sample("mnist", "train")["image"]
    for publish in (False, True):
        run = new_run(recipe.override({**small, "method.publish_discriminator": publish}))
        run.model = build_model(run.recipe, images, 10, 2)
        run.history = [{"epoch": 1, "seconds": 1.0}]
        save_checkpoint(run.folder / "checkpoint.npz", run.model, {"history": run.history})
        networks = run.model.published_networks()
        store.save(make_card(run, networks), networks)
        if not publish:
            with pytest.raises(InvalidInputError, match=r"method\.publish_discriminator=true"):
                linear_probe("dcgan.mnist")
    found = linear_probe("dcgan.mnist", examples=200)
    assert found["examples"] == 200 and found["features"] == 16 * (4 + 8)
    assert 0.4 < found["accuracy"] <= 1
