"""Diffusion models, of pixels and of latents."""

from zoo.models.diffusion.recipes import RECIPES
from zoo.registry import Architecture, Method, register

_LDM = "zoo.models.diffusion.ldm"

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
    *RECIPES,
)
