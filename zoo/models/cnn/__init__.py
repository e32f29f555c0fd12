"""Convolutional classifiers."""

from zoo.recipe import DataSpec, Recipe
from zoo.registry import Architecture, register

_RESNET = "He, Zhang, Ren, Sun: Deep residual learning for image recognition, CVPR 2016"

for _depth in (20, 32, 44, 56, 110):
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
_WRN = "Zagoruyko, Komodakis: Wide residual networks, BMVC 2016"

for _path, _paper, _summary in (
    ("lenet:lenet5", _LENET, "Two convolutions, two poolings, three dense layers"),
    ("alexnet:alexnet", _ALEXNET, "Five convolutions, three dense layers, in one tower"),
    *(
        (f"vgg:vgg{d}", _VGG, f"3x3 convolutions, {d} layers, five stages")
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

register(
    Recipe(
        name="resnet20.fashion_mnist",
        architecture="resnet20",
        data=DataSpec("fashion_mnist", validation=2000),
        method={"name": "supervised", "label_smoothing": 0.05},
        augmentation=[
            {"name": "RandomFlip", "mode": "horizontal"},
            {
                "name": "RandomTranslation",
                "height_factor": 0.08,
                "width_factor": 0.08,
                "fill_mode": "constant",
                "interpolation": "nearest",
            },
        ],
        optimizer={
            "name": "SGD",
            "learning_rate": 0.15,
            "momentum": 0.9,
            "nesterov": True,
            "weight_decay": 2e-3,
        },
        schedule={"name": "cosine", "warmup": 0.1},
        ema={"network": 0.998},
        batch_size=128,
        epochs=24,
    )
)
