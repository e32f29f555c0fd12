"""The pipelines of autoencoders: images to codes and back."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.cards import Card
from zoo.errors import InvalidInputError
from zoo.generation import Generator
from zoo.inputs import image_rows
from zoo.latents import to_pixels
from zoo.pipelines import Pipeline, float32_of

if TYPE_CHECKING:
    import keras

Function = Callable[[np.ndarray], np.ndarray]


class Coder(Pipeline):
    """What every autoencoder can do, plain or variational.

    The code of a variational one is the mean of its posterior.

    Attributes:
        input_shape: (height, width, channels) of an image.
        code_shape: Of a code, such as (16,) or (7, 7, 4).
    """

    # Codes to images in [-1, 1]; a subclass compiles it.
    _images: Function

    def __init__(self, card: Card, networks: Mapping[str, keras.Model]) -> None:
        super().__init__(card, networks)
        self.input_shape: tuple[int, ...] = tuple(self.networks["encoder"].input_shape[1:])
        self.code_shape: tuple[int, ...] = tuple(self.networks["decoder"].input_shape[1:])

    @functools.cached_property
    def _codes(self) -> Function:
        # Compiled when it is first asked for: who only draws images needs no encoder.
        from zoo.networks import latent_mean
        from zoo.runtime import compile_network

        return compile_network(latent_mean(self.networks["encoder"]), smallest=8)

    def encode(self, images: Any) -> np.ndarray:
        """Returns the codes of one image or many, float32 (n, *code_shape).

        Args:
            images: See `zoo.inputs.image_rows` for what is taken.

        Raises:
            InvalidInputError: for what cannot be read as images.
        """
        return self._codes(image_rows(images, self.input_shape))

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
        return to_pixels(self._images(rows))

    def reconstruct(self, images: Any) -> np.ndarray:
        """Returns images after the way through their codes, uint8 (n, height, width, channels).

        Args:
            images: As for `encode`.
        """
        return self.decode(self.encode(images))


class Autoencoder(Coder):
    """Turns images into codes and codes into images.

    Example:
        autoencoder = zoo.load("autoencoder.fashion_mnist")
        codes = autoencoder.encode(["shoe.png", "coat.jpg"])
        images = autoencoder.decode(codes)
    """

    task = "reconstruction"

    def __init__(self, card: Card, networks: Mapping[str, keras.Model]) -> None:
        super().__init__(card, networks)
        from zoo.runtime import compile_network

        # As for a generator: a small batch may round otherwise, and a row must not see its mates.
        self._images = compile_network(self.networks["decoder"], smallest=8)

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
        """Reconstructs rows: pixels 0 to 255, float32 (n, …), to uint8 (n, …)."""
        return to_pixels(self._images(self._codes(rows)))


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

    def __init__(self, card: Card, networks: Mapping[str, keras.Model]) -> None:
        super().__init__(card, networks)
        named = {layer.name for layer in self.networks["decoder"].layers}
        self.likelihood = "bernoulli" if "logits" in named else "gaussian"

    @functools.cached_property
    def _moments(self) -> Function:
        from zoo.runtime import compile_network

        return compile_network(self.networks["encoder"], smallest=8)

    def posterior(self, images: Any) -> tuple[np.ndarray, np.ndarray]:
        """Returns means and log-variances of q(z|x), each float32 (n, latent_dim).

        Args:
            images: As for `encode`.
        """
        import keras

        from zoo.layers.moments import split_moments

        mean, log_variance = split_moments(self._moments(image_rows(images, self.input_shape)))
        return mean, keras.ops.convert_to_numpy(log_variance)
