"""Teachers and students: Hinton's digits, and small networks that ship."""

from typing import Any

from zoo.recipe import DataSpec, Recipe
from zoo.recipe_parts import nesterov, shifted


def _teacher(model: str) -> dict[str, dict[str, Any]]:
    return {"teacher": {"model": model}}


_ADAM = {"name": "Adam", "learning_rate": 1e-3}
_COSINE = {"name": "cosine", "warmup": 0.05}
_FLIP = {"name": "RandomFlip", "mode": "horizontal"}

RECIPES = (
    # Hinton et al. 2015, section 3: two layers of 1200 units with dropout, on digits that are moved
    # by up to two pixels …
    Recipe(
        name="mlp.mnist-teacher",
        architecture="mlp",
        data=DataSpec("mnist"),
        network={"units": [1200, 1200], "dropout": 0.5},
        augmentation=[shifted(2 / 28)],
        optimizer=_ADAM,
        schedule=_COSINE,
        batch_size=128,
        epochs=60,
    ),
    # … and a net of 800 units whose one regulariser are the teacher's answers at temperature 20.
    Recipe(
        name="mlp.mnist-kd",
        architecture="mlp",
        data=DataSpec("mnist"),
        network={"units": [800, 800]},
        method={"name": "distillation", "alpha": 0.1, "temperature": 20.0},
        parents=_teacher("mlp.mnist-teacher"),
        optimizer=_ADAM,
        schedule=_COSINE,
        batch_size=128,
        epochs=60,
    ),
    Recipe(
        name="small_cnn.mnist-kd",
        architecture="small_cnn",
        data=DataSpec("mnist"),
        network={"filters": [[10, 10], [20, 20], [40]]},
        method={"name": "distillation", "alpha": 0.1, "temperature": 4.0},
        parents=_teacher("small_cnn.mnist"),
        augmentation=[
            {"name": "RandomRotation", "factor": 10 / 360, "fill_mode": "constant"},
            shifted(2 / 28),
        ],
        optimizer={"name": "AdamW", "learning_rate": 2e-3, "weight_decay": 1e-2},
        schedule=_COSINE,
        ema={"network": 0.999},
        precision="onednn_bfloat16",
        batch_size=128,
        epochs=30,
    ),
    Recipe(
        name="small_cnn.fashion_mnist-kd",
        architecture="small_cnn",
        data=DataSpec("fashion_mnist"),
        method={"name": "distillation", "alpha": 0.1, "temperature": 4.0},
        parents=_teacher("speednet.fashion_mnist"),
        augmentation=[_FLIP, shifted(0.08)],
        optimizer=nesterov(0.15, weight_decay=2e-3),
        schedule={"name": "cosine", "warmup": 0.1},
        ema={"network": 0.998},
        precision="onednn_bfloat16",
        batch_size=128,
        epochs=30,
    ),
)
