"""Adaptation by a distance of the domains' features: Deep CORAL (2016) and DAN (2015)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from zoo.losses.adaptation import FACTORS, bandwidths, coral, mmd
from zoo.models.adaptation.game import AdaptationGame, Outputs, require_at_least_0
from zoo.training.engine import Losses, Parents


class MatchingGame(AdaptationGame):
    """Base of both: the loss has `weight` times the distances, summed over some layers.

    Args:
        network: Images to logits.
        matched: Layers whose outputs are matched, one or more.
        weight: At least 0.
        **kwargs: As for `AdaptationGame`.
    """

    logged = ("accuracy", "distance")

    def __init__(
        self, network: keras.Model, *, matched: Sequence[str], weight: float, **kwargs: Any
    ) -> None:
        if not matched:
            raise ValueError("matched must name one layer or more, got none")
        require_at_least_0(weight=weight)
        super().__init__(network, {}, layers=matched, **kwargs)
        self.matched = list(matched)
        self.weight = weight

    def distance(self, source: Any, target: Any) -> Any:
        """Returns the distance of two sets of rows, (n, d) and (m, d), a scalar."""
        raise NotImplementedError

    def alignment(self, outputs: Outputs, training: bool) -> tuple[Any, Losses]:
        source, target = outputs["source"], outputs["target"]
        total = sum(self.distance(source[layer], target[layer]) for layer in self.matched)
        return self.weight * total, {"distance": total}


@keras.saving.register_keras_serializable("zoo")
class DeepCORAL(MatchingGame):
    """Brings the covariances of the two domains together (Sun and Saenko 2016).

    Args:
        network: Images to logits.
        matched: Layers that are matched; the paper's is the last.
        weight: What the distance is multiplied by. The paper chooses it so that at the end of
            training both losses are about as large.
        labelled_weight: As for `AdaptationGame`, and so are all that follow.
        batch_norm: How the domains share batch norm.
        learns: Parts that learn.
        parents: What the network begins from.
    """

    def __init__(
        self,
        network: keras.Model,
        *,
        matched: Sequence[str] = ("logits",),
        weight: float = 1.0,
        labelled_weight: float = 1.0,
        batch_norm: str = "apart",
        learns: Sequence[str] = (),
        parents: Parents | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            network,
            matched=matched,
            weight=weight,
            labelled_weight=labelled_weight,
            batch_norm=batch_norm,
            learns=learns,
            parents=parents,
            **kwargs,
        )

    def distance(self, source: Any, target: Any) -> Any:
        return coral(source, target)


@keras.saving.register_keras_serializable("zoo")
class DAN(MatchingGame):
    """Brings the domains' mean embeddings together, by multi-kernel MMD (Long et al. 2015).

    Bandwidths are `factors` times the mean squared distance within the two batches together.

    Args:
        network: Images to logits.
        matched: Layers that are matched; the paper's are all dense ones.
        factors: Of the bandwidths, each above 0.
        unbiased: Which estimate; the unbiased one may be negative.
        weight: What the distance is multiplied by.
        labelled_weight: As for `AdaptationGame`, and so are all that follow.
        batch_norm: How the domains share batch norm.
        learns: Parts that learn.
        parents: What the network begins from.
    """

    def __init__(
        self,
        network: keras.Model,
        *,
        matched: Sequence[str] = ("features", "logits"),
        factors: Sequence[float] = FACTORS,
        unbiased: bool = False,
        weight: float = 1.0,
        labelled_weight: float = 1.0,
        batch_norm: str = "apart",
        learns: Sequence[str] = (),
        parents: Parents | None = None,
        **kwargs: Any,
    ) -> None:
        if not factors or min(factors) <= 0:
            raise ValueError(f"factors must be one or more numbers above 0, got {list(factors)}")
        super().__init__(
            network,
            matched=matched,
            weight=weight,
            labelled_weight=labelled_weight,
            batch_norm=batch_norm,
            learns=learns,
            parents=parents,
            **kwargs,
        )
        self.factors = list(factors)
        self.unbiased = unbiased

    def distance(self, source: Any, target: Any) -> Any:
        return mmd(source, target, bandwidths(source, target, self.factors), self.unbiased)
