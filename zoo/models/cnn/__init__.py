"""Convolutional classifiers."""

from zoo.models.cnn.recipes import RECIPES
from zoo.registry import Architecture, register

_RESNET = "He, Zhang, Ren, Sun: Deep residual learning for image recognition, CVPR 2016"

for _depth in (8, 20, 32, 44, 56, 110):
    register(
        Architecture(
            name=f"resnet{_depth}",
            task="classification",
            family="cnn",
            paper=_RESNET,
            networks={"network": f"zoo.models.cnn.resnet:resnet{_depth}"},
            method="supervised",
            summary=f"Residual network for small images, {_depth} layers, three stages",
        )
    )

_ALEXNET = "Krizhevsky: One weird trick for parallelizing convolutional neural networks, 2014"
_DENSENET = "Huang et al.: Densely connected convolutional networks, CVPR 2017"
_GOOGLENET = "Szegedy et al.: Going deeper with convolutions, CVPR 2015"
_LENET = "LeCun et al.: Gradient-based learning applied to document recognition, 1998"
_VGG = (
    "Simonyan, Zisserman: Very deep convolutional networks for large-scale image recognition, "
    "ICLR 2015"
)
_SPEEDNET = "Jordan: 94% on CIFAR-10 in 3.29 seconds on a single GPU, arXiv 2404.00498, 2024"
_WRN = "Zagoruyko, Komodakis: Wide residual networks, BMVC 2016"

for _path, _paper, _summary in (
    ("lenet:lenet5", _LENET, "Two convolutions, two poolings, three dense layers"),
    ("alexnet:alexnet", _ALEXNET, "Five convolutions, three dense layers, in one tower"),
    *(
        (f"vgg:vgg{d}", _VGG, f"3x3 convolutions, {d} layers, five stages")
        for d in (11, 13, 16, 19)
    ),
    *(
        (f"vgg:vgg{d}_bn", _VGG, f"The same with batch normalization, {d} layers")
        for d in (11, 13, 16, 19)
    ),
    *(
        (f"resnet_imagenet:resnet{d}", _RESNET, f"Residual network, {d} layers, four stages")
        for d in (18, 34, 50, 101, 152)
    ),
    *(
        (f"wrn:wrn{d}_{k}", _WRN, f"Wide residual network, {d} layers, {k} times the width")
        for d, k in ((16, 4), (28, 10), (40, 4))
    ),
    ("densenet:densenet121", _DENSENET, "DenseNet-BC, 121 layers, four blocks"),
    *(
        (f"densenet:densenet_bc{d}_12", _DENSENET, f"DenseNet-BC for small images, {d} layers")
        for d in (40, 100)
    ),
    ("small_cnn:small_cnn", _VGG, "3x3 convolutions in three stages, few parameters"),
    ("speednet:speednet", _SPEEDNET, "Seven convolutions that learn fast, the first one whitened"),
    ("googlenet:googlenet", _GOOGLENET, "Nine inception modules in three stages"),
):
    register(
        Architecture(
            name=_path.partition(":")[2],
            task="classification",
            family="cnn",
            paper=_paper,
            networks={"network": f"zoo.models.cnn.{_path}"},
            method="supervised",
            summary=_summary,
        )
    )

register(*RECIPES)
