"""Networks that are trained together and learn from each other, with no teacher to begin with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import keras
from keras import ops
from keras.config import floatx

from zoo.losses.distillation import above_zero, soft_kl
from zoo.networks import split_outputs
from zoo.training.classification import Classification, agreement, shares
from zoo.training.engine import Batch, Losses

NewNetwork = Callable[..., keras.Model]
TURNS = ("together", "in_turn")
_PEER_FIELDS = {"architecture", "network"}


class Cohort(Classification):
    """Base of the methods of several classifiers in one game: `network` and `peer1`, `peer2`, ….

    Each minimises CE(labels) + weight R, where R is T^2 KL of its softened outputs to those of the
    networks that it listens to, the mean over these. Nobody's outputs move for being listened to.

    Args:
        network: What is published.
        peers: The others, as `{"architecture": "resnet20", "network": {"width": 32}}`; what is not
            set is as for `network`.
        weight: Weight of R, at least 0.
        temperature: T, above 0.
        turns: `together`, where all learn from one forward pass of all; or `in_turn`, where each
            sees what those before it have become, as in the algorithm of the paper.
        label_smoothing: As for `Classification`.
        new_network: (architecture, options) to a built network.

    Raises:
        ValueError: for an option out of range, or peers that do not fit.
        RecipeError, UnknownModelError: for a peer that cannot be built.
    """

    logged: tuple[str, ...] = ("accuracy", "peer_accuracy")
    players: ClassVar[dict[str, tuple[str, ...]]]

    def __init__(
        self,
        network: keras.Model,
        *,
        peers: Sequence[Mapping[str, Any]],
        weight: float,
        temperature: float,
        turns: str,
        label_smoothing: float,
        new_network: NewNetwork | None,
        **kwargs: Any,
    ) -> None:
        above_zero("temperature", temperature)
        if weight < 0:
            raise ValueError(f"weight must be 0 or more, got {weight}")
        if turns not in TURNS:
            raise ValueError(f"turns must be {' or '.join(TURNS)}, got {turns!r}")
        if not peers:
            raise ValueError("peers must name at least one network, such as {}, one like the first")
        for peer in peers:
            if not isinstance(peer, Mapping) or not set(peer) <= _PEER_FIELDS:
                raise ValueError(f"a peer is told by architecture and network, got {peer!r}")
        if new_network is None:
            raise ValueError("peers need new_network, which `zoo train` gives")
        networks = {"network": network}
        for number, peer in enumerate(peers, 1):
            built = new_network(peer.get("architecture"), peer.get("network"))
            _require_fit(network, built)
            networks[f"peer{number}"] = built
        self.players = {name: (name,) for name in networks}  # type: ignore[misc]
        names = tuple(networks)
        self.rounds = (names,) if turns == "together" else tuple((name,) for name in names)
        super().__init__(networks, label_smoothing=label_smoothing, **kwargs)
        self.peers = [dict(peer) for peer in peers]
        self.weight = weight
        self.temperature = temperature
        self.turns = turns

    def listens_to(self, name: str) -> tuple[str, ...]:
        """Returns the names of the networks whose outputs a network learns from."""
        raise NotImplementedError

    def compute_losses(
        self, batch: Batch, players: Sequence[str], training: bool = True
    ) -> tuple[Losses, Losses]:
        heard = [other for player in players for other in self.listens_to(player)]
        asked = dict.fromkeys((*players, *heard) if training else players)
        outputs = {name: getattr(self, name)(batch["image"], training=training) for name in asked}
        logits = {name: ops.cast(split_outputs(o)[0], floatx()) for name, o in outputs.items()}
        targets = shares(batch["label"], logits[players[0]].shape[-1])
        losses: Losses = {}
        for player in players:
            losses[player] = self.label_loss(outputs[player], batch["label"], training)
            if training and self.listens_to(player):
                divergences = [
                    ops.mean(
                        soft_kl(ops.stop_gradient(logits[other]), logits[player], self.temperature)
                    )
                    for other in self.listens_to(player)
                ]
                losses[player] += self.weight * sum(divergences) / len(divergences)
        right = {player: agreement(outputs[player], targets) for player in players}
        logs = {"accuracy": right.pop("network")} if "network" in right else {}
        if right:
            logs["peer_accuracy"] = sum(right.values()) / len(right)
        return losses, logs

    @classmethod
    def from_config(cls, config: Mapping[str, Any], custom_objects: Any = None) -> Cohort:
        values = dict(config)
        stored = [values.pop(f"peer{number}") for number in range(1, len(values["peers"]) + 1)]
        restored = iter([keras.saving.deserialize_keras_object(o, custom_objects) for o in stored])
        values["new_network"] = lambda *_: next(restored)
        return super().from_config(values, custom_objects)


@keras.saving.register_keras_serializable("zoo")
class Mutual(Cohort):
    """Deep mutual learning: peers learn from labels and from each other (Zhang et al. 2018).

    Args:
        network: As for `Cohort`, and so are all options; the paper's weight and T are 1.
        peers: The others; by default one like the first.
        weight: Weight of what is learned from peers.
        temperature: T.
        turns: In which rounds they learn.
        label_smoothing: Share of the target spread over all classes.
        new_network: What builds peers.

    Raises:
        ValueError, RecipeError, UnknownModelError: as for `Cohort`.
    """

    def __init__(
        self,
        network: keras.Model,
        *,
        peers: Sequence[Mapping[str, Any]] = ({},),
        weight: float = 1.0,
        temperature: float = 1.0,
        turns: str = "together",
        label_smoothing: float = 0.0,
        new_network: NewNetwork | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            network,
            peers=peers,
            weight=weight,
            temperature=temperature,
            turns=turns,
            label_smoothing=label_smoothing,
            new_network=new_network,
            **kwargs,
        )

    def listens_to(self, name: str) -> tuple[str, ...]:
        return tuple(other for other in self.players if other != name)


@keras.saving.register_keras_serializable("zoo")
class Online(Cohort):
    """A student and larger teachers that begin together: they learn from labels, it from them, too.

    Only the student listens. So its target moves from a soft to a sharp one as the teachers learn
    (Anil et al. 2018 call it codistillation where they listen as well).

    Args:
        network: The student. As for `Cohort`, and so are all options.
        peers: The teachers, such as `[{"architecture": "resnet20"}]`.
        weight: Weight of what is learned from them.
        temperature: T.
        turns: In which rounds they learn.
        label_smoothing: Share of the target spread over all classes.
        new_network: What builds the teachers.

    Raises:
        ValueError, RecipeError, UnknownModelError: as for `Cohort`.
    """

    def __init__(
        self,
        network: keras.Model,
        *,
        peers: Sequence[Mapping[str, Any]] = (),
        weight: float = 1.0,
        temperature: float = 4.0,
        turns: str = "together",
        label_smoothing: float = 0.0,
        new_network: NewNetwork | None = None,
        **kwargs: Any,
    ) -> None:
        if not peers:
            raise ValueError(
                'peers must name a teacher to train beside, such as [{"architecture": "resnet20"}]'
            )
        super().__init__(
            network,
            peers=peers,
            weight=weight,
            temperature=temperature,
            turns=turns,
            label_smoothing=label_smoothing,
            new_network=new_network,
            **kwargs,
        )

    def listens_to(self, name: str) -> tuple[str, ...]:
        return tuple(other for other in self.players if other != name) if name == "network" else ()


def _require_fit(network: keras.Model, peer: keras.Model) -> None:
    own, other = (split_outputs(one.output)[0].shape[-1] for one in (network, peer))
    if network.input_shape != peer.input_shape or own != other:
        raise ValueError(
            f"a peer takes images {peer.input_shape[1:]} to {other} classes, the network "
            f"{network.input_shape[1:]} to {own}"
        )
