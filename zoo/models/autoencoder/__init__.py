"""Autoencoders, plain and variational."""

from zoo.recipe import DataSpec, Recipe
from zoo.registry import Architecture, Method, register

_ADAM = {"name": "Adam", "learning_rate": 1e-3}
_COSINE = {"name": "cosine", "warmup": 0.02}
_EMA = {"encoder": 0.999, "decoder": 0.999}
_DENSE = "zoo.models.autoencoder.dense"
_CONVOLUTIONAL = "zoo.models.autoencoder.convolutional"
_KL = "zoo.models.autoencoder.kl"
_KINGMA = "Kingma, Welling: Auto-encoding variational Bayes, ICLR 2014"
# Of pixels from -1 to 1. The divergence then weighs little: a latent keeps some three nats.
_NEARLY_EXACT = {"deviation": 0.1, "beta": 0.1}

register(
    Method(
        "autoencoder",
        "zoo.models.autoencoder.autoencoder:Autoencoder",
        "Images back from their codes; with noise, with sparse codes",
    ),
    Method(
        "vae",
        "zoo.models.autoencoder.vae:VAE",
        "Evidence lower bound, or the importance-weighted one",
    ),
    Architecture(
        name="dense_autoencoder",
        task="reconstruction",
        family="autoencoder",
        paper="Hinton, Salakhutdinov: Reducing the dimensionality of data with neural networks, "
        "Science 313 (2006)",
        networks={"encoder": f"{_DENSE}:encoder", "decoder": f"{_DENSE}:decoder"},
        method="autoencoder",
        summary="Encoder and decoder of dense layers",
    ),
    Architecture(
        name="autoencoder",
        task="reconstruction",
        family="autoencoder",
        paper="Masci et al.: Stacked convolutional auto-encoders for hierarchical feature "
        "extraction, ICANN 2011",
        networks={"encoder": f"{_CONVOLUTIONAL}:encoder", "decoder": f"{_CONVOLUTIONAL}:decoder"},
        method="autoencoder",
        summary="Convolutional encoder and decoder, a vector for a code",
    ),
    Architecture(
        name="kl_autoencoder",
        task="reconstruction",
        family="autoencoder",
        paper="Rombach et al.: High-resolution image synthesis with latent diffusion models, "
        "CVPR 2022",
        networks={"encoder": f"{_KL}:encoder", "decoder": f"{_KL}:decoder"},
        method="vae",
        method_options=_NEARLY_EXACT,
        summary="Residual encoder and decoder, a small map for a code, for latent diffusion",
    ),
    Architecture(
        name="dense_vae",
        task="generation",
        family="autoencoder",
        paper=_KINGMA,
        networks={"encoder": f"{_DENSE}:variational_encoder", "decoder": f"{_DENSE}:decoder"},
        method="vae",
        summary="Variational autoencoder of dense layers",
    ),
    Architecture(
        name="vae",
        task="generation",
        family="autoencoder",
        paper=_KINGMA,
        networks={
            "encoder": f"{_CONVOLUTIONAL}:variational_encoder",
            "decoder": f"{_CONVOLUTIONAL}:decoder",
        },
        method="vae",
        summary="Convolutional variational autoencoder",
    ),
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
    Recipe(
        name="kl_autoencoder.mnist",
        architecture="kl_autoencoder",
        data=DataSpec("mnist"),
        method={"name": "vae", **_NEARLY_EXACT},
        optimizer=_ADAM,
        schedule=_COSINE,
        ema=_EMA,
        batch_size=128,
        epochs=12,
    ),
    Recipe(
        name="kl_autoencoder.fashion_mnist",
        architecture="kl_autoencoder",
        data=DataSpec("fashion_mnist"),
        method={"name": "vae", **_NEARLY_EXACT},
        optimizer=_ADAM,
        schedule=_COSINE,
        ema=_EMA,
        batch_size=128,
        epochs=12,
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
