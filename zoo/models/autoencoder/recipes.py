"""How the autoencoders are trained."""

from zoo.recipe import DataSpec, Recipe

_ADAM = {"name": "Adam", "learning_rate": 1e-3}
_COSINE = {"name": "cosine", "warmup": 0.02}
_EMA = {"encoder": 0.999, "decoder": 0.999}
# Of pixels from -1 to 1. The divergence then weighs little, so that latents may be nearly exact.
NEARLY_EXACT = {"deviation": 0.1, "beta": 0.1}

RECIPES = (
    Recipe(
        name="dense_autoencoder.mnist",
        architecture="dense_autoencoder",
        data=DataSpec("mnist"),
        # Two numbers are a point in the plane: to be looked at.
        network={"latent_dim": 2, "units": [512, 256, 128], "likelihood": "bernoulli"},
        optimizer=_ADAM,
        schedule=_COSINE,
        ema=_EMA,
        batch_size=128,
        epochs=40,
    ),
    Recipe(
        name="autoencoder.fashion_mnist",
        architecture="autoencoder",
        data=DataSpec("fashion_mnist"),
        network={"latent_dim": 16},
        optimizer=_ADAM,
        schedule=_COSINE,
        ema=_EMA,
        batch_size=128,
        epochs=20,
    ),
    # kl_autoencoder.mnist and kl_autoencoder.fashion_mnist.
    *(
        Recipe(
            name=f"kl_autoencoder.{images}",
            architecture="kl_autoencoder",
            data=DataSpec(images),
            method={"name": "vae", **NEARLY_EXACT},
            optimizer=_ADAM,
            schedule=_COSINE,
            ema=_EMA,
            batch_size=128,
            epochs=12,
        )
        for images in ("mnist", "fashion_mnist")
    ),
    Recipe(
        name="dense_vae.mnist",
        architecture="dense_vae",
        data=DataSpec("mnist"),
        # Burda et al. 2016, section 5: two layers of 200 units, 50 latents.
        network={
            "latent_dim": 50,
            "units": [200, 200],
            "activation": "tanh",
            "likelihood": "bernoulli",
        },
        method={"name": "vae", "binarise": True},
        optimizer=_ADAM,
        schedule=_COSINE,
        ema=_EMA,
        batch_size=100,
        epochs=60,
    ),
    Recipe(
        name="vae.mnist",
        architecture="vae",
        data=DataSpec("mnist"),
        network={"latent_dim": 40, "likelihood": "bernoulli"},
        # The divergence grows at first, so that latents are not given up before they are of use.
        method={"name": "vae", "binarise": True, "kl_warmup": 0.1},
        optimizer=_ADAM,
        schedule=_COSINE,
        ema=_EMA,
        batch_size=128,
        epochs=35,
    ),
    Recipe(
        name="vae.fashion_mnist",
        architecture="vae",
        data=DataSpec("fashion_mnist"),
        network={"latent_dim": 32},
        method={"name": "vae", "kl_warmup": 0.1},
        optimizer=_ADAM,
        schedule=_COSINE,
        ema=_EMA,
        batch_size=128,
        epochs=25,
    ),
)
