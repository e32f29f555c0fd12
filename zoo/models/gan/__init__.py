"""Generative adversarial networks."""

from zoo.models.gan.recipes import RECIPES
from zoo.registry import Architecture, Method, register

register(
    Method("gan", "zoo.models.gan.gan:GAN", "Generator against discriminator, in turns"),
    Architecture(
        name="gan",
        task="generation",
        family="gan",
        paper="Goodfellow et al.: Generative adversarial nets, NeurIPS 2014",
        networks={
            "generator": "zoo.models.gan.dense:generator",
            "discriminator": "zoo.models.gan.dense:discriminator",
        },
        method="gan",
        summary="Generator and discriminator of dense layers",
    ),
    Architecture(
        name="dcgan",
        task="generation",
        family="gan",
        paper="Radford, Metz, Chintala: Unsupervised representation learning with deep "
        "convolutional generative adversarial networks, ICLR 2016",
        networks={
            "generator": "zoo.models.gan.dcgan:generator",
            "discriminator": "zoo.models.gan.dcgan:discriminator",
        },
        method="gan",
        summary="Convolutional generator and discriminator",
    ),
    Architecture(
        name="cdcgan",
        task="generation",
        family="gan",
        paper="Miyato, Koyama: cGANs with projection discriminator, ICLR 2018; Mirza, Osindero: "
        "Conditional generative adversarial nets, 2014",
        networks={
            "generator": "zoo.models.gan.cdcgan:generator",
            "discriminator": "zoo.models.gan.cdcgan:discriminator",
        },
        method="gan",
        summary="Convolutional generator of a class on demand, judged by projection",
    ),
    *RECIPES,
)
