"""How the translators were trained."""

from zoo.recipe import DataSpec, Recipe

# Zhu et al. 2017, section 7.1: Adam at 2e-4 with beta_1 0.5, constant, then falling to 0.
_ADAM = {"name": "Adam", "learning_rate": 2e-4, "beta_1": 0.5}
_SECOND_HALF = {"name": "linear", "start": 0.5}
# Patches of 10 pixels.
_STROKES = {"depth": 0, "width": 64}
_EMA = {"g_ab": 0.999, "g_ba": 0.999}

RECIPES = (
    Recipe(
        name="cyclegan.mnist_usps",
        architecture="cyclegan",
        data=DataSpec("mnist_usps", validation=16),
        # USPS has more zeros and ones than MNIST: a translation that matched all of it would turn
        # some digits into others. Against that speak a beginning close to the image, patches that
        # show a stroke and no digit, and to leave images of the target alone, twice the paper's.
        network={"width": 16, "blocks": 3, "skip": True, "d_a": _STROKES, "d_b": _STROKES},
        method={"name": "cyclegan", "identity": 1.0},
        optimizer=_ADAM,
        schedule=_SECOND_HALF,
        ema=_EMA,
        precision="onednn_bfloat16",
        batch_size=32,
        epochs=2,
    ),
    Recipe(
        name="cyclegan.facades",
        architecture="cyclegan",
        data=DataSpec("facades", validation=16),
        network={"width": 24, "blocks": 6, "d_a": {"width": 48}, "d_b": {"width": 48}},
        # As in the paper, which has an identity loss for paintings alone: a map is no photograph.
        method={"name": "cyclegan", "identity": 0.0},
        augmentation=[{"name": "RandomFlip", "mode": "horizontal"}],
        optimizer=_ADAM,
        schedule=_SECOND_HALF,
        ema=_EMA,
        precision="onednn_bfloat16",
        batch_size=2,
        epochs=60,
    ),
    Recipe(
        name="discogan.mnist_inverted",
        architecture="discogan",
        data=DataSpec("mnist_inverted", validation=16),
        # A turn and an inversion is a matrix: moments find it, the game makes its images sharp.
        network={"width": 16, "mapping": "both", "latent_dim": 64},
        # The authors' code has ten times the adversarial weight here, too.
        method={"name": "discogan", "cycle": 10.0, "start": "moments"},
        optimizer=_ADAM,
        schedule=_SECOND_HALF,
        ema=_EMA,
        precision="onednn_bfloat16",
        batch_size=64,
        epochs=30,
    ),
)
