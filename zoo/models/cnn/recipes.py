"""How the convolutional classifiers that ship were trained."""

from typing import Any

from zoo.recipe import DataSpec, Recipe
from zoo.recipe_parts import moved, nesterov, shifted

_FLIP = {"name": "RandomFlip", "mode": "horizontal"}


def _muon(rate: float) -> dict[str, Any]:
    """The rates of dense layers and vectors are a share of that of the filters."""
    return {
        "name": "ConvMuon",
        "learning_rate": rate,
        "momentum": 0.7,
        "adam_lr_ratio": 0.03,
        "weight_decay": 0.0,
        "adam_weight_decay": 0.0,
    }


RECIPES = (
    Recipe(
        name="lenet5.mnist",
        architecture="lenet5",
        data=DataSpec("mnist"),
        network={"activation": "relu", "pooling": "max"},
        augmentation=moved(degrees=8, zoom=0.08, shift=0.07),
        optimizer={"name": "AdamW", "learning_rate": 2e-3, "weight_decay": 1e-2},
        schedule={"name": "cosine", "warmup": 0.05},
        ema={"network": 0.999},
        batch_size=128,
        epochs=30,
    ),
    Recipe(
        name="small_cnn.mnist",
        architecture="small_cnn",
        data=DataSpec("mnist"),
        network={"filters": [[32, 32], [64, 64], [128, 128]], "dropout": 0.2},
        method={"name": "supervised", "label_smoothing": 0.02},
        augmentation=moved(degrees=12, zoom=0.12, shift=0.08),
        optimizer={"name": "AdamW", "learning_rate": 2e-3, "weight_decay": 2e-2},
        schedule={"name": "cosine", "warmup": 0.05},
        ema={"network": 0.999},
        precision="onednn_bfloat16",
        batch_size=128,
        epochs=20,
    ),
    Recipe(
        name="small_cnn.usps",
        architecture="small_cnn",
        data=DataSpec("usps"),
        network={"dropout": 0.2},
        method={"name": "supervised", "label_smoothing": 0.02},
        augmentation=moved(degrees=10, zoom=0.1, shift=0.06),
        optimizer={"name": "AdamW", "learning_rate": 2e-3, "weight_decay": 2e-2},
        schedule={"name": "cosine", "warmup": 0.05},
        ema={"network": 0.998},
        precision="onednn_bfloat16",
        batch_size=64,
        epochs=40,
    ),
    Recipe(
        name="small_cnn.fashion_mnist",
        architecture="small_cnn",
        data=DataSpec("fashion_mnist"),
        method={"name": "supervised", "label_smoothing": 0.05},
        augmentation=[_FLIP, shifted(0.08)],
        optimizer=nesterov(0.15, weight_decay=2e-3),
        schedule={"name": "cosine", "warmup": 0.1},
        ema={"network": 0.998},
        precision="onednn_bfloat16",
        batch_size=128,
        epochs=30,
    ),
    Recipe(
        name="resnet20.fashion_mnist",
        architecture="resnet20",
        data=DataSpec("fashion_mnist", validation=2000),
        method={"name": "supervised", "label_smoothing": 0.05},
        augmentation=[_FLIP, shifted(0.08)],
        optimizer=nesterov(0.15, weight_decay=2e-3),
        schedule={"name": "cosine", "warmup": 0.1},
        ema={"network": 0.998},
        batch_size=128,
        epochs=24,
    ),
    Recipe(
        name="resnet20.cifar10",
        architecture="resnet20",
        data=DataSpec("cifar10"),
        augmentation=[_FLIP, shifted(0.125, "reflect")],
        optimizer=nesterov(0.15, weight_decay=4e-3),
        schedule={"name": "cosine", "warmup": 0.05},
        ema={"network": 0.999},
        precision="onednn_bfloat16",
        batch_size=128,
        epochs=80,
    ),
    Recipe(
        name="speednet.fashion_mnist",
        architecture="speednet",
        data=DataSpec("fashion_mnist"),
        network={"activation": "relu"},
        method={
            "name": "supervised",
            "label_smoothing": 0.1,
            "test_time_flip": True,
            "test_time_shift": 1,
        },
        augmentation=[
            {"name": "AlternatingFlip"},
            shifted(0.08),
            {
                "name": "RandomErasing",
                "factor": [0.5, 0.5],
                "scale": [0.05, 0.3],
                "fill_value": 0.0,
            },
        ],
        optimizer=_muon(0.1),
        schedule={"name": "one_cycle", "peak": 0.1, "low": 0.2, "final": 0.0},
        ema={"network": 0.995},
        precision="onednn_bfloat16",
        batch_size=250,
        epochs=32,
    ),
    Recipe(
        name="speednet.cifar10",
        architecture="speednet",
        data=DataSpec("cifar10"),
        network={"activation": "relu"},
        method={
            "name": "supervised",
            "label_smoothing": 0.2,
            "test_time_flip": True,
            "test_time_shift": 1,
        },
        augmentation=[
            {"name": "AlternatingFlip"},
            shifted(0.0625, "reflect"),
            {"name": "ProgressiveResize", "side": 24, "until": 0.3},
        ],
        optimizer=_muon(0.12),
        schedule={"name": "one_cycle", "peak": 0.1, "low": 0.2, "final": 0.0},
        ema={"network": 0.99},
        precision="onednn_bfloat16",
        batch_size=500,
        epochs=16,
    ),
)
