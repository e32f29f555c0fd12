"""Supervised classification: one player, one loss of its outputs against the labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from zoo.errors import did_you_mean, nearest
from zoo.layers.test_time import with_views
from zoo.losses.classification import LOSSES
from zoo.networks import main_output, split_outputs
from zoo.training.engine import Batch, Losses, MultiPlayerModel


@keras.saving.register_keras_serializable("zoo")
class Supervised(MultiPlayerModel):
    """Minimises a loss of a classifier's outputs.

    Args:
        network: Images to logits; or to several outputs, of which the first, or in a dictionary
            `logits`, is the main one and the others are auxiliary classifiers, such as
            GoogLeNet's. These take part in training alone: they are neither evaluated nor
            published.
        loss: One of `zoo.losses.classification.LOSSES`.
        label_smoothing: Share of the target spread over all classes (Szegedy et al. 2016, sec. 7).
            Applies to training; evaluation reports the plain loss.
        auxiliary_weight: Weight of each auxiliary classifier's loss (Szegedy et al. 2015, sec. 5),
            at least 0.
        test_time_flip: Whether the published network averages over an image and its mirror image.
        test_time_shift: Pixels by which it moves further views, see `with_views`; 0 for none.
    """

    players = {"network": ("network",)}
    rounds = (("network",),)
    logged = ("accuracy",)
    published = ("network",)
    labels = {"image": "label"}

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
        if loss not in LOSSES:
            near = did_you_mean(nearest(str(loss), LOSSES))
            raise ValueError(f"loss must be {', '.join(LOSSES)}, got {loss!r}{near}")
        if not 0 <= label_smoothing < 1:
            raise ValueError(f"label_smoothing must be in [0, 1), got {label_smoothing}")
        if auxiliary_weight < 0:
            raise ValueError(f"auxiliary_weight must be 0 or more, got {auxiliary_weight}")
        if test_time_shift < 0:
            raise ValueError(f"test_time_shift must be 0 or more, got {test_time_shift}")
        super().__init__({"network": network}, **kwargs)
        self.loss = loss
        self.label_smoothing = label_smoothing
        self.auxiliary_weight = auxiliary_weight
        self.test_time_flip = test_time_flip
        self.test_time_shift = test_time_shift

    def compute_losses(
        self, batch: Batch, players: Sequence[str], training: bool = True
    ) -> tuple[Losses, Losses]:
        logits, auxiliary = split_outputs(self.network(batch["image"], training=training))
        labels = batch["label"]
        classes = logits.shape[-1]
        shares = labels if len(labels.shape) == 2 else ops.one_hot(labels, classes)
        smoothing = self.label_smoothing if training else 0.0
        targets = shares * (1 - smoothing) + smoothing / classes
        correct = ops.equal(ops.argmax(logits, -1), ops.argmax(shares, -1))
        loss_of = LOSSES[self.loss]
        loss = ops.mean(loss_of(targets, logits))
        if training:
            loss += self.auxiliary_weight * sum(ops.mean(loss_of(targets, a)) for a in auxiliary)
        return {"network": loss}, {"accuracy": ops.mean(ops.cast(correct, "float32"))}

    def published_networks(self) -> dict[str, keras.Model]:
        networks = super().published_networks()
        networks["network"] = main_output(networks["network"])
        if self.test_time_flip or self.test_time_shift:
            networks["network"] = with_views(
                networks["network"], self.test_time_flip, self.test_time_shift
            )
        return networks
