"""Diffusion models, of pixels and of latents."""

from zoo.recipe import DataSpec, Recipe
from zoo.registry import Architecture, Method, register

_ADAM = {"name": "Adam", "learning_rate": 1e-3, "global_clipnorm": 1.0}
_COSINE = {"name": "cosine", "warmup": 0.03}
_EMA = {"denoiser": 0.999}
_LDM = "zoo.models.diffusion.ldm"
# Of 7x7x4 latents; the widest maps are small enough for attention.
_UNET = {"width": 48, "multipliers": [1, 2], "attention": [7]}

register(
    Method(
        "diffusion",
        "zoo.models.diffusion.diffusion:Diffusion",
        "A denoiser of images at every level of noise",
    ),
    Method(
        "latent_diffusion",
        "zoo.models.diffusion.ldm:LatentDiffusion",
        "A denoiser of a stored autoencoder's latents",
    ),
    Architecture(
        name="ddpm",
        task="generation",
        family="diffusion",
        paper="Ho, Jain, Abbeel: Denoising diffusion probabilistic models, NeurIPS 2020",
        networks={"denoiser": "zoo.models.diffusion.unet:denoiser"},
        method="diffusion",
        summary="Diffusion of pixels with a U-Net, of a class on demand",
    ),
    Architecture(
        name="ldm",
        task="generation",
        family="diffusion",
        paper="Rombach et al.: High-resolution image synthesis with latent diffusion models, "
        "CVPR 2022",
        networks={
            "denoiser": f"{_LDM}:denoiser",
            "encoder": f"{_LDM}:encoder",
            "decoder": f"{_LDM}:decoder",
        },
        method="latent_diffusion",
        summary="Diffusion of an autoencoder's latents, of a class on demand",
    ),
    Recipe(
        name="ddpm.fashion_mnist",
        architecture="ddpm",
        data=DataSpec("fashion_mnist"),
        # Four pixels a position: a quarter of the work of a whole image.
        network={"width": 32, "multipliers": [1, 2], "attention": [7], "patch": 2},
        optimizer=_ADAM,
        schedule=_COSINE,
        ema=_EMA,
        batch_size=64,
        epochs=11,
        precision="onednn_bfloat16",
    ),
    Recipe(
        name="ldm.mnist",
        architecture="ldm",
        data=DataSpec("mnist"),
        parents={"autoencoder": {"model": "kl_autoencoder.mnist"}},
        network=_UNET,
        optimizer=_ADAM,
        schedule=_COSINE,
        ema=_EMA,
        batch_size=64,
        epochs=16,
        precision="onednn_bfloat16",
    ),
    Recipe(
        name="ldm.fashion_mnist",
        architecture="ldm",
        data=DataSpec("fashion_mnist"),
        parents={"autoencoder": {"model": "kl_autoencoder.fashion_mnist"}},
        network=_UNET,
        optimizer=_ADAM,
        schedule=_COSINE,
        ema=_EMA,
        batch_size=64,
        epochs=16,
        precision="onednn_bfloat16",
    ),
)
