"""The autoencoder (Rumelhart, Hinton and Williams 1986): an image through a narrow code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops
from keras.config import floatx

from zoo.models.autoencoder.game import CodingGame
from zoo.training.engine import Batch, Losses


@keras.saving.register_keras_serializable("zoo")
class Autoencoder(CodingGame):
    """Learns to give images back: the mean over the batch of

        ||x - d(e(x + noise))||^2 + sparsity · ||e(x + noise)||_1,

    sums over pixels from 0 to 1 and over the numbers of a code. Of a decoder with logits the first
    term is the cross-entropy (`zoo.losses.likelihoods.bernoulli_nll`), summed likewise. Logged is
    `mse`, the mean over pixels, in any case.

    Args:
        encoder: Pixels from 0 to 255 to codes.
        decoder: Codes to images in [-1, 1].
        noise: Deviation of Gaussian noise that is added to the images that are to be encoded, in
            shares of the range of pixels; what is to come out is the clean image (Vincent et al.
            2010, section 3). 0 for none.
        sparsity: Weight of the absolute sum of a code.

    Raises:
        ValueError: for a negative option, or networks that do not fit each other.
    """

    logged = ("mse",)

    def __init__(
        self,
        encoder: keras.Model,
        decoder: keras.Model,
        *,
        noise: float = 0.0,
        sparsity: float = 0.0,
        **kwargs: Any,
    ) -> None:
        for option, value in (("noise", noise), ("sparsity", sparsity)):
            if value < 0:
                raise ValueError(f"{option} must be 0 or more, got {value}")
        super().__init__(encoder, decoder, **kwargs)
        self.noise = noise
        self.sparsity = sparsity

    def compute_losses(
        self, batch: Batch, players: Sequence[str], training: bool = True
    ) -> tuple[Losses, Losses]:
        images = seen = batch["image"]
        if self.noise and training:
            drawn = keras.random.normal(ops.shape(images), dtype=floatx(), seed=self.rng("noise"))
            seen = ops.clip(images + 255.0 * self.noise * drawn, 0.0, 255.0)
        codes = self.encoder(seen, training=training)
        outputs = self.decoded(codes, training)
        pixels = ops.sigmoid(outputs) if self.bernoulli else (outputs + 1.0) / 2.0
        errors = ops.square(images / 255.0 - pixels)
        each = (
            self.cross_entropy(images, outputs)
            if self.bernoulli
            else ops.sum(errors, axis=(1, 2, 3))
        )
        loss = ops.mean(each)
        if self.sparsity:
            sizes = ops.abs(ops.cast(codes, floatx()))
            sums = ops.sum(sizes, axis=tuple(range(1, len(sizes.shape))))
            loss += self.sparsity * ops.mean(sums)
        return {"autoencoder": loss}, {"mse": ops.mean(errors)}
