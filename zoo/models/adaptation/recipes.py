"""How the adapted classifiers are trained: on labels of the source, without any of the target."""

from zoo.recipe import DataSpec, Recipe
from zoo.recipe_parts import moved

# Of digits, for both domains: a little turned, scaled and moved.
_MOVED = moved(degrees=10, zoom=0.1, shift=0.07)
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
    # small_cnn.mnist_to_usps-cdan and small_cnn.usps_to_mnist-cdan.
    *(
        Recipe(
            name=f"small_cnn.{shift}-cdan",
            architecture="small_cnn",
            data=DataSpec(shift),
            method={"name": "cdan"},
            augmentation=_MOVED,
            optimizer={"name": "Adam", "learning_rate": 1e-3},
            schedule=_COSINE,
            ema=_EMA,
            precision="onednn_bfloat16",
            batch_size=64,
            epochs=6,
        )
        for shift in ("mnist_to_usps", "usps_to_mnist")
    ),
)
