"""The game of unpaired translation: two generators there and back, a discriminator a domain."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import keras
import numpy as np
from keras import ops

from zoo.latents import from_pixels, to_pixels
from zoo.losses.adversarial import ADVERSARIAL_LOSSES
from zoo.training.engine import Batch, Losses, MultiPlayerModel


class TranslationGame(MultiPlayerModel):
    """Base of CycleGAN and DiscoGAN: each translation must look right and lead back.

    A batch holds images of two domains, `a/image` and `b/image`, that do not belong together.
    The generators' loss is

        adversarial · (L(d_b(g_ab(a))) + L(d_a(g_ba(b)))) + cycle · (d(g_ba(g_ab(a)), a) + d(…, b))

    with L the generator's part of an adversarial loss and d a distance of the subclass.

    Args:
        g_ab: Images of a, in [-1, 1], to images of b, in [-1, 1].
        g_ba: The way back.
        d_a: Images in [-1, 1] to logits, positive for real images of a; of any shape.
        d_b: The same for b.
        loss: A name in `ADVERSARIAL_LOSSES`.
        adversarial: Weight of the adversarial loss, for both players.
        cycle: Weight of the reconstruction.
    """

    players = {"generators": ("g_ab", "g_ba"), "discriminators": ("d_a", "d_b")}
    rounds = (("generators",), ("discriminators",))
    logged: tuple[str, ...] = ("reconstruction_loss",)
    published = ("g_ab", "g_ba")
    images = ("a/image", "b/image")
    sample_columns = 8
    discriminator_share: ClassVar[float] = 1.0

    def __init__(
        self,
        g_ab: keras.Model,
        g_ba: keras.Model,
        d_a: keras.Model,
        d_b: keras.Model,
        *,
        loss: str,
        adversarial: float,
        cycle: float,
        **kwargs: Any,
    ) -> None:
        self._loss = ADVERSARIAL_LOSSES.get(loss)
        if self._loss.needs_penalty:
            raise ValueError(f"the loss {loss} needs a penalty, and this method has none")
        for option, value in (("adversarial", adversarial), ("cycle", cycle)):
            if value < 0:
                raise ValueError(f"{option} must be 0 or more, got {value}")
        super().__init__({"g_ab": g_ab, "g_ba": g_ba, "d_a": d_a, "d_b": d_b}, **kwargs)
        self.loss = loss
        self.adversarial = adversarial
        self.cycle = cycle
        self._watched: dict[str, np.ndarray] = {}

    # What a subclass writes.

    def distance(self, one: Any, other: Any) -> Any:
        """Returns how far two batches of images in [-1, 1] are apart, a scalar."""
        raise NotImplementedError

    @property
    def cycle_weight(self) -> Any:
        """The weight of the reconstruction in this step."""
        return self.cycle

    def further_losses(self, a: Any, b: Any, training: bool) -> tuple[Any, Losses]:
        """Returns what the generators' loss has beside, and values to log."""
        return 0.0, {}

    def shown(self, made: Any, domain: str) -> Any:
        """Returns the translated images that the discriminator of a domain learns from."""
        return made

    # The game.

    def compute_losses(
        self, batch: Batch, players: Sequence[str], training: bool = True
    ) -> tuple[Losses, Losses]:
        a, b = (from_pixels(batch[key]) for key in self.images)
        # The discriminators judge what the generators' round has made, if there was one.
        if "generators" in players or "a/made" not in batch:
            batch["a/made"] = self.g_ba(b, training=training)
            batch["b/made"] = self.g_ab(a, training=training)
        made_a, made_b = batch["a/made"], batch["b/made"]
        if "discriminators" in players:
            loss = self._judged(self.d_a, a, made_a, "a", training)
            loss = loss + self._judged(self.d_b, b, made_b, "b", training)
            return {"discriminators": self.discriminator_share * self.adversarial * loss}, {}
        game = self._loss.generator(self.d_a(made_a, training=training))
        game = game + self._loss.generator(self.d_b(made_b, training=training))
        back = self.distance(self.g_ba(made_b, training=training), a)
        back = back + self.distance(self.g_ab(made_a, training=training), b)
        further, logs = self.further_losses(a, b, training)
        loss = self.adversarial * game + self.cycle_weight * back + further
        return {"generators": loss}, {"reconstruction_loss": back, **logs}

    def _judged(
        self, discriminator: keras.Model, real: Any, made: Any, domain: str, training: bool
    ) -> Any:
        made = ops.stop_gradient(made)
        if training:
            made = self.shown(made, domain)
        # Apart, so that batch norm never mixes the statistics of real and translated images.
        return self._loss.discriminator(
            discriminator(real, training=training), discriminator(made, training=training)
        )

    # Pictures.

    def watch(self, examples: Batch) -> None:
        self._watched = {key: np.asarray(examples[key][:64]) for key in self.images}

    def sample(self, count: int) -> np.ndarray:
        """Returns `count` images: rows of a, their translations, of b, their translations."""
        networks = self.published_networks()
        rows = []
        for key, network in zip(self.images, ("g_ab", "g_ba"), strict=True):
            known = self._watched[key]
            images = known[np.arange(count // 4) % len(known)]
            inputs = from_pixels(images.astype("float32"))
            made = ops.convert_to_numpy(networks[network](inputs, training=False))
            rows += [images, to_pixels(made)]
        columns = self.sample_columns
        blocks = [part[i : i + columns] for i in range(0, count // 4, columns) for part in rows]
        return np.concatenate(blocks)
