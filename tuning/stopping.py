"""Which trials are stopped before their last epoch."""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Iterable, Mapping

from tuning.halving import LAID_OUT
from zoo.errors import RecipeError, did_you_mean, nearest

RULES = ("auto", "median", "none")
# A quarter of the epochs: at first a high learning rate looks worse than it is.
_WARMUP = 0.25
_LEAST_TRIALS = 5

# The objective after each epoch, by the epoch's number from 1.
Curve = Mapping[int, float]


@dataclasses.dataclass(frozen=True)
class MedianRule:
    """Stops a trial whose best value so far is worse than what half of the others had on average.

    Golovin et al. 2017 (Google Vizier, section 3.2.2): a trial is stopped after epoch s if its best
    value up to s is strictly worse than the median, over all completed trials, of the mean of their
    values up to s. Nothing is supposed of the shape of a curve.

    Args:
        warmup: Epochs after which no trial is stopped yet, at least 0.
        least_trials: Completed trials below which none is stopped.
    """

    warmup: int
    least_trials: int = _LEAST_TRIALS

    def stops(self, own: Curve, others: Iterable[Curve], epoch: int, direction: str) -> bool:
        """Returns whether a trial is stopped after an epoch.

        Args:
            own: The trial's curve.
            others: Those of completed trials; one that has not come so far does not count.
            epoch: The number of epochs behind it.
            direction: `max` or `min`.
        """
        if epoch <= self.warmup:
            return False
        means = [
            statistics.fmean(value for at, value in curve.items() if at <= epoch)
            for curve in others
            if max(curve, default=0) >= epoch
        ]
        if len(means) < self.least_trials:
            return False
        values = [value for at, value in own.items() if at <= epoch]
        median = statistics.median(means)
        return max(values) < median if direction == "max" else min(values) > median


def make_rule(name: str, algorithm: str, max_epochs: int) -> MedianRule | None:
    """Returns the rule of a name, or None where no trial is stopped.

    Args:
        name: `median`; `none`; or `auto`, which is `median` but for algorithms that give most
            trials few epochs themselves.
        algorithm: The search's.
        max_epochs: Most epochs of a trial.

    Raises:
        RecipeError: for another name.
    """
    if name not in RULES:
        near = did_you_mean(nearest(name, RULES))
        raise RecipeError(f"stopping must be {', '.join(RULES)}, got {name!r}{near}")
    if name == "none" or (name == "auto" and algorithm in LAID_OUT):
        return None
    return MedianRule(math.ceil(_WARMUP * max_epochs))
