"""The linear probe: pooled features against NumPy, and a fit on a stored discriminator."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from sklearn.linear_model import RidgeClassifier

import zoo
from tests.conftest import load_sample
from zoo import registry, store
from zoo.errors import InvalidInputError
from zoo.evaluation import generation
from zoo.evaluation.probe import has_maps, linear_probe, probe, probe_features, untrained
from zoo.generation import Generator
from zoo.models.gan import cdcgan, dcgan, dense
from zoo.runs import new_run
from zoo.training.build import build_model
from zoo.training.checkpoint import save_checkpoint
from zoo.training.publish import make_card

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
    assert has_maps(conditional)
    flat = dense.discriminator((32, 32, 1), [4])
    assert not has_maps(flat)
    with pytest.raises(InvalidInputError, match="no convolutional features"):
        probe_features(flat, IMAGES)


def test_an_untrained_copy_has_new_kernels_and_is_the_same_for_a_seed() -> None:
    network = dcgan.discriminator((32, 32, 1), width=8)
    for weight in network.weights:
        weight.assign(np.full(weight.shape, 3.0, np.float32))
    before = network.get_weights()
    one, same, other = (untrained(network, seed) for seed in (0, 0, 1))
    for mine, again, others in zip(*(x.get_weights() for x in (one, same, other)), strict=True):
        np.testing.assert_array_equal(mine, again)
        if mine.ndim > 1:
            assert not np.array_equal(mine, others)
            # Of He et al.: the deviation is the root of 2 by the inputs of a unit.
            assert mine.std() == pytest.approx((2 / np.prod(mine.shape[:-1])) ** 0.5, rel=0.2)
        else:
            assert set(mine.tolist()) <= {0.0, 1.0}
    for was, now in zip(before, network.get_weights(), strict=True):
        np.testing.assert_array_equal(was, now)


def test_a_discriminator_that_forgot_all_is_worse_than_none(sample_home: Path) -> None:
    """Zeros as kernels leave nothing to tell digits by; fresh ones do, and so do pixels."""
    network = dcgan.discriminator((28, 28, 1), width=4)
    for weight in network.weights:
        weight.assign(np.zeros(weight.shape, np.float32))
    recipe = registry.recipes().get("dcgan.mnist").to_dict()
    model = SimpleNamespace(
        card=SimpleNamespace(name="dcgan.mnist", recipe=recipe, data={"name": "mnist"}, version=0),
        networks={"discriminator": network},
    )
    found = probe(model, examples=200)  # type: ignore[arg-type]
    assert found["accuracy"] < 0.2
    assert found["accuracy_untrained"] > 0.4 and found["accuracy_pixels"] > 0.6
    assert found["examples"] == 200 and found["tested"] == 256
    train, test = (load_sample("mnist", split) for split in ("train", "test"))
    chosen = np.random.default_rng(0).permutation(512)[:200]
    ridge = RidgeClassifier(100.0).fit(
        train["image"][chosen].reshape(200, -1) / 255, train["label"][chosen]
    )
    # Another linear classifier of the same pixels is about as often right.
    expected = ridge.score(test["image"].reshape(256, -1) / 255, test["label"])
    assert found["accuracy_pixels"] == pytest.approx(expected, abs=0.08)


def test_a_stored_discriminator_is_probed(
    sample_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
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
    assert found["examples"] == 200 and found["features"] == 16 * (4 + 8 + 16)
    assert 0.4 < found["accuracy"] <= 1
    monkeypatch.setattr(generation, "PROBED", 200)
    generator = zoo.load("dcgan.mnist")
    assert isinstance(generator, Generator)
    metrics = list(generation._probed(generator, "test"))
    assert {metric.name: metric.value for metric in metrics} == pytest.approx(
        {f"probe_{kind}": value for kind, value in found.items() if kind.startswith("accuracy")}
    )
    assert {(metric.split, metric.n) for metric in metrics} == {("test", 256)}
    assert all("linear SVM on 200 train images: " in metric.note for metric in metrics)
