"""Autoencoders, plain and variational."""

from zoo.models.autoencoder.recipes import NEARLY_EXACT, RECIPES
from zoo.registry import Architecture, Method, register

_DENSE = "zoo.models.autoencoder.dense"
_CONVOLUTIONAL = "zoo.models.autoencoder.convolutional"
_KL = "zoo.models.autoencoder.kl"
_KINGMA = "Kingma, Welling: Auto-encoding variational Bayes, ICLR 2014"

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
        method_options=NEARLY_EXACT,
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
    *RECIPES,
)
