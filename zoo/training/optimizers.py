"""Optimizers from a recipe, and the composite that holds one for each player."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras

from zoo.errors import RecipeError, did_you_mean, nearest


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

        Setting it scales every player's rate alike, so that their ratio stays.
        """
        return next(iter(self.players.values())).learning_rate

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        factor = float(value) / float(self.learning_rate)
        for optimizer in self.players.values():
            optimizer.learning_rate = float(optimizer.learning_rate) * factor

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
    config: Mapping[str, Any], schedule: Mapping[str, Any], total_steps: int
) -> keras.optimizers.Optimizer:
    """Builds a Keras optimizer from a recipe's `optimizer` and `schedule`.

    Raises:
        RecipeError: for an unknown name or option, or a value that Keras refuses.
    """
    options = dict(config)
    optimizer_class = keras_class(
        keras.optimizers, options.pop("name", "Adam"), keras.optimizers.Optimizer, "optimizer"
    )
    rate = options.pop("learning_rate", 1e-3)
    if isinstance(rate, bool) or not isinstance(rate, int | float) or not rate > 0:
        raise RecipeError(f"optimizer.learning_rate must be a positive number, got {rate!r}")
    options["learning_rate"] = build_schedule(float(rate), schedule, total_steps)
    return make(optimizer_class, options, "optimizer")


def build_schedule(rate: float, config: Mapping[str, Any], total_steps: int) -> Any:
    """Builds a learning rate that runs over `total_steps`.

    `{}` is a constant. `cosine` rises linearly over the share `warmup` of the run and falls to
    `final` times the rate (Loshchilov and Hutter 2017, eq. 5, one cycle). `linear` falls in a
    straight line from the share `start` on. `step` multiplies by `factor` at the shares `at`.
    """
    if not config:
        return rate
    options = dict(config)
    for option, value in options.items():
        if option in ("warmup", "start", "final") and not 0 <= value <= 1:
            raise RecipeError(f"schedule.{option} is a share from 0 to 1, got {value}")
    builders: dict[str, Callable[..., Any]] = {"cosine": _cosine, "linear": _linear, "step": _step}
    name = options.pop("name", None)
    if name not in builders:
        near = did_you_mean(nearest(str(name), builders))
        raise RecipeError(f"schedule.name must be {', '.join(builders)}, got {name!r}{near}")
    return make(functools.partial(builders[name], rate, total_steps), options, "schedule")


def _cosine(rate: float, steps: int, warmup: float = 0.0, final: float = 0.0) -> Any:
    rising = round(warmup * steps)
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0 if rising else rate,
        decay_steps=max(1, steps - rising),
        alpha=final,
        warmup_target=rate if rising else None,
        warmup_steps=rising,
    )


def _linear(rate: float, steps: int, start: float = 0.0, final: float = 0.0) -> Any:
    return LinearDecay(rate, round(start * steps), steps, final)


def _step(rate: float, steps: int, at: Sequence[float] = (0.5, 0.75), factor: float = 0.1) -> Any:
    return keras.optimizers.schedules.PiecewiseConstantDecay(
        [round(share * steps) for share in at], [rate * factor**k for k in range(len(at) + 1)]
    )


@keras.saving.register_keras_serializable("zoo")
class LinearDecay(keras.optimizers.schedules.LearningRateSchedule):
    """Constant up to the step `start`, then linear to `final` times the rate at `stop`."""

    def __init__(self, rate: float, start: int, stop: int, final: float = 0.0) -> None:
        self.rate, self.start, self.stop, self.final = rate, start, stop, final

    def __call__(self, step: Any) -> Any:
        ops = keras.ops
        position = (ops.cast(step, "float32") - self.start) / max(1, self.stop - self.start)
        return self.rate * (1 - (1 - self.final) * ops.clip(position, 0.0, 1.0))

    def get_config(self) -> dict[str, Any]:
        return {"rate": self.rate, "start": self.start, "stop": self.stop, "final": self.final}


def make(factory: Any, options: Mapping[str, Any], where: str) -> Any:
    """Calls `factory(**options)`; an option it does not take or refuses raises `RecipeError`."""
    known = inspect.signature(factory).parameters
    for option in options:
        if option not in known:
            near = did_you_mean(nearest(option, known))
            raise RecipeError(f"{where} has no option {option!r}{near}")
    try:
        return factory(**options)
    except (TypeError, ValueError) as error:
        raise RecipeError(f"{where}: {error}") from error


def keras_class(module: Any, name: str, base: type, kind: str) -> type:
    """Finds a Keras class by its name, in any case."""
    classes = {
        key.lower(): value
        for key, value in vars(module).items()
        if inspect.isclass(value) and issubclass(value, base) and value is not base
    }
    if str(name).lower() not in classes:
        near = did_you_mean(nearest(str(name).lower(), classes))
        raise RecipeError(f"unknown {kind} {name!r}{near}")
    return classes[str(name).lower()]
