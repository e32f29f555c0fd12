"""Generative adversarial networks."""

from zoo.recipe import DataSpec, Recipe
from zoo.registry import Architecture, Method, register

register(
    Method("gan", "zoo.models.gan.gan:GAN", "Generator against discriminator, in turns"),
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
    Recipe(
        name="dcgan.fashion_mnist",
        architecture="dcgan",
        data=DataSpec("fashion_mnist"),
        network={"latent_dim": 64},
        method={"name": "gan", "loss": "non_saturating"},
        optimizer={"name": "Adam", "learning_rate": 2e-4, "beta_1": 0.5},
        ema={"generator": 0.999},
        batch_size=128,
        epochs=16,
    ),
)
