"""Adaptation by gradient reversal: DANN (Ganin et al. 2016) and CDAN (Long et al. 2018)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops
from keras.config import floatx

from zoo.losses.adaptation import certainty, dann_schedule, domain_loss, outer, reverse_gradient
from zoo.models.adaptation.game import AdaptationGame, Outputs, require_at_least_0
from zoo.models.adaptation.networks import domain_classifier, width_of
from zoo.training.engine import Losses, Parents


@keras.saving.register_keras_serializable("zoo")
class DANN(AdaptationGame):
    """A domain classifier learns to tell the domains apart; the features learn to prevent it.

    With the features f, the labels' loss L_y and that of the domain classifier L_d, the network
    goes down L_y - strength · L_d and the domain classifier down L_d (eq. 10 to 12): one loss,
    L_y + L_d, with its gradient reversed between f and the domain classifier. The strength grows
    over the run, `weight` times `dann_schedule`, and acts on the network alone.

    Args:
        network: Images to logits, with the layer `features`.
        domain_classifier: Rows to a logit, positive for the source; None for a new one.
        units: Hidden layers of a new one; the paper's for MNIST has 100.
        weight: What the strength reaches at the end, at least 0.
        gamma: How fast it grows.
        labelled_weight: As for `AdaptationGame`, and so are all that follow.
        batch_norm: How the domains share batch norm.
        learns: Parts that learn.
        parents: What the network begins from.
    """

    players = {"network": ("network", "domain_classifier")}
    logged = ("accuracy", "domain_loss", "domain_accuracy")

    def __init__(
        self,
        network: keras.Model,
        domain_classifier: keras.Model | None = None,
        *,
        units: Sequence[int] = (100,),
        weight: float = 1.0,
        gamma: float = 10.0,
        labelled_weight: float = 1.0,
        batch_norm: str = "apart",
        learns: Sequence[str] = (),
        parents: Parents | None = None,
        **kwargs: Any,
    ) -> None:
        require_at_least_0(weight=weight, gamma=gamma)
        if domain_classifier is None:
            domain_classifier = self.new_domain_classifier(network, units)
        super().__init__(
            network,
            {"domain_classifier": domain_classifier},
            layers=("features",),
            labelled_weight=labelled_weight,
            batch_norm=batch_norm,
            learns=learns,
            parents=parents,
            **kwargs,
        )
        self.units = list(units)
        self.weight = weight
        self.gamma = gamma

    def new_domain_classifier(self, network: keras.Model, units: Sequence[int]) -> keras.Model:
        """Builds the network that tells domains apart, for what `seen` gives it."""
        return domain_classifier(width_of(network, "features"), units)

    def seen(self, made: dict[str, Any]) -> Any:
        """Returns the rows (n, d) of a domain that the domain classifier sees."""
        return made["features"]

    def weights_of(self, made: dict[str, Any]) -> Any:
        """Returns the weight of each row of a domain, (n,), or None where all count alike."""
        return None

    def alignment(self, outputs: Outputs, training: bool) -> tuple[Any, Losses]:
        strength = self.weight * dann_schedule(self.progress, self.gamma)
        domains = [outputs[domain] for domain in ("source", "target")]
        source, target = (
            self.domain_classifier(reverse_gradient(self.seen(made), strength), training=training)
            for made in domains
        )
        one, other = map(self.weights_of, domains)
        loss = domain_loss(source, target, None if one is None else (one, other))
        return loss, {"domain_loss": loss, "domain_accuracy": told_apart(source, target)}


@keras.saving.register_keras_serializable("zoo")
class CDAN(DANN):
    """DANN whose domain classifier sees features together with the predicted class: f ⊗ g.

    So it is each class of the source that a class of the target is drawn to. No gradient flows
    through the predictions g. Sure predictions count more (CDAN+E, section 3.3). The domain
    classifier's input has as many numbers as features times classes.

    Args:
        network: As for `DANN`, and so are all but `entropy`.
        domain_classifier: Rows of f ⊗ g to a logit; None for a new one.
        units: Hidden layers of a new one.
        entropy: Whether an example weighs 1 + exp(-H(g)), or all the same.
        weight: What the strength reaches.
        gamma: How fast it grows.
        labelled_weight: Weight of labelled target images.
        batch_norm: How the domains share batch norm.
        learns: Parts that learn.
        parents: What the network begins from.
    """

    def __init__(
        self,
        network: keras.Model,
        domain_classifier: keras.Model | None = None,
        *,
        units: Sequence[int] = (256,),
        entropy: bool = True,
        weight: float = 1.0,
        gamma: float = 10.0,
        labelled_weight: float = 1.0,
        batch_norm: str = "apart",
        learns: Sequence[str] = (),
        parents: Parents | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            network,
            domain_classifier,
            units=units,
            weight=weight,
            gamma=gamma,
            labelled_weight=labelled_weight,
            batch_norm=batch_norm,
            learns=learns,
            parents=parents,
            **kwargs,
        )
        self.entropy = entropy

    def new_domain_classifier(self, network: keras.Model, units: Sequence[int]) -> keras.Model:
        width = width_of(network, "features") * width_of(network, "logits")
        return domain_classifier(width, units)

    def seen(self, made: dict[str, Any]) -> Any:
        return outer(made["features"], _predictions(made))

    def weights_of(self, made: dict[str, Any]) -> Any:
        return certainty(_predictions(made)) if self.entropy else None


def told_apart(source: Any, target: Any) -> Any:
    """Returns the share of right answers of a domain classifier, a mean over both domains."""
    right = [ops.cast(one, floatx()) for one in (source > 0, target < 0)]
    return (ops.mean(right[0]) + ops.mean(right[1])) / 2.0


def _predictions(made: dict[str, Any]) -> Any:
    return ops.stop_gradient(ops.softmax(made["logits"], axis=-1))
