"""The adversarial game (Goodfellow et al. 2014, algorithm 1)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops
from keras.config import floatx

from zoo.errors import RecipeError
from zoo.latents import draw_rows, from_pixels, to_pixels
from zoo.layers.differentiable_augmentation import parse_policy
from zoo.layers.labelled_rows import classes_of
from zoo.layers.minibatch_discrimination import MinibatchDiscrimination
from zoo.losses.adversarial import ADVERSARIAL_LOSSES, feature_matching
from zoo.losses.penalties import PENALTIES, Penalty
from zoo.networks import features_of
from zoo.training.engine import Batch, Losses, MultiPlayerModel
from zoo.training.standing_statistics import take_statistics

# What the rounds of a step may share, and the rounds, for one turn of the discriminator.
_ROUNDS = {
    "nothing": (("discriminator",), ("generator",)),
    "images": (("generator",), ("discriminator",)),
    "round": (("discriminator", "generator"),),
}
# With these a discriminator's answer to one example depends on the others.
_MIXING = (keras.layers.BatchNormalization, MinibatchDiscrimination)
# Batches for the statistics of what is published, as many as in Brock et al. 2019, and of what is
# only looked at after an epoch; their size; and seeds that nobody asks images of.
_STANDING, _GLANCE, _ROWS, _FIRST_SEED = 100, 8, 32, 2**62


@keras.saving.register_keras_serializable("zoo")
class GAN(MultiPlayerModel):
    """Turns of a discriminator, then one of a generator, each on noise of its own.

    Real and generated images pass through the discriminator in separate calls, so that its batch
    norm never mixes their statistics. Where the generator's rows carry a label (`SplitLabel`), it
    draws the classes of the real batch, and the discriminator is told them.

    Args:
        generator: Latents, or latents and one-hot labels side by side, to images in [-1, 1].
        discriminator: Images in [-1, 1], or these and one-hot labels, to logits, positive for real.
        loss: A name in `ADVERSARIAL_LOSSES`.
        real_label: The discriminator's target for real images; 0.9 is one-sided smoothing.
        discriminator_steps: Turns k of the discriminator in a step (algorithm 1). The batch is
            cut into k parts: each turn sees real images of its own and an epoch all of them once,
            so `batch_size` is k times the paper's minibatch.
        share: `nothing`; `images`, where the generator goes first and the discriminator judges
            the images of that round; or `round`, where both learn from one forward pass of both.
            The last two save time and let a player answer an older opponent.
        penalty: A name in `PENALTIES`, or None. The Wasserstein loss needs one. It is of each
            example, so the discriminator has neither batch norm nor minibatch discrimination.
        penalty_weight: What it is multiplied by; None is the paper's.
        penalty_interval: Every how many steps it is computed, then so many times as heavy
            (Karras et al. 2020, "lazy regularization").
        feature_matching: A layer of the discriminator whose mean features the generator matches in
            place of its own loss (Salimans et al. 2016), such as `features`; None for its loss.
        augment: What the discriminator sees is altered by these, real or not (Zhao et al. 2020):
            names of `AUGMENTATIONS`, as `color,translation,cutout`; "" for nothing.
        publish_discriminator: Whether the discriminator is stored as well, as
            `zoo.linear_probe` needs.

    Where the generator's average is kept, what is published has that average's own statistics of
    batch norm, taken over noise.

    Raises:
        ValueError: for an option out of range, or two that exclude each other.
        UnknownModelError, InvalidInputError: for an unknown loss, penalty or layer.
    """

    players = {"discriminator": ("discriminator",), "generator": ("generator",)}
    logged: tuple[str, ...] = ("real_score", "fake_score")
    published: tuple[str, ...] = ("generator",)

    def __init__(
        self,
        generator: keras.Model,
        discriminator: keras.Model,
        *,
        loss: str = "non_saturating",
        real_label: float = 1.0,
        discriminator_steps: int = 1,
        share: str = "nothing",
        penalty: str | None = None,
        penalty_weight: float | None = None,
        penalty_interval: int = 1,
        feature_matching: str | None = None,
        augment: str = "",
        publish_discriminator: bool = False,
        **kwargs: Any,
    ) -> None:
        self._loss = ADVERSARIAL_LOSSES.get(loss)
        self._penalty = PENALTIES.get(penalty) if penalty else None
        if not 0.5 < real_label <= 1:
            raise ValueError(f"real_label must be in (0.5, 1], got {real_label}")
        if real_label != 1 and not self._loss.smooths:
            raise ValueError(f"the loss {loss} has no real_label, got {real_label}")
        if self._loss.needs_penalty and not penalty:
            raise ValueError(f"the loss {loss} needs a penalty, such as gradient_penalty")
        if penalty and any(isinstance(layer, _MIXING) for layer in discriminator.layers):
            raise ValueError(
                f"the penalty {penalty} takes the gradient of each example, and this discriminator "
                "lets examples see each other; set network.discriminator.batch_norm=false and no "
                "minibatch_kernels"
            )
        if min(discriminator_steps, penalty_interval) < 1:
            raise ValueError("discriminator_steps and penalty_interval must be at least 1")
        if share not in _ROUNDS:
            raise ValueError(f"share must be {', '.join(_ROUNDS)}, got {share!r}")
        if share != "nothing" and discriminator_steps > 1:
            raise ValueError(f"share={share} needs discriminator_steps=1")
        if feature_matching:
            features_of(discriminator, feature_matching)
        first, *others = _ROUNDS[share]
        self.rounds = (first,) * discriminator_steps + tuple(others)
        if penalty:
            self.logged = (*self.logged, "penalty")
        if publish_discriminator:
            self.published = ("generator", "discriminator")
        self._alterations = parse_policy(augment)
        super().__init__({"generator": generator, "discriminator": discriminator}, **kwargs)
        self.classes = classes_of(generator)
        self.latent_dim = generator.input_shape[-1] - self.classes
        # A column for each class.
        self.sample_columns = self.classes or None
        self.loss = loss
        self.real_label = real_label
        self.discriminator_steps = discriminator_steps
        self.share = share
        self.penalty = penalty
        self.penalty_weight = penalty_weight
        self.penalty_interval = penalty_interval
        self.feature_matching = feature_matching
        self.augment = augment
        self.publish_discriminator = publish_discriminator

    def compute_losses(
        self, batch: Batch, players: Sequence[str], training: bool = True
    ) -> tuple[Losses, Losses]:
        real, labels = self._this_turn(batch, training)
        if "generator" in players or "generated" not in batch:
            generated = self.generator(self._rows(real, labels), training=training)
        else:
            generated = batch["generated"]
        if self.share == "images":
            batch["generated"] = ops.stop_gradient(generated)
        if "generator" not in players:
            generated = ops.stop_gradient(generated)
        if training:
            seed = self.rng("augment")
            for alter in self._alterations:
                real, generated = alter(real, seed), alter(generated, seed)
        losses, logs = {}, {}
        if "discriminator" in players or not self.feature_matching:
            fake_logits = self._judge(generated, labels, training)
        if "generator" in players:
            if self.feature_matching:
                network = features_of(self.discriminator, self.feature_matching)
                features = [
                    ops.cast(self._judge(images, labels, training, network), floatx())
                    for images in (real, generated)
                ]
                losses["generator"] = feature_matching(*features)
            else:
                losses["generator"] = self._loss.generator(fake_logits)
        if "discriminator" in players:
            real_logits = self._judge(real, labels, training)
            options = {"real_label": self.real_label} if self._loss.smooths else {}
            loss = self._loss.discriminator(real_logits, fake_logits, **options)
            logs["real_score"] = ops.mean(self._loss.score(real_logits))
            logs["fake_score"] = ops.mean(self._loss.score(fake_logits))
            if self._penalty and training:
                generated = ops.stop_gradient(generated)
                logs["penalty"] = self._penalise(self._penalty, real, generated, labels)
                weight = self.penalty_weight
                loss += logs["penalty"] * (self._penalty.weight if weight is None else weight)
            losses["discriminator"] = loss
        return losses, logs

    def _this_turn(self, batch: Batch, training: bool) -> tuple[Any, Any]:
        """Returns this round's real images in [-1, 1] and, as one-hot rows, their labels."""
        images = from_pixels(batch["image"])
        labels = ops.one_hot(batch["label"], self.classes, dtype=floatx()) if self.classes else None
        turns = self.discriminator_steps
        if turns == 1 or not training:
            return images, labels
        count = ops.shape(images)[0]
        if isinstance(count, int) and count % turns:
            raise RecipeError(
                f"batch_size must be a multiple of discriminator_steps {turns}, got {count}"
            )
        size = count // turns
        first = self._round % turns * size
        part = slice(first, first + size)
        return images[part], None if labels is None else labels[part]

    def _rows(self, real: Any, labels: Any) -> Any:
        """Draws as many rows for the generator as there are real images."""
        shape = (ops.shape(real)[0], self.latent_dim)
        latents = keras.random.normal(shape, seed=self.rng("latents"))
        return ops.concatenate([latents, labels], axis=1) if self.classes else latents

    def _judge(
        self, images: Any, labels: Any, training: bool, network: keras.Model | None = None
    ) -> Any:
        """Runs the discriminator, or a part of it."""
        inputs = [images, labels] if self.classes else images
        return (network or self.discriminator)(inputs, training=training)

    def _penalise(self, penalty: Penalty, real: Any, generated: Any, labels: Any) -> Any:
        def value() -> Any:
            points = penalty.points(real, generated, self.rng("penalty"))
            return penalty.value(
                self.input_gradient(lambda images: self._judge(images, labels, True), points)
            )

        every = self.penalty_interval
        if every == 1:
            return value()
        due = ops.equal(self.step % every, 0)
        return every * ops.cond(due, value, lambda: ops.zeros((), dtype=floatx()))

    def published_networks(self) -> dict[str, keras.Model]:
        return self._published(_STANDING)

    def _published(self, batches: int) -> dict[str, keras.Model]:
        networks = super().published_networks()
        if "generator" in self.ema:
            take_statistics(networks["generator"], self._noise(batches))
        return networks

    def _noise(self, batches: int) -> Iterator[np.ndarray]:
        """Yields rows for the generator, the same ones every time; classes come in turn."""
        for batch in range(batches):
            first = _FIRST_SEED + batch * _ROWS
            yield draw_rows(range(first, first + _ROWS), self.latent_dim, self.classes)

    def sample(self, count: int) -> np.ndarray:
        generator = self._published(_GLANCE)["generator"]
        rows = draw_rows(range(count), self.latent_dim, self.classes)
        return to_pixels(ops.convert_to_numpy(generator(rows, training=False)))
