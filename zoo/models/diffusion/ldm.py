"""Diffusion of latents (Rombach et al. 2022): the U-Net between the halves of an autoencoder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from zoo.models.diffusion import unet
from zoo.models.diffusion.diffusion import DenoisingGame
from zoo.networks import latent_mean
from zoo.training.engine import Batch, Parents

# Images that the deviation of the latents is taken over, and how many are encoded at once.
_MEASURED, _AT_ONCE = 10_000, 250


@keras.saving.register_keras_serializable("zoo")
class LatentScale(keras.layers.Layer):
    """Divides latents by their deviation over the training images, or multiplies them by it.

    So the noise meets latents of about unit size, whatever the autoencoder's are (Rombach et al.
    2022, appendix G). The deviation is a weight, 1 until it is set, which no optimizer moves: it is
    stored with the network.

    Args:
        invert: Whether it multiplies.

    Shape:
        (batch, …) to the same.
    """

    def __init__(self, invert: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.invert = invert

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.deviation = self.add_weight(
            shape=(), initializer="ones", trainable=False, autocast=False, name="deviation"
        )

    def call(self, inputs: Any) -> Any:
        deviation = ops.cast(self.deviation, inputs.dtype)
        return inputs * deviation if self.invert else inputs / deviation

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "invert": self.invert}


def encoder(
    parents: Parents | None = None, input_shape: Sequence[int] | None = None
) -> keras.Model:
    """Builds the way to the latents: the autoencoder's means, scaled.

    Args:
        parents: `{"autoencoder": {"encoder": …, "decoder": …}}`, as of a stored `kl_autoencoder`.
        input_shape: (height, width, channels) of the images to learn from; None for those of the
            autoencoder.

    Returns:
        A model from `images`, pixels 0 to 255, to latents (batch, h, w, channels) of deviation 1
        once `LatentDiffusion` has begun. It does not learn.

    Raises:
        ValueError: without an autoencoder, for one whose latents are no maps, or for one of images
            of another shape.
    """
    parent, _ = _autoencoder(parents)
    if input_shape is not None and tuple(input_shape) != tuple(parent.input_shape[1:]):
        raise ValueError(
            f"the autoencoder is for images of shape {tuple(parent.input_shape[1:])}, "
            f"these have {tuple(input_shape)}"
        )
    images = keras.Input(parent.input_shape[1:], name="images")
    # A model within the model, not its layers: the layer `moments` is not where this one ends.
    network = keras.Model(images, LatentScale(name="scale")(parent(images)), name="encoder")
    network.trainable = False
    return network


def decoder(parents: Parents | None = None) -> keras.Model:
    """Builds the way back: from `latents` of deviation 1 to images in [-1, 1]; see `encoder`."""
    _, parent = _autoencoder(parents)
    latents = keras.Input(parent.input_shape[1:], name="latents")
    scaled = LatentScale(invert=True, name="scale")(latents)
    network = keras.Model(latents, parent(scaled), name="decoder")
    network.trainable = False
    return network


def denoiser(
    parents: Parents | None = None,
    classes: int = 0,
    schedule: str | Mapping[str, Any] = "cosine",
    prediction: str = "v",
    width: int = 48,
    multipliers: Sequence[int] = (1, 2),
    blocks: int = 1,
    attention: Sequence[int] = (),
    heads: int = 4,
    dropout: float = 0.0,
) -> keras.Model:
    """Builds the U-Net for the autoencoder's latents.

    Args:
        parents: As for `encoder`.
        classes: As for `unet.denoiser`, and so are all that follow.
        schedule: The noise.
        prediction: What is predicted.
        width: Channels of the largest map.
        multipliers: Channels of each map as multiples.
        blocks: Residual blocks on each map.
        attention: Heights of the maps that have self-attention.
        heads: Heads of the attention.
        dropout: Share dropped within a block.

    Returns:
        As `unet.denoiser`.

    Raises:
        ValueError, InvalidInputError: as for `encoder` and `unet.denoiser`.
    """
    _, parent = _autoencoder(parents)
    return unet.denoiser(
        parent.input_shape[1:],
        classes,
        schedule,
        prediction,
        width,
        multipliers,
        blocks,
        attention,
        heads,
        dropout,
    )


def _autoencoder(parents: Parents | None) -> tuple[keras.Model, keras.Model]:
    """Returns an autoencoder's encoder, which gives the means alone, and its decoder."""
    known = (parents or {}).get("autoencoder", {})
    if not {"encoder", "decoder"} <= set(known):
        raise ValueError(
            "latent diffusion needs a stored autoencoder with encoder and decoder, such as "
            '{"autoencoder": {"model": "kl_autoencoder.fashion_mnist"}} in the recipe\'s parents'
        )
    one, other = latent_mean(known["encoder"]), known["decoder"]
    if len(one.output_shape) != 4 or one.output_shape[1:] != other.input_shape[1:]:
        raise ValueError(
            "the latents of the autoencoder must be maps (height, width, channels), "
            f"got {one.output_shape[1:]} from the encoder, {other.input_shape[1:]} in the decoder"
        )
    return one, other


@keras.saving.register_keras_serializable("zoo")
class LatentDiffusion(DenoisingGame):
    """Diffusion of an autoencoder's latents; encoder and decoder stay as they are.

    Before the first step the deviation of the latents, over all their elements of up to 10,000
    training images, goes into the `LatentScale` of encoder and decoder.

    Args:
        denoiser: As `denoiser` builds it.
        encoder: As `encoder` builds it.
        decoder: As `decoder` builds it.
        loss_weight: As for `DenoisingGame`.
        label_dropout: Likewise.
        sampling: Likewise.
    """

    published = ("denoiser", "encoder", "decoder")
    clip = False

    def __init__(
        self,
        denoiser: keras.Model,
        encoder: keras.Model,
        decoder: keras.Model,
        *,
        loss_weight: str = "simple",
        label_dropout: float = 0.1,
        sampling: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            {"denoiser": denoiser, "encoder": encoder, "decoder": decoder},
            loss_weight=loss_weight,
            label_dropout=label_dropout,
            sampling=sampling,
            **kwargs,
        )

    def begin(self, examples: Batch) -> None:
        images = examples["image"]
        # From all over, for some sets are in the order of their classes.
        images = images[:: -(-len(images) // _MEASURED)]
        self._set_deviation(1.0)
        latents = [
            ops.convert_to_numpy(self.encoded(images[i : i + _AT_ONCE].astype("float32")))
            for i in range(0, len(images), _AT_ONCE)
        ]
        self._set_deviation(float(np.concatenate(latents).std(dtype=np.float64)) or 1.0)

    def _set_deviation(self, deviation: float) -> None:
        for network in (self.encoder, self.decoder):
            for layer in network.layers:
                if isinstance(layer, LatentScale):
                    layer.deviation.assign(deviation)

    def encoded(self, images: Any) -> Any:
        """Turns pixels, 0 to 255, into latents of deviation 1."""
        return self.encoder(images, training=False)

    def decoded(self, samples: np.ndarray) -> np.ndarray:
        """Turns latents into images in [-1, 1]."""
        return ops.convert_to_numpy(self.decoder(samples, training=False))
