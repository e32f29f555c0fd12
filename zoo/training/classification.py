"""Classifiers that learn from labels: what all their methods share, and the plainest of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import keras
from keras import ops

from zoo.errors import did_you_mean, nearest
from zoo.layers.test_time import with_views
from zoo.losses.classification import LOSSES
from zoo.networks import main_output, split_outputs
from zoo.training.engine import Batch, Losses, MultiPlayerModel


class Classification(MultiPlayerModel):
    """Base of the methods whose networks are classifiers that learn from labels.

    Args:
        networks: As for `MultiPlayerModel`; `network` is what is published. Each takes images and
            gives logits; or several outputs, of which the first, or in a dictionary `logits`, is
            the main one and the others are auxiliary classifiers, such as GoogLeNet's. These take
            part in training alone: they are neither evaluated nor published.
        loss: One of `zoo.losses.classification.LOSSES`.
        label_smoothing: Share of the target spread over all classes (Szegedy et al. 2016, sec. 7).
            Applies to training; evaluation reports the plain loss.
        auxiliary_weight: Weight of each auxiliary classifier's loss (Szegedy et al. 2015, sec. 5),
            at least 0.
        test_time_flip: Whether the published network averages over an image and its mirror image.
        test_time_shift: Pixels by which it moves further views, see `with_views`; 0 for none.

    Raises:
        ValueError: for an option out of range.
    """

    published = ("network",)
    labels: ClassVar[dict[str, str]] = {"image": "label"}

    def __init__(
        self,
        networks: Mapping[str, keras.Model],
        *,
        loss: str = "cross_entropy",
        label_smoothing: float = 0.0,
        auxiliary_weight: float = 0.3,
        test_time_flip: bool = False,
        test_time_shift: int = 0,
        **kwargs: Any,
    ) -> None:
        if loss not in LOSSES:
            near = did_you_mean(nearest(str(loss), LOSSES))
            raise ValueError(f"loss must be {', '.join(LOSSES)}, got {loss!r}{near}")
        if not 0 <= label_smoothing < 1:
            raise ValueError(f"label_smoothing must be in [0, 1), got {label_smoothing}")
        if auxiliary_weight < 0:
            raise ValueError(f"auxiliary_weight must be 0 or more, got {auxiliary_weight}")
        if test_time_shift < 0:
            raise ValueError(f"test_time_shift must be 0 or more, got {test_time_shift}")
        super().__init__(networks, **kwargs)
        self.loss = loss
        self.label_smoothing = label_smoothing
        self.auxiliary_weight = auxiliary_weight
        self.test_time_flip = test_time_flip
        self.test_time_shift = test_time_shift

    def label_loss(self, outputs: Any, label: Any, training: bool) -> Any:
        """Returns the loss of a network's outputs against labels, a scalar.

        Args:
            outputs: What the network gives, auxiliary outputs included.
            label: Integers (batch,), or shares (batch, classes).
            training: Whether to smooth the labels and to count the auxiliary outputs.
        """
        logits, auxiliary = split_outputs(outputs)
        classes = logits.shape[-1]
        smoothing = self.label_smoothing if training else 0.0
        targets = shares(label, classes) * (1 - smoothing) + smoothing / classes
        loss_of = LOSSES[self.loss]
        loss = ops.mean(loss_of(targets, logits))
        if training:
            loss += self.auxiliary_weight * sum(ops.mean(loss_of(targets, a)) for a in auxiliary)
        return loss

    def published_networks(self) -> dict[str, keras.Model]:
        networks = super().published_networks()
        networks["network"] = main_output(networks["network"])
        if self.test_time_flip or self.test_time_shift:
            networks["network"] = with_views(
                networks["network"], self.test_time_flip, self.test_time_shift
            )
        return networks


def shares(label: Any, classes: int) -> Any:
    """Returns labels as shares of the classes, (batch, classes); shares stay as they are."""
    return label if len(label.shape) == 2 else ops.one_hot(label, classes)


def agreement(outputs: Any, targets: Any) -> Any:
    """Returns on what share of the examples two rows have their greatest value in one class.

    Args:
        outputs: A network's outputs, auxiliary ones included.
        targets: Logits or shares, (batch, classes).
    """
    logits, _ = split_outputs(outputs)
    same = ops.equal(ops.argmax(logits, -1), ops.argmax(targets, -1))
    return ops.mean(ops.cast(same, "float32"))


@keras.saving.register_keras_serializable("zoo")
class Supervised(Classification):
    """Minimises a loss of a classifier's outputs.

    Args:
        network: As for `Classification`, and so are all options.
        loss: The loss.
        label_smoothing: Share of the target spread over all classes.
        auxiliary_weight: Weight of each auxiliary classifier's loss.
        test_time_flip: Whether the published network sees mirror images, too.
        test_time_shift: Pixels by which it moves further views.
    """

    players = {"network": ("network",)}
    rounds = (("network",),)
    logged = ("accuracy",)

    def __init__(
        self,
        network: keras.Model,
        *,
        loss: str = "cross_entropy",
        label_smoothing: float = 0.0,
        auxiliary_weight: float = 0.3,
        test_time_flip: bool = False,
        test_time_shift: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            {"network": network},
            loss=loss,
            label_smoothing=label_smoothing,
            auxiliary_weight=auxiliary_weight,
            test_time_flip=test_time_flip,
            test_time_shift=test_time_shift,
            **kwargs,
        )

    def compute_losses(
        self, batch: Batch, players: Sequence[str], training: bool = True
    ) -> tuple[Losses, Losses]:
        outputs, label = self.network(batch["image"], training=training), batch["label"]
        targets = shares(label, split_outputs(outputs)[0].shape[-1])
        loss = self.label_loss(outputs, label, training)
        return {"network": loss}, {"accuracy": agreement(outputs, targets)}
