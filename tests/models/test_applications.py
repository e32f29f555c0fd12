"""The networks of Keras Applications: Keras' own, but for how they begin and end."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import zoo
from tests.weightless import weightless
from zoo import registry
from zoo.cli import main
from zoo.errors import DataUnavailableError, UnknownModelError
from zoo.models.applications import PAPERS, applications
from zoo.recipe import DataSpec, Recipe
from zoo.training.build import build_model


def preprocess_input(name: str) -> Any:
    return sys.modules[getattr(keras.applications, name).__module__].preprocess_input


def pixels(side: int, channels: int = 3) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (2, side, side, channels)).astype("float32")


def test_they_are_all_that_keras_has() -> None:
    offered = {name for name, _ in inspect.getmembers(keras.applications, inspect.isfunction)}
    assert set(PAPERS) == offered


def test_their_default_sizes_are_those_of_keras(monkeypatch: pytest.MonkeyPatch) -> None:
    class Asked(Exception):
        pass

    def ask(*args: Any, **kwargs: Any) -> None:
        raise Asked(kwargs["default_size"])

    monkeypatch.setattr(keras.src.applications.imagenet_utils, "obtain_input_shape", ask)
    for name in PAPERS:
        if name.startswith("MobileNetV3"):
            continue  # It takes any size.
        with pytest.raises(Asked) as asked:
            getattr(keras.applications, name)(weights=None)
        assert asked.value.args == (applications.SIDES.get(name, 224),), name


def test_preprocessing_is_that_of_keras() -> None:
    for function in {preprocess_input(name) for name in PAPERS}:
        images = keras.Input((8, 8, 3))
        network = keras.Model(images, applications.preprocessed(images, function))
        expected = function(pixels(8).copy())
        np.testing.assert_allclose(network(pixels(8)), expected, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        ("VGG16", "caffe"),
        ("MobileNetV2", "tf"),
        ("DenseNet121", "torch"),
        ("MobileNetV3Small", "none"),
    ],
)
def test_the_body_computes_what_keras_does(name: str, mode: str) -> None:
    """Of one network for each way that pixels go in, with the same random weights."""
    inputs = pixels(32)
    if mode != "none":
        inputs = keras.applications.imagenet_utils.preprocess_input(inputs, mode=mode)
    reference = getattr(keras.applications, name)(
        weights=None, include_top=False, input_shape=(32, 32, 3)
    )
    network = zoo.create(f"keras:{name}", (32, 32, 3), 5)
    kernel = np.ones((reference.output.shape[-1], 5), "float32")
    network.set_weights([*reference.get_weights(), kernel, np.arange(5.0)])
    features = np.asarray(reference(inputs)).mean((1, 2))
    outputs = zoo.features_of(network, ("features", "logits"))(pixels(32))
    assert features.std() > 0
    np.testing.assert_allclose(outputs["features"], features, rtol=1e-3, atol=1e-5)
    logits = features.sum(1, keepdims=True) + np.arange(5.0)
    np.testing.assert_allclose(outputs["logits"], logits, rtol=1e-3, atol=1e-3)


def test_with_1000_classes_it_is_keras_network_with_its_head(tmp_path: Path) -> None:
    keras.utils.set_random_seed(0)
    reference = keras.applications.MobileNet(weights=None)
    weights = tmp_path / "weights.h5"
    reference.save(weights)  # The form in which Keras distributes them.
    network = zoo.create("keras:mobilenet", weights=str(weights))
    scores = keras.ops.softmax(network(pixels(224)))
    expected = np.asarray(reference(preprocess_input("MobileNet")(pixels(224).copy())))
    assert expected.std() > 0
    np.testing.assert_allclose(scores, expected, rtol=1e-3)
    assert network.count_params() == reference.count_params()
    assert network.get_layer("features").output.shape == (None, 1024)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        # The table of keras.io/api/applications, and for VGG16 the paper's.
        ("VGG16", 138_357_544),
        ("ResNet50", 25_636_712),
        ("MobileNetV3Small", 2_554_968),
        ("EfficientNetV2B0", 7_200_312),
        ("ConvNeXtTiny", 28_589_128),
    ],
)
def test_parameters_for_imagenet(name: str, parameters: int) -> None:
    with weightless():
        network = zoo.create(f"keras:{name}")
        assert network.count_params() == parameters
        assert network.layers[0].name == "images"
        assert network.output.shape == (None, 1000)
        config = json.loads(json.dumps(network.get_config()))
        copy = keras.Model.from_config(config)
        assert [layer.name for layer in copy.layers] == [layer.name for layer in network.layers]


def test_the_head_may_be_another_or_missing_and_images_grey() -> None:
    with weightless():
        network = zoo.create("keras:mobilenetv2", (48, 40, 1), 7)
        assert (network.input_shape, network.output_shape) == ((None, 48, 40, 1), (None, 7))
        assert zoo.create("keras:mobilenetv2", head=None).output.shape == (None, 1280)
    names = ["block_1_expand", "features"]
    with weightless():
        part = zoo.create("keras:MobileNetV2", (64, 64, 3), None, features=names)
        assert part.output["block_1_expand"].shape == (None, 32, 32, 96)


def test_a_name_is_taken_in_any_case_and_in_the_form_for_recipes() -> None:
    catalogue = registry.architectures()
    architecture = catalogue.get("keras:EfficientNetV2B0")
    for name in ("keras:efficientnetv2b0", "KERAS:EFFICIENTNETV2B0", "keras_efficientnetv2b0"):
        assert catalogue.get(name) is architecture and name in catalogue
    assert architecture.name == "keras_efficientnetv2b0"
    with pytest.raises(UnknownModelError, match="did you mean keras:VGG16 or keras:VGG19"):
        catalogue.get("keras:vg16")


def test_every_entry_is_what_it_says() -> None:
    shown = zoo.list_models("keras:*")
    assert shown == registry.natural_sort(f"keras:{name}" for name in PAPERS)
    assert not [name for name in zoo.list_models() if "keras" in name]
    assert zoo.list_models("keras:vgg*") == ["keras:VGG16", "keras:VGG19"]
    for name in shown:
        architecture = registry.architectures().get(name)
        builder = registry.load_object(architecture.networks["network"])
        assert {"input_shape", "classes", "weights"} == set(inspect.signature(builder).parameters)
        assert any(year in architecture.paper for year in map(str, range(2014, 2030)))
        Recipe(f"{architecture.name}.mnist", architecture.name, DataSpec("mnist"))


def test_listing_them_imports_no_keras(capsys: pytest.CaptureFixture[str]) -> None:
    code = (
        "import sys; from zoo.cli import main; main(['list', 'keras:*']); "
        "assert 'keras' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "keras:EfficientNetV2B0" in done.stdout
    assert main(["show", "keras:VGG16"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["name"] == "keras_vgg16" and shown["options"]["network"]["weights"] is None


def test_a_recipe_builds_one() -> None:
    recipe = Recipe("keras_mobilenetv3small.mnist", "keras_mobilenetv3small", DataSpec("mnist"))
    model = build_model(recipe, pixels(32, 1).astype("uint8"), 3, steps_per_epoch=1)
    batch = {"image": pixels(32, 1), "label": np.array([0, 2])}
    losses, _ = model.compute_losses(batch, ("network",))
    # Without weights all classes are about as likely.
    assert float(losses["network"]) == pytest.approx(np.log(3), abs=0.5)
    copy = model.published_networks()["network"]
    np.testing.assert_array_equal(copy(batch["image"]), model.network(batch["image"]))


def test_weights_that_cannot_be_downloaded_are_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # Where nobody answers.
    options = {"input_shape": (96, 96, 3), "classes": 5, "weights": "imagenet"}
    with pytest.raises(DataUnavailableError, match="keras:MobileNetV2 cannot be down") as raised:
        zoo.create("keras:mobilenetv2", **options)  # type: ignore[arg-type]
    assert "\n" not in str(raised.value)
    capsys.readouterr()
    assert main(["create", "keras:mobilenetv2", "--no-head", "--set", "weights=imagenet"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("vgg16", {"input_shape": (16, 16, 3), "classes": 2}, "at least 32x32"),
        ("vgg16", {"input_shape": (32, 32, 4), "classes": 2}, "1 or 3 channels, got 4"),
        ("vgg16", {"weights": "nowhere.h5"}, "path to the weights file"),
        (
            "vgg16",
            {"input_shape": (48, 48, 3), "weights": "imagenet"},
            r"should be \(224, 224, 3\)",
        ),
        ("vgg16", {"widht": 2}, "keras_vgg16 has no option 'widht'"),
    ],
)
def test_what_does_not_fit_is_one_clear_line(name: str, options: dict, words: str) -> None:
    with weightless(), pytest.raises(zoo.ZooError, match=words) as raised:
        zoo.create(f"keras:{name}", **options)
    assert "\n" not in str(raised.value)
