"""Optimizers from a recipe, and the composite that holds one for each player."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras

from zoo.checks import is_number
from zoo.errors import RecipeError
from zoo.training.muon import ConvMuon
from zoo.training.options import keras_class, make
from zoo.training.schedules import build_schedule

_OPTIMIZERS = {**vars(keras.optimizers), "ConvMuon": ConvMuon}


@keras.saving.register_keras_serializable("zoo")
class PlayerOptimizers(keras.optimizers.Optimizer):
    """One optimizer for each player behind the interface of one Keras optimizer.

    Its variables are those of its players' optimizers, so that saving, resuming and the state
    that a backend threads through a step need no special case.

    Args:
        players: `{player: keras optimizer}`.
    """

    def __init__(
        self, players: Mapping[str, keras.optimizers.Optimizer], name: str = "players"
    ) -> None:
        super().__init__(learning_rate=0.0, name=name)
        # Keras takes an attribute called `optimizers` for a list.
        self.players = {
            player: keras.saving.deserialize_keras_object(optimizer)
            if isinstance(optimizer, dict)
            else optimizer
            for player, optimizer in players.items()
        }
        self._owner: dict[int, str] = {}

    def build_players(self, variables: Mapping[str, Sequence[keras.Variable]]) -> None:
        """Creates the slots of every player's optimizer for that player's variables."""
        for player, owned in variables.items():
            for variable in owned:
                other = self._owner.setdefault(id(variable), player)
                if other != player:
                    raise ValueError(
                        f"{variable.path} belongs to {other} and to {player}; it needs one owner"
                    )
            self.players[player].build(list(owned))
        super().build([variable for owned in variables.values() for variable in owned])

    def build(self, variables: Sequence[keras.Variable]) -> None:
        if not self.built:
            raise RuntimeError("compile a MultiPlayerModel with PlayerOptimizers to build them")

    @property
    def variables(self) -> list[keras.Variable]:
        own = list(self._variables)
        return own + [v for optimizer in self.players.values() for v in optimizer.variables]

    @property
    def learning_rate(self) -> Any:
        """The learning rate of the first player, for callbacks that show or set one.

        Setting it scales all rates alike, so that their ratios stay.
        """
        return next(self._with_a_rate()).learning_rate

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        factor = float(value) / float(self.learning_rate)
        for optimizer in self._with_a_rate():
            optimizer.learning_rate = float(optimizer.learning_rate) * factor

    def _with_a_rate(self) -> Iterator[keras.optimizers.Optimizer]:
        """Yields every optimizer; one of several for parts of a network has no rate itself."""
        for optimizer in self.players.values():
            several = isinstance(optimizer, keras.optimizers.MultiOptimizer)
            yield from optimizer.optimizers if several else [optimizer]

    def apply(
        self, grads: Sequence[Any], trainable_variables: Sequence[keras.Variable] | None = None
    ) -> None:
        """Updates variables, each by the optimizer of the player that owns it."""
        if trainable_variables is None:
            trainable_variables = self._trainable_variables
        for player, optimizer in self.players.items():
            pairs = [
                (grad, variable)
                for grad, variable in zip(grads, trainable_variables, strict=True)
                if self._owner[id(variable)] == player
            ]
            if pairs:
                optimizer.apply([grad for grad, _ in pairs], [variable for _, variable in pairs])
        self._iterations.assign_add(1)

    def get_config(self) -> dict[str, Any]:
        serialize = keras.saving.serialize_keras_object
        return {
            "name": self.name,
            "players": {player: serialize(o) for player, o in self.players.items()},
        }


def build_optimizer(
    config: Mapping[str, Any], schedule: Mapping[str, Any], total_steps: int, factor: float = 1.0
) -> keras.optimizers.Optimizer:
    """Builds a Keras optimizer from a recipe's `optimizer` and `schedule`.

    Args:
        config: The optimizer.
        schedule: The schedule of its rate.
        total_steps: Steps of the run.
        factor: What its rate is multiplied by.

    Raises:
        RecipeError: for an unknown name or option, or a value that Keras refuses.
    """
    options = dict(config)
    optimizer_class = keras_class(
        _OPTIMIZERS, options.pop("name", "Adam"), keras.optimizers.Optimizer, "optimizer"
    )
    rate = options.pop("learning_rate", 1e-3)
    if not is_number(rate) or not rate > 0:
        raise RecipeError(f"optimizer.learning_rate must be a positive number, got {rate!r}")
    options["learning_rate"] = build_schedule(rate * factor, schedule, total_steps)
    return make(optimizer_class, options, "optimizer")
