"""Adversarial discriminative domain adaptation (Tzeng et al. 2017)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from zoo.losses.adaptation import domain_loss
from zoo.losses.adversarial import non_saturating_generator
from zoo.losses.classification import cross_entropy
from zoo.models.adaptation.dann import told_apart
from zoo.models.adaptation.game import AdaptationGame, as_rows
from zoo.models.adaptation.networks import begun, domain_classifier, width_of
from zoo.networks import features_of
from zoo.training.engine import Batch, Losses, Parents


@keras.saving.register_keras_serializable("zoo")
class ADDA(AdaptationGame):
    """A copy of a source's classifier learns to give target images the features of source images.

    The classifier that the recipe names as its parent `source` is trained already and stays as it
    is (eq. 9, first line). Its copy learns on images of the target alone: a domain classifier
    learns to tell its features from those that the parent has of source images, and the copy learns
    to be taken for the parent, by the loss with inverted labels (the other two lines). The logits
    are the parent's.

    Each domain has a network, and batch norm with it: the parent runs with its moving statistics,
    the copy's become the target's.

    Args:
        network: Images to logits, of the parent's architecture and options.
        domain_classifier: Rows of features to a logit, positive for the source; None for a new one.
        reference: The parent's network; None for that of `parents`.
        units: Hidden layers of a new domain classifier; the paper's for digits has 500 and 500.
        labelled_weight: As for `AdaptationGame`.
        learns: Parts of the copy that learn; the logits never do.
        parents: `{"source": {"network": …}}`.

    Raises:
        ValueError: without a parent.
    """

    players = {"network": ("network",), "domain_classifier": ("domain_classifier",)}
    rounds = (("domain_classifier",), ("network",))
    logged = ("domain_accuracy",)

    def __init__(
        self,
        network: keras.Model,
        domain_classifier: keras.Model | None = None,
        reference: keras.Model | None = None,
        *,
        units: Sequence[int] = (500, 500),
        labelled_weight: float = 1.0,
        learns: Sequence[str] = (),
        parents: Parents | None = None,
        **kwargs: Any,
    ) -> None:
        if reference is None:
            if not parents:
                raise ValueError(
                    "it begins from a classifier of the source; name a stored one in the recipe's "
                    'parents, as {"source": {"model": "small_cnn.mnist"}}'
                )
            reference = begun(network, parents)
        reference.trainable = False
        if domain_classifier is None:
            domain_classifier = _domain_classifier(network, units)
        super().__init__(
            network,
            {"domain_classifier": domain_classifier, "reference": reference},
            layers=("features",),
            labelled_weight=labelled_weight,
            learns=learns,
            parents=parents,
            **kwargs,
        )
        self.network.get_layer("logits").trainable = False
        if not self.network.trainable_variables:
            raise ValueError("learns leaves nothing but the logits, which never learn here")
        self._reference = features_of(reference, "features").__call__
        self.units = list(units)

    def compute_losses(
        self, batch: Batch, players: Sequence[str], training: bool = True
    ) -> tuple[Losses, Losses]:
        streams = [stream for stream in ("target", "labelled") if f"{stream}/image" in batch]
        outputs = self.run_streams(batch, streams, training)
        target = outputs["target"]["features"]
        if "network" in players:
            loss = non_saturating_generator(self.domain_classifier(target, training=training))
            if "labelled" in outputs:
                logits = outputs["labelled"]["logits"]
                targets = ops.one_hot(batch["labelled/label"], logits.shape[-1])
                loss += self.labelled_weight * ops.mean(cross_entropy(targets, logits))
            return {"network": loss}, {}
        source = as_rows(self._reference(batch["source/image"], training=False))
        source, target = (
            self.domain_classifier(ops.stop_gradient(rows), training=training)
            for rows in (source, target)
        )
        logs = {"domain_accuracy": told_apart(source, target)}
        return {"domain_classifier": domain_loss(source, target)}, logs


def _domain_classifier(network: keras.Model, units: Sequence[int]) -> keras.Model:
    return domain_classifier(width_of(network, "features"), units)
