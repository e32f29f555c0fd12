"""The classic convolutional networks against their papers; without weights, for their size."""

from __future__ import annotations

import itertools

import keras
import numpy as np
import pytest

import zoo
from tests.marks import fast_of
from tests.weightless import trainable, weightless
from zoo import registry

IMAGENET = (224, 224, 3)
CIFAR = (32, 32, 3)
# Of each module one that is soon built; bottlenecks are a module's second kind of block.
ONE_OF_EACH = (
    "lenet5",
    "alexnet",
    "vgg11",
    "resnet18",
    "resnet50",
    "wrn16_4",
    "densenet_bc40_12",
    "googlenet",
    "resnet20",
)


def test_auxiliary_classifiers_are_outputs_only_when_asked_for() -> None:
    with weightless():
        network = zoo.create("googlenet", aux=True, classes=7)
        shapes = {key: output.shape for key, output in network.output.items()}
        assert shapes == dict.fromkeys(("logits", "aux1", "aux2"), (None, 7))
        inputs = [network.get_layer(f"stage{i}").output.shape[1:] for i in (1, 2, 3)]
        assert inputs == [(28, 28, 480), (14, 14, 832), (7, 7, 1024)]
        # Averaged to 4x4, 128 maps, 1024 units (section 5).
        units = [v.shape for v in network.trainable_variables if v.shape == (4 * 4 * 128, 1024)]
        assert len(units) == 2


@pytest.mark.parametrize(
    ("name", "sides"),
    [
        ("alexnet", [55, 27, 13]),
        ("vgg16", [224, 112, 56, 28, 14]),
        ("resnet50", [56, 28, 14, 7]),
        ("densenet121", [56, 28, 14, 7]),
        ("googlenet", [28, 14, 7]),
    ],
)
def test_maps_have_the_sizes_of_the_papers_tables(name: str, sides: list[int]) -> None:
    with weightless():
        network = zoo.create(name)
        assert stage_sides(network) == sides
        assert (network.input_shape[1:], network.output_shape[1:]) == (IMAGENET, (1000,))


