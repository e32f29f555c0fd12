"""How the diffusion models are trained."""

from zoo.recipe import DataSpec, Recipe

_ADAM = {"name": "Adam", "learning_rate": 1e-3, "global_clipnorm": 1.0}
_COSINE = {"name": "cosine", "warmup": 0.03}
_EMA = {"denoiser": 0.999}
# Of 7x7x4 latents; the widest maps are small enough for attention.
_UNET = {"width": 48, "multipliers": [1, 2], "attention": [7]}

RECIPES = (
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
    # ldm.mnist and ldm.fashion_mnist.
    *(
        Recipe(
            name=f"ldm.{images}",
            architecture="ldm",
            data=DataSpec(images),
            parents={"autoencoder": {"model": f"kl_autoencoder.{images}"}},
            network=_UNET,
            optimizer=_ADAM,
            schedule=_COSINE,
            ema=_EMA,
            batch_size=64,
            epochs=16,
            precision="onednn_bfloat16",
        )
        for images in ("mnist", "fashion_mnist")
    ),
)
