"""A discriminator tells a teacher's features from a student's (Xu, Hsu and Huang 2018)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import layers, ops

from zoo.losses.adversarial import ADVERSARIAL_LOSSES
from zoo.losses.features import normed
from zoo.models.distillation.distillation import Distillation
from zoo.models.distillation.terms import projector_key, term_losses
from zoo.training.engine import Batch, Losses, Parents

_LOSS = ADVERSARIAL_LOSSES.get("non_saturating")
# What the first round of a step leaves in the batch for the second.
_ANSWERS = "answers of the teachers"


@keras.saving.register_keras_serializable("zoo")
class AdversarialDistillation(Distillation):
    """Distillation in which the student's features are also to be taken for the teacher's.

    In the first round a discriminator learns to tell the features of the first teacher from the
    student's; in the second the student learns what `Distillation` says and, with a weight, to be
    taken for the teacher (Goodfellow et al. 2014, section 3). Features are vectors, or the means of
    maps, and are scaled by their norm; a projector gives the student's the teacher's width.

    Args:
        network: As for `Distillation`, and so is all that is not below.
        projectors: What brings the student's layers to the teacher's widths.
        discriminator: Features to a logit, positive for the teacher; None builds two dense layers.
        layer: The student's layer that is judged.
        teacher_layer: The first teacher's; None for the layer of the same name.
        weight: Weight of being taken for the teacher, above 0.
        units: Width of the discriminator's hidden layers.
        alpha: Weight of the labels.
        temperature: T of the response.
        response: How logits are compared.
        combine: How several teachers become one.
        terms: Further terms.
        views: Whether teachers look at all their test-time views.
        label_smoothing: Share of the target spread over all classes.
        parents: `{role: {"network": classifier}}`.

    Raises:
        ValueError, UnknownModelError, InvalidInputError: as for `Distillation`.
    """

    players = {"discriminator": ("discriminator",), "network": ("network", "projectors")}
    rounds: tuple[tuple[str, ...], ...] = (("discriminator",), ("network",))
    logged: tuple[str, ...] = ("accuracy", "agreement", "teacher_score", "student_score")

    def __init__(
        self,
        network: keras.Model,
        projectors: keras.Model | None = None,
        discriminator: keras.Model | None = None,
        *,
        layer: str = "features",
        teacher_layer: str | None = None,
        weight: float = 0.1,
        units: int = 128,
        alpha: float = 0.1,
        temperature: float = 4.0,
        response: str = "kl",
        combine: str = "average",
        terms: Sequence[Mapping[str, Any]] = (),
        views: bool = False,
        label_smoothing: float = 0.0,
        parents: Parents | None = None,
        **kwargs: Any,
    ) -> None:
        if not weight > 0 or units < 1:
            raise ValueError(
                f"weight must be above 0 and units at least 1, got {weight} and {units}"
            )
        self.layer = layer
        self.teacher_layer = teacher_layer
        self.weight = weight
        self.units = units
        super().__init__(
            network,
            projectors,
            alpha=alpha,
            temperature=temperature,
            response=response,
            combine=combine,
            terms=terms,
            views=views,
            label_smoothing=label_smoothing,
            parents=parents,
            networks={} if discriminator is None else {"discriminator": discriminator},
            **kwargs,
        )

    @property
    def judged(self) -> tuple[str, str]:
        """The layers of student and teacher that the discriminator sees."""
        return self.layer, self.teacher_layer or self.layer

    def inner_layers(self, side: str) -> tuple[str, ...]:
        own = self.judged[side == "teacher"]
        return tuple(dict.fromkeys((*super().inner_layers(side), own)))

    def pairs(self) -> list[tuple[str, str]]:
        return list(dict.fromkeys([*super().pairs(), self.judged]))

    def further_networks(self) -> dict[str, keras.Model]:
        width = self.taught_by().shapes()[self.judged[1]][-1]
        features = x = keras.Input((width,), name="features")
        for _ in range(2):
            x = layers.LeakyReLU(0.2)(layers.Dense(self.units, kernel_initializer="he_normal")(x))
        logit = layers.Dense(1, name="logit")(x)
        return {"discriminator": keras.Model(features, logit, name="discriminator")}

    def answers_of_teachers(self, batch: Batch, training: bool) -> tuple[Any, dict[str, Any]]:
        # Both rounds of a step ask the same.
        if _ANSWERS not in batch:
            batch[_ANSWERS] = super().answers_of_teachers(batch, training)
        return batch[_ANSWERS]

    def compute_losses(
        self, batch: Batch, players: Sequence[str], training: bool = True
    ) -> tuple[Losses, Losses]:
        outputs, inner = self.seen_by_student(batch["image"], training)
        theirs, taught = self.answers_of_teachers(batch, training)
        projected = self.projected(inner)
        own, other = self.judged
        mine = _vectors(projected.get(projector_key(own, other), inner[own]))
        losses: Losses = {}
        logs: Losses = {}
        if "discriminator" in players:
            real = self.discriminator(_vectors(taught[other]), training=training)
            fake = self.discriminator(ops.stop_gradient(mine), training=training)
            losses["discriminator"] = _LOSS.discriminator(real, fake)
            logs["teacher_score"] = ops.mean(_LOSS.score(real))
            logs["student_score"] = ops.mean(_LOSS.score(fake))
        if "network" in players:
            loss, told = self.student_loss(batch, outputs, theirs, training)
            if training:
                loss += term_losses(self._terms, inner, taught, projected)
                loss += self.weight * _LOSS.generator(self.discriminator(mine, training=training))
            losses["network"] = loss
            logs |= told
        return losses, logs


def _vectors(values: Any) -> Any:
    """Returns features (batch, d) of about unit size each; of maps they are the means."""
    if len(values.shape) == 4:
        values = ops.mean(values, axis=(1, 2))
    return normed(values) * values.shape[-1] ** 0.5
