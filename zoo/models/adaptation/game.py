"""What all adaptation has in common: a classifier, a labelled source, images of a target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import keras
from keras import ops
from keras.config import floatx

from zoo.errors import RecipeError
from zoo.losses.classification import cross_entropy
from zoo.losses.features import flattened
from zoo.models.adaptation.networks import begun, let_only_learn, statistics_of
from zoo.networks import features_of, main_output
from zoo.training.engine import Batch, Losses, MultiPlayerModel, Parents

# What a network makes of each stream: `{stream: {layer: rows}}`.
Outputs = dict[str, dict[str, Any]]

TREATMENTS = ("apart", "together")
_STREAMS = ("source", "target", "labelled")


class AdaptationGame(MultiPlayerModel):
    """Base of the methods: cross-entropy where labels are known, and what a method adds to it.

    A batch holds `source/image` with `source/label`, and `target/image`. Where a recipe gives
    labels to some images of the target, these are `labelled/image` and `labelled/label`, and their
    cross-entropy is added.

    What is published is the classifier alone, an ordinary one.

    Args:
        network: Images to logits, with the layers `features` and `logits`.
        further: The method's other networks by name.
        layers: Layers whose outputs the method asks for, beside `logits`.
        labelled_weight: Weight of the cross-entropy of labelled target images, at least 0.
        batch_norm: With `apart`, the two domains pass through the network one after the other, so
            that batch norm takes each by its own statistics; the moving ones, which the published
            network uses, are the target's alone (as in Li et al. 2016, AdaBN). With `together`
            they share one call and all statistics.
        learns: Parts of the network that learn, see `let_only_learn`; all where it is empty.
        parents: Where it has a parent `source`, the network begins from that classifier, its
            logits included.

    Raises:
        ValueError: for an option out of range, or a parent that is not the network's like.
        InvalidInputError: for a layer that the network does not have.
    """

    players = {"network": ("network",)}
    rounds: tuple[tuple[str, ...], ...] = (("network",),)
    logged: tuple[str, ...] = ("accuracy",)
    published = ("network",)
    images = tuple(f"{stream}/image" for stream in _STREAMS)
    # Whether the method looks at unlabelled images of the target.
    aligns: ClassVar[bool] = True

    def __init__(
        self,
        network: keras.Model,
        further: Mapping[str, keras.Model],
        *,
        layers: Sequence[str] = (),
        labelled_weight: float = 1.0,
        batch_norm: str = "apart",
        learns: Sequence[str] = (),
        parents: Parents | None = None,
        **kwargs: Any,
    ) -> None:
        if batch_norm not in TREATMENTS:
            raise ValueError(f"batch_norm must be {' or '.join(TREATMENTS)}, got {batch_norm!r}")
        require_at_least_0(labelled_weight=labelled_weight)
        network = begun(network, parents)
        let_only_learn(network, learns)
        parts = features_of(network, tuple(dict.fromkeys(("logits", *layers))))
        super().__init__({"network": network, **further}, **kwargs)
        # A bound method is no part of the model, which has these layers already.
        self._parts = parts.__call__
        self.labelled_weight = labelled_weight
        self.batch_norm = batch_norm
        self.learns = list(learns)

    # What a method writes.

    def alignment(self, outputs: Outputs, training: bool) -> tuple[Any, Losses]:
        """Returns what is added to the loss, a scalar, and further values to log.

        Args:
            outputs: Of `source` and `target`, the rows of the layers that the method asked for.
            training: As for `compute_losses`.
        """
        return 0.0, {}

    def weight_of(self, stream: str) -> float:
        """Returns the weight of the cross-entropy of a stream."""
        return self.labelled_weight if stream == "labelled" else 1.0

    # The game.

    def compute_losses(
        self, batch: Batch, players: Sequence[str], training: bool = True
    ) -> tuple[Losses, Losses]:
        outputs = self.run_streams(batch, self._used(batch, training), training)
        loss, accuracy = self.classified(outputs, batch)
        further, logs = self.alignment(outputs, training)
        return {"network": loss + further}, {"accuracy": accuracy, **logs}

    def _used(self, batch: Batch, training: bool) -> list[str]:
        """Returns the streams of a batch that something is computed from."""
        there = [stream for stream in _STREAMS if f"{stream}/image" in batch]
        if self.aligns:
            return there
        weighed = [s for s in there if s != "target" and (self.weight_of(s) or not training)]
        if not weighed:
            raise RecipeError(
                "nothing is left to learn from: without the source there must be labels of the "
                "target; set data.per_class"
            )
        return weighed

    def run_streams(self, batch: Batch, streams: Sequence[str], training: bool) -> Outputs:
        """Runs the network on the images of some streams, as `batch_norm` says."""
        statistics = statistics_of(self.network) if training else []
        apart = self.batch_norm == "apart" and statistics
        own = [s for s in streams if s == "source"] if apart else []
        rest = [s for s in streams if s not in own]
        if not own or not rest:
            return self._run(batch, streams, training)
        before = [ops.copy(variable.value) for variable in statistics]
        made = self._run(batch, own, training)
        for variable, value in zip(statistics, before, strict=True):
            variable.assign(value)
        return made | self._run(batch, rest, training)

    def _run(self, batch: Batch, streams: Sequence[str], training: bool) -> Outputs:
        images = [batch[f"{stream}/image"] for stream in streams]
        joined = images[0] if len(images) == 1 else ops.concatenate(images, axis=0)
        made = {layer: as_rows(x) for layer, x in self._parts(joined, training=training).items()}
        found: Outputs = {}
        start: Any = 0
        for stream, one in zip(streams, images, strict=True):
            end = start + ops.shape(one)[0]
            found[stream] = {layer: rows[start:end] for layer, rows in made.items()}
            start = end
        return found

    def classified(self, outputs: Outputs, batch: Batch) -> tuple[Any, Any]:
        """Returns the weighted cross-entropy of all labelled rows, and the accuracy on the first.

        The first stream is the source, unless nothing is learned from it.
        """
        losses, shares = [], []
        for stream, made in outputs.items():
            if stream == "target":
                continue
            logits, labels = made["logits"], batch[f"{stream}/label"]
            targets = ops.one_hot(labels, logits.shape[-1], dtype=floatx())
            losses.append(self.weight_of(stream) * ops.mean(cross_entropy(targets, logits)))
            right = ops.equal(ops.argmax(logits, -1), ops.argmax(targets, -1))
            shares.append(ops.mean(ops.cast(right, floatx())))
        return sum(losses[1:], losses[0]), shares[0]

    def published_networks(self) -> dict[str, keras.Model]:
        networks = super().published_networks()
        return {**networks, "network": main_output(networks["network"])}


@keras.saving.register_keras_serializable("zoo")
class SourceOnly(AdaptationGame):
    """No adaptation: what is labelled is learned from. The bounds of every comparison.

    The lower one sees the source alone. With labels of the target (`data.per_class`) it is
    supervised learning of both, and with `source_weight` 0 the upper bound, trained on the target.

    Args:
        network: Images to logits.
        source_weight: Weight of the source's cross-entropy, at least 0.
        labelled_weight: As for `AdaptationGame`, and so are all that follow.
        batch_norm: Where the source and labelled images of the target are both learned from.
        learns: Parts that learn.
        parents: What the network begins from.
    """

    aligns = False

    def __init__(
        self,
        network: keras.Model,
        *,
        source_weight: float = 1.0,
        labelled_weight: float = 1.0,
        batch_norm: str = "apart",
        learns: Sequence[str] = (),
        parents: Parents | None = None,
        **kwargs: Any,
    ) -> None:
        require_at_least_0(source_weight=source_weight)
        super().__init__(
            network,
            {},
            labelled_weight=labelled_weight,
            batch_norm=batch_norm,
            learns=learns,
            parents=parents,
            **kwargs,
        )
        self.source_weight = source_weight

    def weight_of(self, stream: str) -> float:
        return self.source_weight if stream == "source" else super().weight_of(stream)


def as_rows(x: Any) -> Any:
    """Returns maps or vectors as float32 rows (n, d)."""
    return ops.cast(flattened(x), floatx())


def require_at_least_0(**options: float) -> None:
    """Raises ValueError, naming it, for an option below 0."""
    for option, value in options.items():
        if value < 0:
            raise ValueError(f"{option} must be 0 or more, got {value}")
