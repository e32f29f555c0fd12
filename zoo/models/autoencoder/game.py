"""What every autoencoder's training shares: an encoder and a decoder that learn as one."""

from __future__ import annotations

from typing import Any, ClassVar

import keras
import numpy as np
from keras import ops
from keras.config import floatx

from zoo.latents import to_pixels
from zoo.layers.moments import MOMENTS
from zoo.losses.likelihoods import bernoulli_nll
from zoo.models.autoencoder.heads import LOGITS
from zoo.networks import features_of, latent_mean
from zoo.training.engine import Batch, MultiPlayerModel

# Images in a row of the pictures that a run draws.
_COLUMNS = 8


class CodingGame(MultiPlayerModel):
    """Base of the autoencoders: one player, whose networks are the encoder and the decoder.

    The likelihood is the decoder's: where it has `logits`, pixels are probabilities.

    Args:
        encoder: Pixels from 0 to 255 to codes, or to their moments.
        decoder: Codes to images in [-1, 1].

    Attributes:
        variational: Whether the encoder gives the moments of codes.

    Raises:
        ValueError: for networks that do not fit each other or the method.
    """

    players = {"autoencoder": ("encoder", "decoder")}
    rounds = (("autoencoder",),)
    published = ("encoder", "decoder")
    sample_columns: int | None = _COLUMNS
    variational: ClassVar[bool] = False

    def __init__(self, encoder: keras.Model, decoder: keras.Model, **kwargs: Any) -> None:
        if any(layer.name == MOMENTS for layer in encoder.layers) != self.variational:
            end, method = (MOMENTS, "vae") if self.variational else ("code", "autoencoder")
            raise ValueError(f"the encoder ends in a layer {end} for the method {method}")
        codes = latent_mean(encoder).output_shape[1:]
        if codes != decoder.input_shape[1:]:
            raise ValueError(
                f"the encoder gives codes of shape {codes}, the decoder takes "
                f"{decoder.input_shape[1:]}"
            )
        super().__init__({"encoder": encoder, "decoder": decoder}, **kwargs)
        self._watched: np.ndarray | None = None

    @property
    def bernoulli(self) -> bool:
        """Whether pixels are probabilities."""
        return any(layer.name == LOGITS for layer in self.decoder.layers)

    def decoded(self, codes: Any, training: bool) -> Any:
        """Returns the decoder's logits where it has them, else its images in [-1, 1]."""
        network = features_of(self.decoder, LOGITS) if self.bernoulli else self.decoder
        return ops.cast(network(codes, training=training), floatx())

    def cross_entropy(self, images: Any, logits: Any) -> Any:
        """Returns what pixels from 0 to 255 cost as shares of white, (batch,), in nats."""
        return bernoulli_nll(images / 255.0, logits)

    # Pictures.

    def watch(self, examples: Batch) -> None:
        self._watched = np.asarray(examples["image"][:64])

    def sample(self, count: int) -> np.ndarray:
        """Returns `count` images: rows of originals, below each row its reconstructions."""
        assert self._watched is not None, "watch gives the images"
        networks = self.published_networks()
        images = self._watched[np.arange(count // 2) % len(self._watched)]
        codes = latent_mean(networks["encoder"])(images.astype("float32"), training=False)
        made = to_pixels(ops.convert_to_numpy(networks["decoder"](codes, training=False)))
        starts = range(0, count // 2, _COLUMNS)
        blocks = [part[i : i + _COLUMNS] for i in starts for part in (images, made)]
        return np.concatenate(blocks)
