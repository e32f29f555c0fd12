"""The adversarial game (Goodfellow et al. 2014, algorithm 1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from zoo.latents import draw_latents, to_pixels
from zoo.losses.adversarial import ADVERSARIAL_LOSSES
from zoo.training.engine import Batch, Losses, MultiPlayerModel


@keras.saving.register_keras_serializable("zoo")
class GAN(MultiPlayerModel):
    """A discriminator's round, then a generator's, each on noise of its own.

    Real and generated images pass through the discriminator in separate calls, so that its batch
    norm never mixes their statistics.

    Args:
        generator: Latents to images in [-1, 1].
        discriminator: Images in [-1, 1] to logits, positive for real.
        loss: A name in `ADVERSARIAL_LOSSES`.
        real_label: The discriminator's target for real images; 0.9 is one-sided smoothing.
    """

    players = {"discriminator": ("discriminator",), "generator": ("generator",)}
    rounds = (("discriminator",), ("generator",))
    logged = ("real_score", "fake_score")
    published = ("generator",)

    def __init__(
        self,
        generator: keras.Model,
        discriminator: keras.Model,
        *,
        loss: str = "non_saturating",
        real_label: float = 1.0,
        **kwargs: Any,
    ) -> None:
        self._loss = ADVERSARIAL_LOSSES.get(loss)
        if not 0.5 < real_label <= 1:
            raise ValueError(f"real_label must be in (0.5, 1], got {real_label}")
        super().__init__({"generator": generator, "discriminator": discriminator}, **kwargs)
        self.loss = loss
        self.real_label = real_label

    def compute_losses(
        self, batch: Batch, players: Sequence[str], training: bool = True
    ) -> tuple[Losses, Losses]:
        real = batch["image"] / 127.5 - 1.0
        shape = (ops.shape(real)[0], self.generator.input_shape[-1])
        latents = keras.random.normal(shape, seed=self.rng("latents"))
        generated = self.generator(latents, training=training)
        if "generator" in players:
            fake_logits = self.discriminator(generated, training=training)
            return {"generator": self._loss.generator(fake_logits)}, {}
        real_logits = self.discriminator(real, training=training)
        fake_logits = self.discriminator(ops.stop_gradient(generated), training=training)
        loss = self._loss.discriminator(real_logits, fake_logits, self.real_label)
        scores = {
            "real_score": ops.mean(ops.sigmoid(real_logits)),
            "fake_score": ops.mean(ops.sigmoid(fake_logits)),
        }
        return {"discriminator": loss}, scores

    def sample(self, count: int) -> np.ndarray:
        generator = self.published_networks()["generator"]
        latents = draw_latents(range(count), generator.input_shape[-1])
        return to_pixels(ops.convert_to_numpy(generator(latents, training=False)))
