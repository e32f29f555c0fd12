"""How the translators were trained."""

from zoo.recipe import DataSpec, Recipe

# Zhu et al. 2017, section 7.1: Adam at 2e-4 with beta_1 0.5, constant, then falling to 0.
_ADAM = {"name": "Adam", "learning_rate": 2e-4, "beta_1": 0.5}
_SECOND_HALF = {"name": "linear", "start": 0.5}

RECIPES = (
    Recipe(
        name="cyclegan.mnist_usps",
        architecture="cyclegan",
        data=DataSpec("mnist_usps", validation=16),
        network={"width": 24, "blocks": 3},
        optimizer=_ADAM,
        schedule=_SECOND_HALF,
        ema={"g_ab": 0.999, "g_ba": 0.999},
        precision="onednn_bfloat16",
        batch_size=32,
        epochs=4,
    ),
    Recipe(
        name="cyclegan.facades",
        architecture="cyclegan",
        data=DataSpec("facades", validation=16),
        network={"width": 24, "blocks": 6},
        # As in the paper, which has an identity loss for paintings alone: a map is no photograph.
        method={"name": "cyclegan", "identity": 0.0},
        augmentation=[{"name": "RandomFlip", "mode": "horizontal"}],
        optimizer=_ADAM,
        schedule=_SECOND_HALF,
        precision="onednn_bfloat16",
        batch_size=2,
        epochs=32,
    ),
    Recipe(
        name="discogan.mnist_inverted",
        architecture="discogan",
        data=DataSpec("mnist_inverted", validation=16),
        network={"width": 32},
        optimizer=_ADAM,
        precision="onednn_bfloat16",
        batch_size=64,
        epochs=40,
    ),
)
