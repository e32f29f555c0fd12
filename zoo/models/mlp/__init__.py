"""Multilayer perceptrons."""

from zoo.recipe import DataSpec, Recipe
from zoo.registry import Architecture, register

register(
    Architecture(
        name="mlp",
        task="classification",
        family="mlp",
        paper="Rumelhart, Hinton, Williams: Learning representations by back-propagating errors, "
        "Nature 323 (1986)",
        networks={"network": "zoo.models.mlp.mlp:mlp"},
        method="supervised",
        summary="Dense layers with normalisation and dropout",
    ),
    Recipe(
        name="mlp.fashion_mnist",
        architecture="mlp",
        data=DataSpec("fashion_mnist", validation=5000),
        network={"units": [512, 256], "dropout": 0.3, "normalization": "batch"},
        method={"name": "supervised", "label_smoothing": 0.05},
        augmentation=[
            {"name": "RandomFlip", "mode": "horizontal"},
            {
                "name": "RandomTranslation",
                "height_factor": 0.04,
                "width_factor": 0.04,
                "fill_mode": "constant",
            },
        ],
        optimizer={"name": "AdamW", "learning_rate": 2e-3, "weight_decay": 1e-3},
        schedule={"name": "cosine", "warmup": 0.05},
        ema={"network": 0.999},
        batch_size=128,
        epochs=40,
    ),
)
