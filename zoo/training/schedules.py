"""Learning rates as functions of the share of a run that is done."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
from keras import ops

from zoo.errors import RecipeError, did_you_mean, nearest
from zoo.training.options import make

# Options that are shares of a run, or of the rate.
_SHARES = ("warmup", "start", "final", "low", "peak")


def build_schedule(rate: float, config: Mapping[str, Any], total_steps: int) -> Any:
    """Builds a learning rate that runs over `total_steps`.

    `{}` is a constant. Otherwise `name` says which:

    - `cosine` rises linearly over the share `warmup` of the run and falls to `final` times the
      rate (Loshchilov and Hutter 2017, eq. 5, one cycle).
    - `linear` falls in a straight line from the share `start` on, to `final` times the rate.
    - `step` multiplies by `factor` at the shares `at`.
    - `exponential` falls by equal factors to `final` times the rate.
    - `inverse_time` is the rate divided by 1 + `decay` times the share.
    - `triangular` goes up from `low` times the rate and back, in straight lines, `cycles` times
      (Smith 2017, section 3).
    - `one_cycle` goes up from `low` times the rate to the rate at the share `peak` and then down to
      `final` times the rate (Smith and Topin 2018, section 3).

    Raises:
        RecipeError: for an unknown name, an option it does not take, or a share outside [0, 1].
    """
    if not config:
        return rate
    options = dict(config)
    for option, value in options.items():
        if option in _SHARES and not 0 <= value <= 1:
            raise RecipeError(f"schedule.{option} is a share from 0 to 1, got {value}")
    name = options.pop("name", None)
    if name not in _BUILDERS:
        near = did_you_mean(nearest(str(name), _BUILDERS))
        raise RecipeError(f"schedule.name must be {', '.join(_BUILDERS)}, got {name!r}{near}")
    return make(functools.partial(_BUILDERS[name], rate, total_steps), options, "schedule")


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
    return PiecewiseLinear(rate, steps, [start, 1.0], [1.0, final])


def _step(rate: float, steps: int, at: Sequence[float] = (0.5, 0.75), factor: float = 0.1) -> Any:
    return keras.optimizers.schedules.PiecewiseConstantDecay(
        [round(share * steps) for share in at], [rate * factor**k for k in range(len(at) + 1)]
    )


def _exponential(rate: float, steps: int, final: float = 0.01) -> Any:
    return keras.optimizers.schedules.ExponentialDecay(rate, max(1, steps), final)


def _inverse_time(rate: float, steps: int, decay: float = 1.0) -> Any:
    return keras.optimizers.schedules.InverseTimeDecay(rate, max(1, steps), decay)


def _triangular(rate: float, steps: int, cycles: int = 4, low: float = 0.1) -> Any:
    if cycles < 1:
        raise ValueError(f"cycles must be at least 1, got {cycles}")
    corners = 2 * cycles + 1
    shares = [corner / (corners - 1) for corner in range(corners)]
    return PiecewiseLinear(rate, steps, shares, [1.0 if i % 2 else low for i in range(corners)])


def _one_cycle(
    rate: float, steps: int, peak: float = 0.3, low: float = 0.04, final: float = 1e-4
) -> Any:
    return PiecewiseLinear(rate, steps, [0.0, peak, 1.0], [low, 1.0, final])


_BUILDERS: dict[str, Callable[..., Any]] = {
    "cosine": _cosine,
    "linear": _linear,
    "step": _step,
    "exponential": _exponential,
    "inverse_time": _inverse_time,
    "triangular": _triangular,
    "one_cycle": _one_cycle,
}


@keras.saving.register_keras_serializable("zoo")
class PiecewiseLinear(keras.optimizers.schedules.LearningRateSchedule):
    """Straight lines between corners; constant before the first and after the last.

    Args:
        rate: What the factors multiply.
        steps: Steps of the run.
        shares: Where the corners are, as shares of the run, in ascending order.
        factors: The factor of the rate at each corner.
    """

    def __init__(
        self, rate: float, steps: int, shares: Sequence[float], factors: Sequence[float]
    ) -> None:
        self.rate, self.steps = rate, steps
        self.shares, self.factors = list(shares), list(factors)

    def __call__(self, step: Any) -> Any:
        done = ops.cast(step, "float32") / max(1, self.steps)
        factor = self.factors[0]
        corners = list(zip(self.shares, self.factors, strict=True))
        for (start, low), (stop, high) in itertools.pairwise(corners):
            position = ops.clip((done - start) / max(stop - start, 1e-9), 0.0, 1.0)
            factor = factor + (high - low) * position
        return self.rate * factor

    def get_config(self) -> dict[str, Any]:
        return {
            "rate": self.rate,
            "steps": self.steps,
            "shares": self.shares,
            "factors": self.factors,
        }
