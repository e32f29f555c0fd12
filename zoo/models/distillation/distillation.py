"""A student learns from labels and from fixed teachers (Hinton, Vinyals and Dean 2015)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import ops
from keras.config import floatx

from zoo.errors import did_you_mean, nearest
from zoo.losses.distillation import COMBINATIONS, above_zero, logit_mse, mixed, soft_kl
from zoo.models.distillation.teachers import Teachers
from zoo.models.distillation.terms import (
    build_projectors,
    layers_of,
    parse_terms,
    projected_pairs,
    projector_key,
    require_comparable,
    term_losses,
)
from zoo.networks import features_of, split_outputs, with_layers
from zoo.training.classification import Classification, agreement, shares
from zoo.training.engine import Batch, Losses, Parents
from zoo.training.teachers import TEACHER_LOGITS, kept_answers

RESPONSES = ("kl", "mse")


@keras.saving.register_keras_serializable("zoo")
class Distillation(Classification):
    """Minimises alpha CE(labels) + (1 - alpha) R(teacher) + the terms of inner layers.

    R compares logits. The teachers are the recipe's parents whose roles begin with `teacher`. They
    are no players, run as in inference, and see the very images that the student sees, augmented or
    not. A game that is loaded from a file is without them: it answers, and does not learn on.

    What validation reports as `loss` is the plain cross-entropy of labels, or R where labels have
    no weight; `agreement` is the share of images on which student and teacher answer alike
    (Stanton et al. 2021).

    Args:
        network: The student, a classifier.
        projectors: What brings its layers to a teacher's widths; None builds them as needed.
        alpha: Weight of the labels, in [0, 1]. At 0 no label is read, in training or validation.
        temperature: T of R, above 0 (section 2).
        response: R: `kl`, T^2 times the divergence of softened outputs, or `mse` of logits.
        combine: How several teachers become one: `average`, weighted by `confidence`, or for each
            example the `best`, as `zoo.losses.distillation` says.
        terms: Further terms, as `parse_terms` takes them; of several teachers the first is meant.
        views: Whether teachers look at all their test-time views.
        cache: Whether the teachers' logits of the training images are computed once and kept on
            disk. Then there is no augmentation and no term.
        label_smoothing: As for `Classification`.
        parents: `{role: {"network": classifier}}`.

    Raises:
        ValueError: for an option out of range, or teachers and layers that do not fit the student.
        UnknownModelError, InvalidInputError: for an unknown term or layer.
    """

    players = {"network": ("network", "projectors")}
    rounds: tuple[tuple[str, ...], ...] = (("network",),)
    logged: tuple[str, ...] = ("accuracy", "agreement")

    def __init__(
        self,
        network: keras.Model,
        projectors: keras.Model | None = None,
        *,
        alpha: float = 0.1,
        temperature: float = 4.0,
        response: str = "kl",
        combine: str = "average",
        terms: Sequence[Mapping[str, Any]] = (),
        views: bool = False,
        cache: bool = False,
        label_smoothing: float = 0.0,
        parents: Parents | None = None,
        **kwargs: Any,
    ) -> None:
        if not 0 <= alpha <= 1:
            raise ValueError(f"alpha must be in [0, 1], got {alpha}")
        above_zero("temperature", temperature)
        for name, value, known in (
            ("response", response, RESPONSES),
            ("combine", combine, COMBINATIONS),
        ):
            if value not in known:
                near = did_you_mean(nearest(str(value), known))
                raise ValueError(f"{name} must be {', '.join(known)}, got {value!r}{near}")
        self._terms = parse_terms(terms)
        if alpha == 1 and not self.inner_layers("teacher"):
            raise ValueError("with alpha 1 and no terms nothing is learned from the teacher")
        if cache and self._terms:
            raise ValueError("cache keeps a teacher's logits alone; terms need its layers, too")
        # A game that comes from a file has no teachers.
        self._teachers = None if parents is None else self._panel(parents, network, views)
        if self._teachers is not None and projectors is None:
            own = self._shapes(network)
            theirs = self._teachers.shapes()
            require_comparable(self._terms, own, theirs)
            projectors = build_projectors(self.pairs(), own, theirs)
        if alpha == 0:
            self.logged = tuple(name for name in self.logged if name != "accuracy")
        further = {} if self._teachers is None else self.further_networks()
        networks = {"network": network, **further, **kwargs.pop("networks", {})}
        if projectors is not None:
            networks["projectors"] = projectors
        super().__init__(networks, label_smoothing=label_smoothing, **kwargs)
        self.projectors = projectors
        self.alpha = alpha
        self.temperature = temperature
        self.response = response
        self.combine = combine
        self.terms = [dict(term) for term in terms]
        self.views = views
        self.cache = cache

    def _panel(self, parents: Parents, network: keras.Model, views: bool) -> Teachers:
        return Teachers(parents, network, self.inner_layers("teacher"), views)

    def _shapes(self, network: keras.Model) -> dict[str, tuple[int, ...]]:
        wanted = self.inner_layers("student")
        outputs = features_of(network, wanted).output if wanted else {}
        return {name: tuple(one.shape[1:]) for name, one in outputs.items()}

    def inner_layers(self, side: str) -> tuple[str, ...]:
        """Returns the names of the layers of the `student` or the `teacher` that are looked at."""
        return layers_of(self._terms, side)

    def pairs(self) -> list[tuple[str, str]]:
        """Returns the layers of student and teacher that must be of one width."""
        return projected_pairs(self._terms)

    def further_networks(self) -> dict[str, keras.Model]:
        """Builds the networks of other players, where a method has any, for these teachers."""
        return {}

    def player_networks(self, player: str) -> list[keras.Model]:
        # Not every student has projectors.
        owned = self.players[player]
        return [getattr(self, name) for name in owned if name in self.network_names]

    def further_arrays(self, examples: Batch) -> Batch:
        return kept_answers(self.taught_by().networks, examples) if self.cache else {}

    def taught_by(self) -> Teachers:
        """Returns the teachers.

        Raises:
            ValueError: in a game that was loaded from a file, which is without them.
        """
        if self._teachers is None:
            raise ValueError("this game has no teachers; `zoo train` builds it with its own")
        return self._teachers

    def compute_losses(
        self, batch: Batch, players: Sequence[str], training: bool = True
    ) -> tuple[Losses, Losses]:
        outputs, inner = self.seen_by_student(batch["image"], training)
        theirs, layers = self.answers_of_teachers(batch, training)
        loss, logs = self.student_loss(batch, outputs, theirs, training)
        if training:
            loss += term_losses(self._terms, inner, layers, self.projected(inner))
        return {"network": loss}, logs

    def seen_by_student(self, images: Any, training: bool) -> tuple[Any, dict[str, Any]]:
        """Returns, of one pass, the student's outputs and the layers that are looked at by name."""
        wanted = self.inner_layers("student")
        if not wanted:
            return self.network(images, training=training), {}
        outputs, inner = with_layers(self.network, wanted)(images, training=training)
        return outputs, {name: ops.cast(value, floatx()) for name, value in inner.items()}

    def projected(self, inner: Mapping[str, Any]) -> Mapping[str, Any]:
        """Returns the student's layers that have a projector, as wide as the teacher's."""
        if self.projectors is None:
            return {}
        inputs = {projector_key(*pair): inner[pair[0]] for pair in self.pairs()}
        return self.projectors({key: inputs[key] for key in self.projectors.output})

    def answers_of_teachers(self, batch: Batch, training: bool) -> tuple[Any, dict[str, Any]]:
        """Returns the teachers' logits, (teachers, batch, classes), and the first one's layers."""
        if not (self.cache and training):
            return self.taught_by()(batch["image"])
        if TEACHER_LOGITS not in batch:
            raise ValueError("with cache=true batches hold what `further_arrays` gives")
        kept = ops.cast(batch[TEACHER_LOGITS], floatx())
        return ops.transpose(kept, (1, 0, 2)), {}

    def student_loss(
        self, batch: Batch, outputs: Any, theirs: Any, training: bool
    ) -> tuple[Any, Losses]:
        """Returns the loss of the student's outputs, without that of inner layers, and the logs.

        Args:
            batch: The batch; its labels are read where they have a weight.
            outputs: What the student gives, auxiliary outputs included.
            theirs: Logits of the teachers, (teachers, batch, classes).
            training: Whether it is the loss to learn from, or that to report.
        """
        logits, _ = split_outputs(outputs)
        targets = shares(batch["label"], logits.shape[-1]) if self.alpha else None
        weights = COMBINATIONS[self.combine](theirs, targets)
        if self.response == "mse":
            target = ops.sum(weights[..., None] * theirs, axis=0)
            response = ops.mean(logit_mse(target, logits))
        else:
            target = mixed(theirs, weights, self.temperature)
            response = ops.mean(soft_kl(target, logits, self.temperature))
        logs = {"agreement": agreement(outputs, target)}
        if targets is None:
            return response, logs
        logs["accuracy"] = agreement(outputs, targets)
        loss = self.label_loss(outputs, batch["label"], training)
        if training:
            loss = self.alpha * loss + (1 - self.alpha) * response
        return loss, logs
