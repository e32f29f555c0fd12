"""The pipelines of autoencoders: images to codes and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from zoo.cards import Card
from zoo.errors import InvalidInputError
from zoo.generation import Generator
from zoo.inputs import image_rows
from zoo.latents import to_pixels
from zoo.pipelines import Pipeline, float32_of
from zoo.runtime.batches import BLOCK

if TYPE_CHECKING:
    import keras

    from zoo.runtime.functions import Functions


class Coder(Pipeline):
    """What every autoencoder can do, plain or variational.

    The code of a variational one is the mean of its posterior.

    Attributes:
        input_shape: (height, width, channels) of an image.
        code_shape: Of a code, such as (16,) or (7, 7, 4).
    """

    takes: ClassVar[Mapping[str, str]] = {"codes": "pixels", "images": "latents"}
    # As for a generator: an image must not see what is encoded and decoded beside it.
    block = BLOCK

    def __init__(self, card: Card, functions: Functions) -> None:
        super().__init__(card, functions)
        self.input_shape: tuple[int, ...] = tuple(functions.facts["image_shape"])
        self.code_shape: tuple[int, ...] = tuple(functions.facts["code_shape"])

    @classmethod
    def functions_of(cls, networks: Mapping[str, keras.Model]) -> dict[str, keras.Model]:
        """Returns `codes`, from pixels, and `images`, from codes to [-1, 1]."""
        from zoo.networks import latent_mean

        return {"codes": latent_mean(networks["encoder"]), "images": networks["decoder"]}

    @classmethod
    def facts_of(cls, networks: Mapping[str, keras.Model]) -> dict[str, Any]:
        """Returns the shapes of an image and of a code."""
        return {
            "image_shape": list(networks["encoder"].input_shape[1:]),
            "code_shape": list(networks["decoder"].input_shape[1:]),
        }

    def encode(self, images: Any) -> np.ndarray:
        """Returns the codes of one image or many, float32 (n, *code_shape).

        Args:
            images: See `zoo.inputs.image_rows` for what is taken.

        Raises:
            InvalidInputError: for what cannot be read as images.
        """
        return self.functions["codes"](image_rows(images, self.input_shape))

    def decode(self, codes: Any) -> np.ndarray:
        """Returns the images of codes, uint8 (n, height, width, channels).

        Args:
            codes: (n, *code_shape), or one code.

        Raises:
            InvalidInputError: for another shape, or numbers that are not finite.
        """
        try:
            rows = np.asarray(codes, np.float32)
        except (ValueError, TypeError) as error:
            raise InvalidInputError(f"codes are arrays of numbers: {error}") from error
        if rows.shape == self.code_shape:
            rows = rows[None]
        if rows.shape[1:] != self.code_shape or not len(rows):
            raise InvalidInputError(
                f"{self.card.name} has codes of shape {self.code_shape}, one or many, "
                f"got an array of shape {rows.shape}"
            )
        if not np.isfinite(rows).all():
            raise InvalidInputError("a code holds finite numbers; this one does not")
        return to_pixels(self.functions["images"](rows))

    def reconstruct(self, images: Any) -> np.ndarray:
        """Returns images after the way through their codes, uint8 (n, height, width, channels).

        Args:
            images: As for `encode`.
        """
        return self.reconstructed(image_rows(images, self.input_shape))

    def reconstructed(self, rows: np.ndarray) -> np.ndarray:
        """Reconstructs rows: pixels 0 to 255, float32 (n, …), to uint8 (n, …)."""
        return to_pixels(self.functions["images"](self.functions["codes"](rows)))


class Autoencoder(Coder):
    """Turns images into codes and codes into images.

    Example:
        autoencoder = zoo.load("autoencoder.fashion_mnist")
        codes = autoencoder.encode(["shoe.png", "coat.jpg"])
        images = autoencoder.decode(codes)
    """

    task = "reconstruction"

    @classmethod
    def describe(
        cls, networks: Mapping[str, keras.Model], labels: Sequence[str]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """As for every pipeline; the answers have `code`, the shape of a code, beside."""
        encoder, decoder = networks["encoder"], networks["decoder"]
        pixels = {"kind": "pixels", "dtype": "uint8", "range": [0, 255]}
        return (
            {"name": encoder.input.name, **float32_of(encoder.input_shape), "range": [0, 255]},
            {
                **pixels,
                "shape": list(decoder.output_shape[1:]),
                "code": list(decoder.input_shape[1:]),
            },
        )

    def rows(self, images: Any) -> np.ndarray:
        """Turns images into rows; see `zoo.inputs.image_rows` for what is taken."""
        return image_rows(images, self.input_shape)

    def run(self, rows: np.ndarray) -> np.ndarray:
        """Reconstructs rows; see `reconstructed`."""
        return self.reconstructed(rows)


class VariationalAutoencoder(Coder, Generator):
    """Draws images from latent vectors, and finds the latent vectors of images.

    Rows, seeds and paths are those of a generator. Between two images goes
    `vae.interpolate(*vae.encode([one, other]))`.

    Example:
        vae = zoo.load("vae.mnist")
        images = vae.generate(16, seed=0)
        again = vae.reconstruct("seven.png")

    Attributes:
        likelihood: `bernoulli` where the decoder's pixels are probabilities, else `gaussian`.
    """

    main = "decoder"
    takes: ClassVar[Mapping[str, str]] = {**Coder.takes, "moments": "pixels"}

    def __init__(self, card: Card, functions: Functions) -> None:
        super().__init__(card, functions)
        self.likelihood: str = functions.facts["likelihood"]

    @classmethod
    def functions_of(cls, networks: Mapping[str, keras.Model]) -> dict[str, keras.Model]:
        """As for every autoencoder, and `moments`, means and log-variances side by side."""
        import keras

        from zoo.layers.moments import split_moments

        encoder = networks["encoder"]
        moments = keras.ops.concatenate(split_moments(encoder.output), axis=-1)
        return {**super().functions_of(networks), "moments": keras.Model(encoder.input, moments)}

    @classmethod
    def facts_of(cls, networks: Mapping[str, keras.Model]) -> dict[str, Any]:
        """As for every autoencoder, and the `likelihood`."""
        named = {layer.name for layer in networks["decoder"].layers}
        likelihood = "bernoulli" if "logits" in named else "gaussian"
        return {**super().facts_of(networks), "likelihood": likelihood}

    def warm(self, batch_sizes: Sequence[int] = (1,)) -> None:
        """As for every pipeline, and the way through the codes."""
        super().warm(batch_sizes)
        for size in batch_sizes:
            self.reconstructed(np.zeros((size, *self.input_shape), np.float32))

    def posterior(self, images: Any) -> tuple[np.ndarray, np.ndarray]:
        """Returns means and log-variances of q(z|x), each float32 (n, latent_dim).

        Args:
            images: As for `encode`.
        """
        moments = self.functions["moments"](image_rows(images, self.input_shape))
        mean, log_variance = np.split(moments, 2, axis=-1)
        return mean, log_variance