@pytest.mark.parametrize("name", ONE_OF_EACH[1:])
@pytest.mark.parametrize("side", fast_of([28], [28, 32]))
def test_stages_of_small_images_begin_at_full_size_and_halve(name: str, side: int) -> None:
    with weightless():
        network = zoo.create(name, (side, side, 3), 10)
        sides = stage_sides(network)
        assert sides[0] == side and len(sides) >= 3
        for before, after in itertools.pairwise(sides):
            assert after in (before // 2, -(-before // 2))
        part = keras.Model(network.input, network.get_layer("stage2").output)
        assert part.output_shape[1:3] == (sides[1], sides[1])


def stage_sides(network: keras.Model) -> list[int]:
    """Heights of `stage1`, `stage2`, …, whose maps are square."""
    names = [layer.name for layer in network.layers if layer.name.startswith("stage")]
    assert names == [f"stage{i + 1}" for i in range(len(names))]
    shapes = [network.get_layer(name).output.shape for name in names]
    assert all(height == width for _, height, width, _ in shapes)
    return [shape[1] for shape in shapes]


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_without_classes_the_output_is_the_features(name: str) -> None:
    build = registry.load_object(registry.architectures().get(name).networks["network"])
    with weightless():
        bare, whole = (build(input_shape=CIFAR, classes=count) for count in (None, 10))
        features = whole.get_layer("features").output
        assert bare.output.shape == features.shape
        assert whole.get_layer("logits").input is features
        assert trainable(whole) - trainable(bare) == (features.shape[-1] + 1) * 10


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_normalisation_comes_first(name: str) -> None:
    with weightless():
        network = zoo.create(name, CIFAR, 10, mean=[100.0], std=[50.0])
        layer = network.get_layer("normalize")
        assert network.layers[1] is layer
    np.testing.assert_allclose(np.asarray(layer.mean).ravel(), 100.0)


def test_vgg16_computes_what_keras_applications_does() -> None:
    reference = keras.applications.VGG16(weights=None, include_top=False, input_shape=CIFAR)
    network = zoo.create("vgg16", CIFAR, 10, mean=[0.0], std=[1.0])
    maps = keras.Model(network.input, network.get_layer("stage5").output)
    maps.set_weights(reference.get_weights())
    last = keras.Model(reference.input, reference.get_layer("block5_conv3").output)
    images = np.random.default_rng(0).random((2, *CIFAR), "float32")
    expected = np.asarray(last(images))
    assert expected.std() > 0
    np.testing.assert_allclose(np.asarray(maps(images)), expected, rtol=1e-4, atol=1e-6)


def test_densenet121_has_the_weights_of_keras_applications() -> None:
    with weightless():
        networks = keras.applications.DenseNet121(weights=None), zoo.create("densenet121")
        theirs, ours = (sorted(tuple(v.shape) for v in one.variables) for one in networks)
    assert ours == theirs


@pytest.mark.parametrize("depth", [18, 34, 50])
def test_depth_counts_the_layers_on_the_longest_path(depth: int) -> None:
    """All convolutions and the classifier, without the projections of the shortcuts."""
    with weightless():
        network = zoo.create(f"resnet{depth}")
        kinds = keras.layers.Conv2D | keras.layers.Dense
        weighted = sum(isinstance(layer, kinds) for layer in network.layers)
    assert weighted - (4 if depth >= 50 else 3) == depth


def test_a_bottleneck_has_its_stride_in_the_3x3_convolution() -> None:
    with weightless():
        network = zoo.create("resnet50", (64, 64, 3))
        strided = [
            layer.kernel_size
            for layer in network.layers
            if isinstance(layer, keras.layers.Conv2D) and layer.strides == (2, 2)
        ]
    assert sorted(strided) == [(1, 1)] * 3 + [(3, 3)] * 3 + [(7, 7)]


@pytest.mark.parametrize(
    ("name", "option", "kind", "count"),
    [
        ("vgg16", {"batch_norm": True}, "BatchNormalization", 13),
        ("vgg16_bn", {}, "BatchNormalization", 13),
        ("vgg16", {}, "BatchNormalization", 0),
        ("vgg16", {"dropout": 0}, "Dropout", 0),
        ("alexnet", {}, "Dropout", 2),
        ("wrn16_4", {"dropout": 0.3}, "Dropout", 6),
        ("wrn16_4", {}, "Dropout", 0),
        ("densenet_bc40_12", {"dropout": 0.2}, "Dropout", 18),
        ("googlenet", {"dropout": 0}, "Dropout", 0),
        ("lenet5", {}, "AveragePooling2D", 2),
        ("lenet5", {"pooling": "max"}, "MaxPooling2D", 2),
        ("resnet18", {"stem": "imagenet"}, "MaxPooling2D", 1),
        ("resnet18", {}, "MaxPooling2D", 0),
    ],
)
def test_an_option_decides_which_layers_there_are(
    name: str, option: dict, kind: str, count: int
) -> None:
    with weightless():
        network = zoo.create(name, CIFAR, 10, **option)
    assert sum(type(layer).__name__ == kind for layer in network.layers) == count


def test_the_stem_follows_the_images_height() -> None:
    with weightless():
        for side, maps in ((63, 63), (64, 16)):
            assert stage_sides(zoo.create("resnet18", (side, side, 3)))[0] == maps
        assert stage_sides(zoo.create("resnet18", (64, 64, 3), stem="small"))[0] == 64


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("resnet18", {"stem": "cifar"}, "stem must be imagenet or small, got 'cifar'"),
        ("vgg11", {"stem": "big"}, "stem must be"),
        ("alexnet", {"stem": "big"}, "stem must be"),
        ("googlenet", {"stem": "big"}, "stem must be"),
        ("densenet121", {"stem": "big"}, "stem must be"),
        ("densenet121", {"compression": 0}, "compression must be above 0"),
        ("lenet5", {"pooling": "mean"}, "pooling must be average or max, got 'mean'"),
        ("lenet5", {"activation": "tanhh"}, "tanhh"),
        ("wrn16_4", {"dropuot": 0.3}, "did you mean dropout"),
        ("googlenet", {"aux": True, "network": {"classes": None}}, "aux needs classes"),
        ("alexnet", {"input_shape": (28, 28, 1), "stem": "imagenet"}, "alexnet"),
        ("lenet5", {"input_shape": (11, 11, 1)}, "lenet5"),
        ("googlenet", {"input_shape": (8, 8, 3), "aux": True}, "googlenet"),
    ],
)
def test_wrong_options_say_what_is_wrong(name: str, options: dict, words: str) -> None:
    with weightless(), pytest.raises(zoo.ZooError, match=words):
        zoo.create(name, **options)


@pytest.mark.parametrize(
    ("path", "numbers", "words"),
    [
        ("vgg:vgg", (12,), "depth must be 11, 13, 16, 19, got 12"),
        ("resnet_imagenet:imagenet_resnet", (20,), "depth must be 18, 34"),
        ("wrn:wide_resnet", (27, 10), "depth must be 6n"),
        ("wrn:wide_resnet", (4, 10), "n at least 1"),
        ("wrn:wide_resnet", (16, 0), "widening must be at least 1"),
    ],
)
def test_a_depth_that_the_paper_does_not_know_is_refused(
    path: str, numbers: tuple[int, ...], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        registry.load_object(f"zoo.models.cnn.{path}")(*numbers)
