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
