"""Parts of networks, by the names of layers."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import zoo
from tests.weightless import weightless
from zoo.errors import InvalidInputError, RecipeError
from zoo.pipelines import Classifier


def images(count: int = 3) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 28, 28, 1)).astype("float32")


def test_a_loaded_classifier_gives_its_inner_outputs() -> None:
    classifier = zoo.load("resnet20.fashion_mnist")
    assert isinstance(classifier, Classifier)
    network = classifier.networks["network"]
    outputs = zoo.features_of(network, ("stage2", "features", "logits"))(images())
    assert {name: value.shape for name, value in outputs.items()} == {
        "stage2": (3, 14, 14, 32),
        "features": (3, 64),
        "logits": (3, 10),
    }
    np.testing.assert_array_equal(outputs["logits"], network(images()))
    np.testing.assert_allclose(outputs["features"], classifier.features(images()), atol=1e-5)
    kernel, bias = network.get_layer("logits").get_weights()
    np.testing.assert_allclose(outputs["features"] @ kernel + bias, outputs["logits"], atol=1e-4)


def test_parts_share_weights_with_the_whole() -> None:
    network = zoo.create("mlp", (28, 28, 1), 10, units=[4])
    body = zoo.features_of(network, "features")
    assert body.output.shape == (None, 4)
    assert [id(v) for v in body.variables] == [id(v) for v in network.variables[:2]]


def test_create_gives_the_layers_that_are_asked_for() -> None:
    keras.utils.set_random_seed(0)
    whole = zoo.create("resnet20", (28, 28, 1), 10)
    keras.utils.set_random_seed(0)
    part = zoo.create("resnet20", (28, 28, 1), 10, features=("stage1", "logits"))
    outputs = part(images())
    assert list(outputs) == ["stage1", "logits"]
    np.testing.assert_array_equal(outputs["logits"], whole(images()))


@pytest.mark.parametrize("name", ["resnet20", "mlp", "softmax_regression", "googlenet"])
def test_without_a_head_a_classifier_ends_with_its_features(name: str) -> None:
    with weightless():
        shape = (28, 28, 1)
        whole = zoo.create(name, shape, 7)
        for body in (zoo.create(name, shape, None), zoo.create(name, shape, head=None)):
            assert body.output.shape == whole.get_layer("features").output.shape
            assert len(body.variables) == len(whole.variables) - 2
        assert zoo.create(name, shape).output.shape[-1] in (10, 1000)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"features": "stage4"}, InvalidInputError, "did you mean stage3.*it has stage1, stage2"),
        ({"features": ("stage1", "fetures")}, InvalidInputError, "did you mean features"),
        ({"features": ()}, InvalidInputError, "expected names of layers of resnet20, got none"),
        ({"head": "clasifier"}, InvalidInputError, "head must be 'classifier' or None"),
        ({"classes": 0}, RecipeError, "resnet20: "),
    ],
)
def test_what_cannot_be_given_is_one_clear_line(
    options: dict, error: type[Exception], words: str
) -> None:
    with weightless(), pytest.raises(error, match=words) as raised:
        zoo.create("resnet20", **options)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"classes": None}, "dcgan has no option 'classes'"),
        ({"features": "features"}, "dcgan has generator, discriminator"),
    ],
)
def test_a_game_of_several_networks_has_no_head(options: dict, words: str) -> None:
    with pytest.raises(zoo.ZooError, match=words):
        zoo.create("dcgan", **options)
