"""The parameter table: how many learn, as their papers and other implementations count."""

from __future__ import annotations

import pytest

import zoo
from tests.marks import fast_of
from tests.weightless import trainable, weightless

IMAGENET = ((224, 224, 3), 1000)
CIFAR = ((32, 32, 3), 10)

# Torchvision's counts. DenseNet-121's is its paper's, too; GoogLeNet is without its auxiliary
# heads.
FOR_IMAGENET = {
    "alexnet": 61_100_840,
    "vgg11": 132_863_336,
    "vgg13": 133_047_848,
    "vgg16": 138_357_544,
    "vgg19": 143_667_240,
    # It keeps a bias before batch normalization, which has no effect: one a filter.
    "vgg11_bn": 132_868_840 - 2_752,
    "vgg13_bn": 133_053_736 - 2_944,
    "vgg16_bn": 138_365_992 - 4_224,
    "vgg19_bn": 143_678_248 - 5_504,
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "resnet101": 44_549_160,
    "resnet152": 60_192_808,
    "densenet121": 7_978_856,
    "googlenet": 6_624_904,
}

_HIDDEN = 2 * (512 * 512 + 512) + 512 * 10 + 10
_OTHER_CLASSES = 990 * (1024 + 1)

# Counted for 3 channels and 10 classes.
FOR_SMALL_IMAGES = {
    # Of table 6 in He et al., in full digits; every two blocks a stage add as many.
    "resnet8": 269_722 - 2 * (853_018 - 269_722) // 6,
    "resnet20": 269_722,
    "resnet32": 464_154,
    "resnet44": 658_586,
    "resnet56": 853_018,
    "resnet110": 1_727_962,
    "wrn16_4": 2_748_890,
    "wrn28_10": 36_479_194,
    "wrn40_4": 8_949_210,
    "densenet_bc40_12": 176_122,
    "densenet_bc100_12": 769_162,
    # The counts of kuangliu/pytorch-cifar, whose stems are the same.
    "resnet18": 11_173_962,
    "resnet34": 21_282_122,
    "resnet50": 23_520_842,
    "resnet101": 42_512_970,
    "resnet152": 58_156_618,
    "densenet121": 6_956_298,
    # Convolutions as torchvision's, then dense layers of 512.
    "vgg11": 9_220_480 + _HIDDEN,
    "vgg13": 9_404_992 + _HIDDEN,
    "vgg16": 14_714_688 + _HIDDEN,
    "vgg19": 20_024_384 + _HIDDEN,
    # Its first filters are 3x3 in place of 7x7.
    "googlenet": 6_624_904 - 64 * 3 * (49 - 9) - _OTHER_CLASSES,
    "alexnet": sum(
        outputs * (inputs * size**2 + 1)
        for inputs, outputs, size in (
            (3, 64, 3),
            (64, 192, 5),
            (192, 384, 3),
            (384, 256, 3),
            (256, 256, 3),
            (4 * 4 * 256, 512, 1),
            (512, 512, 1),
            (512, 10, 1),
        )
    ),
}


# One of each family: the others are its numbers of layers and filters.
FAST = {"alexnet", "vgg16", "vgg16_bn", "resnet18", "resnet50", "densenet121", "googlenet"}
FAST |= {"resnet20", "wrn16_4", "densenet_bc40_12"}


@pytest.mark.parametrize("name", fast_of(FAST, FOR_IMAGENET))
def test_for_imagenet(name: str) -> None:
    with weightless():
        assert trainable(zoo.create(name, *IMAGENET)) == FOR_IMAGENET[name]


@pytest.mark.parametrize("name", fast_of(FAST, FOR_SMALL_IMAGES))
def test_for_small_images(name: str) -> None:
    with weightless():
        assert trainable(zoo.create(name, *CIFAR)) == FOR_SMALL_IMAGES[name]


def test_googlenet_of_the_paper() -> None:
    """With biases, without batch normalization, and 5x5 filters: as many as Caffe's has."""
    with weightless():
        network = zoo.create("googlenet", batch_norm=False, large_kernel=5)
    assert trainable(network) == 6_998_552


def test_lenet_has_the_parameters_of_its_layers() -> None:
    convolutions = 6 * (25 + 1) + 16 * (6 * 25 + 1)
    dense = (400 + 1) * 120 + (120 + 1) * 84 + (84 + 1) * 10
    network = zoo.create("lenet5")
    assert trainable(network) == convolutions + dense == 61_706


def test_one_layer_has_a_weight_for_each_pixel_and_class() -> None:
    for name in ("perceptron", "linear_regression", "softmax_regression"):
        assert trainable(zoo.create(name, (28, 28, 1), 10)) == 785 * 10


def test_an_mlp_has_the_parameters_of_its_widths() -> None:
    units = 784 * 256 + 256 + 256 * 128 + 128 + 128 * 10 + 10
    assert trainable(zoo.create("mlp", (28, 28, 1), 10, units=[256, 128])) == units
    # Each maxout unit has the weights of its two pieces.
    maxout = zoo.create("mlp", (28, 28, 1), 10, units=[256], activation="maxout")
    assert trainable(maxout) == 785 * 512 + 257 * 10
