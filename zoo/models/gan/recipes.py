"""How the generative adversarial networks are trained."""

from zoo.recipe import DataSpec, Recipe

# Radford et al. 2016, section 4.
_ADAM = {"name": "Adam", "learning_rate": 2e-4, "beta_1": 0.5}
# At a constant rate the players circle; as it falls they settle, and so does the average.
_SECOND_HALF = {"name": "linear", "start": 0.5}
# One-sided smoothing (Salimans et al. 2016) keeps the discriminator from certainty.
_SMOOTH = {"real_label": 0.9}

RECIPES = (
    Recipe(
        name="gan.mnist",
        architecture="gan",
        data=DataSpec("mnist"),
        network={
            "latent_dim": 100,
            "generator": {"units": [512, 512], "batch_norm": True},
            "discriminator": {"dropout": 0.3},
        },
        method={"name": "gan", **_SMOOTH},
        optimizer=_ADAM,
        schedule=_SECOND_HALF,
        ema={"generator": 0.9995},
        batch_size=128,
        # Dense layers have no notion of neighbours and learn strokes slowly.
        epochs=75,
    ),
    Recipe(
        name="dcgan.mnist",
        architecture="dcgan",
        data=DataSpec("mnist"),
        # Half as wide as for clothes: digits are plainer. But a discriminator whose features see no
        # more than 10x10 pixels lets strokes pass that make no digit.
        network={"latent_dim": 64, "width": 64, "discriminator": {"extra_stages": 1}},
        # The discriminator is stored for `zoo.linear_probe`: 2.7 MB.
        method={"name": "gan", "publish_discriminator": True, **_SMOOTH},
        optimizer=_ADAM,
        schedule=_SECOND_HALF,
        ema={"generator": 0.999},
        batch_size=64,
        epochs=14,
        precision="onednn_bfloat16",
    ),
    Recipe(
        name="dcgan.fashion_mnist",
        architecture="dcgan",
        data=DataSpec("fashion_mnist"),
        # Equals: a discriminator as wide as the generator sees more of what is still wrong.
        network={"latent_dim": 64, "width": 128},
        method={"name": "gan", **_SMOOTH},
        optimizer=_ADAM,
        schedule=_SECOND_HALF,
        ema={"generator": 0.9995},
        batch_size=64,
        epochs=20,
        precision="onednn_bfloat16",
    ),
    Recipe(
        name="dcgan.att_faces",
        architecture="dcgan",
        # 320 faces: 20 passes are 200 steps.
        data=DataSpec("att_faces", repeat=20),
        network={
            "latent_dim": 64,
            "generator": {"width": 48},
            "discriminator": {"width": 32, "batch_norm": False},
        },
        # So few images a discriminator would learn by heart, a wide one sooner.
        method={
            "name": "gan",
            "penalty": "r1",
            "penalty_weight": 0.1,
            "penalty_interval": 8,
            "augment": "color,translation,cutout",
        },
        # A mirrored face is a face.
        augmentation=[{"name": "RandomFlip", "mode": "horizontal"}],
        optimizer=_ADAM,
        schedule=_SECOND_HALF,
        ema={"generator": 0.999},
        batch_size=32,
        epochs=85,
        precision="onednn_bfloat16",
    ),
    Recipe(
        name="cdcgan.fashion_mnist",
        architecture="cdcgan",
        data=DataSpec("fashion_mnist"),
        network={"latent_dim": 64, "width": 128},
        method={"name": "gan", **_SMOOTH},
        optimizer=_ADAM,
        schedule=_SECOND_HALF,
        ema={"generator": 0.9995},
        batch_size=64,
        epochs=20,
        precision="onednn_bfloat16",
    ),
)
