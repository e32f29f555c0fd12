"""How the classifiers of dense layers are trained."""

from zoo.recipe import DataSpec, Recipe

RECIPES = (
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
    Recipe(
        name="perceptron.mnist",
        architecture="perceptron",
        data=DataSpec("mnist", validation=5000),
        method={"name": "supervised", "loss": "perceptron"},
        # The loss is a mean over ten classes, so that an image counts with Rosenblatt's step of 1.
        optimizer={"name": "SGD", "learning_rate": 10.0},
        schedule={"name": "cosine"},
        ema={"network": 0.999},
        batch_size=128,
        epochs=20,
    ),
    Recipe(
        name="softmax_regression.mnist",
        architecture="softmax_regression",
        data=DataSpec("mnist", validation=5000),
        network={"l2": 1e-4},
        method={"name": "supervised", "loss": "cross_entropy"},
        optimizer={"name": "SGD", "learning_rate": 0.01, "momentum": 0.9},
        schedule={"name": "cosine"},
        batch_size=128,
        epochs=20,
    ),
)
