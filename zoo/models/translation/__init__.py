"""Translation between two domains whose images nobody has paired."""

from zoo.models.translation.recipes import RECIPES
from zoo.registry import Architecture, Method, register

register(
    Method(
        "cyclegan",
        "zoo.models.translation.cyclegan:CycleGAN",
        "Two generators and a cycle, with a pool and an identity loss",
    ),
    Method(
        "discogan",
        "zoo.models.translation.discogan:DiscoGAN",
        "Two generators, reconstruction both ways",
    ),
    Architecture(
        name="cyclegan",
        task="translation",
        family="translation",
        paper="Zhu, Park, Isola, Efros: Unpaired image-to-image translation using "
        "cycle-consistent adversarial networks, ICCV 2017",
        networks={
            "g_ab": "zoo.models.translation.cyclegan:generator",
            "g_ba": "zoo.models.translation.cyclegan:generator",
            "d_a": "zoo.models.translation.cyclegan:discriminator",
            "d_b": "zoo.models.translation.cyclegan:discriminator",
        },
        method="cyclegan",
        summary="ResNet generators with instance norm, patch discriminators",
    ),
    Architecture(
        name="discogan",
        task="translation",
        family="translation",
        paper="Kim, Cha, Kim, Lee, Kim: Learning to discover cross-domain relations with "
        "generative adversarial networks, ICML 2017",
        networks={
            "g_ab": "zoo.models.translation.discogan:generator",
            "g_ba": "zoo.models.translation.discogan:generator",
            "d_a": "zoo.models.translation.discogan:discriminator",
            "d_b": "zoo.models.translation.discogan:discriminator",
        },
        method="discogan",
        summary="Encoder-decoders there and back",
    ),
    *RECIPES,
)
