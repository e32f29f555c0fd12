"""Supervised classification: one player, cross-entropy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from zoo.training.engine import Batch, Losses, MultiPlayerModel


@keras.saving.register_keras_serializable("zoo")
class Supervised(MultiPlayerModel):
    """Minimises the cross-entropy of a classifier's logits.

    Args:
        network: Images to logits.
        label_smoothing: Share of the target spread over all classes (Szegedy et al. 2016, sec. 7).
            Applies to training; evaluation reports the plain cross-entropy.
    """

    players = {"network": ("network",)}
    rounds = (("network",),)
    logged = ("accuracy",)
    published = ("network",)

    def __init__(
        self, network: keras.Model, *, label_smoothing: float = 0.0, **kwargs: Any
    ) -> None:
        if not 0 <= label_smoothing < 1:
            raise ValueError(f"label_smoothing must be in [0, 1), got {label_smoothing}")
        super().__init__({"network": network}, **kwargs)
        self.label_smoothing = label_smoothing

    def compute_losses(
        self, batch: Batch, players: Sequence[str], training: bool = True
    ) -> tuple[Losses, Losses]:
        logits = self.network(batch["image"], training=training)
        classes = logits.shape[-1]
        smoothing = self.label_smoothing if training else 0.0
        targets = ops.one_hot(batch["label"], classes) * (1 - smoothing) + smoothing / classes
        loss = ops.mean(ops.categorical_crossentropy(targets, logits, from_logits=True))
        correct = ops.equal(ops.argmax(logits, -1), ops.cast(batch["label"], "int32"))
        return {"network": loss}, {"accuracy": ops.mean(ops.cast(correct, "float32"))}
