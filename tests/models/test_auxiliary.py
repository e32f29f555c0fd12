"""Auxiliary classifiers: in training alone, with their weight."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import zoo
from tests.steps import train_once, values
from tests.weightless import trainable, weightless
from zoo.errors import RecipeError
from zoo.networks import main_output
from zoo.training.build import build_method
from zoo.training.classification import Supervised


def forked(structure: type) -> keras.Model:
    """A network with the main output z and auxiliary ones from its hidden layer."""
    images = keras.Input((2, 2, 1), name="images")
    hidden = keras.layers.Dense(5, "relu")(keras.layers.Flatten()(images))
    deep = keras.layers.Dense(6, "relu")(hidden)
    features = keras.layers.Identity(name="features")(deep)
    names = ("logits", "aux1", "aux2")
    ends = [
        keras.layers.Dense(3, name=name)(x)
        for name, x in zip(names, (features, hidden, hidden), strict=True)
    ]
    outputs = dict(zip(names, ends, strict=True)) if structure is dict else ends
    return keras.Model(images, outputs, name="forked")


def batch() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    images = rng.random((8, 2, 2, 1)).astype("float32")
    return {"image": images, "label": rng.integers(0, 3, 8)}


def cross_entropy(logits: Any, labels: np.ndarray) -> float:
    logits = np.asarray(logits, "float64")
    logs = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
    return -float(logs[np.arange(len(labels)), labels].mean())


@pytest.mark.parametrize("structure", [dict, list])
def test_each_adds_three_tenths_of_its_loss_in_training(structure: type) -> None:
    game = Supervised(forked(structure))
    outputs = game.network(batch()["image"])
    main, *others = [
        cross_entropy(one, batch()["label"])
        for one in (outputs.values() if structure is dict else outputs)
    ]
    for training, expected in ((True, main + 0.3 * sum(others)), (False, main)):
        losses, logs = game.compute_losses(batch(), ("network",), training=training)
        assert float(losses["network"]) == pytest.approx(expected, rel=1e-5)
    answers = np.asarray(outputs["logits"] if structure is dict else outputs[0]).argmax(1)
    assert float(logs["accuracy"]) == pytest.approx(np.mean(answers == batch()["label"]))


@pytest.mark.parametrize("structure", [dict, list])
def test_what_is_published_has_the_main_output_only(structure: type, tmp_path: Path) -> None:
    game = Supervised(forked(structure), ema={"network": 0.5})
    game.compile(keras.optimizers.SGD(0.5))
    heads = game.network.get_layer("aux1").weights + game.network.get_layer("aux2").weights
    before = values(heads)
    game.fit(batch(), batch_size=4, verbose=0)
    for old, new in zip(before, values(heads), strict=True):
        assert not np.array_equal(old, new)
    published = game.published_networks()["network"]
    assert published.output_shape == (None, 3)
    assert not [layer.name for layer in published.layers if layer.name.startswith("aux")]
    with game.averaged_weights():
        outputs = game.network(batch()["image"])
    expected = outputs["logits"] if structure is dict else outputs[0]
    np.testing.assert_array_equal(published(batch()["image"]), expected)
    assert zoo.features_of(published, "features").output_shape == (None, 6)
    game.save(tmp_path / "game.keras")
    loaded = keras.saving.load_model(tmp_path / "game.keras")
    assert loaded.auxiliary_weight == 0.3


def test_one_output_stays_as_it_is() -> None:
    network = zoo.create("mlp", (2, 2, 1), 3, units=[2])
    assert main_output(network) is network


def test_googlenet_without_its_auxiliary_heads_is_googlenet() -> None:
    with weightless():
        whole = zoo.create("googlenet", aux=True)
        # Two heads: 128 1x1 filters with batch normalization, 1024 units, 1000 classes.
        heads = sum((maps + 2) * 128 for maps in (512, 528))
        heads += 2 * ((4 * 4 * 128 + 1) * 1024 + 1025 * 1000)
        assert trainable(whole) == 6_624_904 + heads
        assert trainable(main_output(whole)) == 6_624_904


def test_googlenet_of_small_images_learns_with_them() -> None:
    game = Supervised(zoo.create("googlenet", (28, 28, 1), 10, aux=True))
    game.compile(keras.optimizers.SGD(0.1))
    ends = [game.network.get_layer(name).kernel for name in ("logits", "aux1", "aux2")]
    before = values(ends)
    images = np.random.default_rng(0).integers(0, 256, (2, 28, 28, 1)).astype("float32")
    train_once(game, {"image": images, "label": np.array([3, 7])})
    for old, new in zip(before, values(ends), strict=True):
        assert np.isfinite(new).all() and not np.array_equal(old, new)
    whole = zoo.create("googlenet", (28, 28, 1), 10)
    assert game.published_networks()["network"].count_params() == whole.count_params()


def test_a_negative_weight_is_refused() -> None:
    method = {"name": "supervised", "auxiliary_weight": -1}
    with pytest.raises(RecipeError, match="auxiliary_weight must be 0 or more, got -1"):
        build_method(method, {"network": forked(list)})
