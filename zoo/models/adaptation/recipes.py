"""How the adapted classifiers were trained: on labels of the source, without any of the target."""

from typing import Any

from zoo.recipe import DataSpec, Recipe

# Of digits, for both domains: a little turned, scaled and moved.
_BLACK = {"fill_mode": "constant"}
_MOVED: list[dict[str, Any]] = [
    {"name": "RandomRotation", "factor": 10 / 360, **_BLACK},
    {"name": "RandomZoom", "height_factor": 0.1, "width_factor": 0.1, **_BLACK},
    {"name": "RandomTranslation", "height_factor": 0.07, "width_factor": 0.07, **_BLACK},
]
_COSINE = {"name": "cosine", "warmup": 0.05}
_EMA = {"network": 0.999}

RECIPES = (
    Recipe(
        name="lenet5.mnist_to_mnist_m-dann",
        architecture="lenet5",
        data=DataSpec("mnist_to_mnist_m"),
        # Pixels to [-1, 1]: the statistics of the source are not those of the target.
        network={"activation": "relu", "pooling": "max", "mean": [127.5], "std": [127.5]},
        method={"name": "dann"},
        optimizer={"name": "SGD", "learning_rate": 0.01, "momentum": 0.9},
        schedule=_COSINE,
        ema=_EMA,
        batch_size=64,
        epochs=20,
    ),
    Recipe(
        name="small_cnn.mnist_to_usps-cdan",
        architecture="small_cnn",
        data=DataSpec("mnist_to_usps"),
        method={"name": "cdan"},
        augmentation=_MOVED,
        optimizer={"name": "Adam", "learning_rate": 1e-3},
        schedule=_COSINE,
        ema=_EMA,
        precision="onednn_bfloat16",
        batch_size=64,
        epochs=6,
    ),
    Recipe(
        name="small_cnn.usps_to_mnist-cdan",
        architecture="small_cnn",
        data=DataSpec("usps_to_mnist"),
        method={"name": "cdan"},
        augmentation=_MOVED,
        optimizer={"name": "Adam", "learning_rate": 1e-3},
        schedule=_COSINE,
        ema=_EMA,
        precision="onednn_bfloat16",
        batch_size=64,
        epochs=6,
    ),
)
