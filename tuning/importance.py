"""Which hyperparameters decided an objective, as far as the trials of a search can tell."""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from tuning.results import TrialResult

# With fewer trials a forest finds patterns in noise.
FEWEST = 10
_FOLDS, _REPEATS, _TREES = 5, 5, 100
METHOD = (
    f"Random forests of {_TREES} trees learn the rank of a trial from its hyperparameters and its "
    "epochs. The importance of a hyperparameter is by how much their error on trials that they did "
    "not learn from grows when its values are shuffled (Breiman 2001), as a share of all: "
    f"{_FOLDS} folds, {_REPEATS} shuffles each, seed 0."
)


@dataclasses.dataclass(frozen=True)
class Importance:
    """What decided one objective.

    Args:
        objective: Its name.
        trials: How many trials could be learned from: those that completed or were stopped.
        missing: How many more there would have to be; 0 where there are enough.
        explained: Share of the variance of the ranks that the forests explain on trials that they
            did not learn from, at most 1; at 0 or below they know nothing. None where trials are
            missing.
        shares: `{hyperparameter: share}`, the largest first, 1 in all. Empty where nothing is
            known. Hyperparameters that had one value in all trials are not in it.
    """

    objective: str
    trials: int
    missing: int = 0
    explained: float | None = None
    shares: dict[str, float] = dataclasses.field(default_factory=dict)

    def line(self) -> str:
        """Returns in one sentence how far the shares can be believed."""
        if self.missing:
            return f"{self.trials} trials are too few to tell; {self.missing} more are needed."
        if not self.shares:
            return f"What was varied explains nothing of {self.objective} in {self.trials} trials."
        assert self.explained is not None
        return (
            f"From {self.trials} trials; the forests explain {100 * self.explained:.0f} % of the "
            "variance of the ranks of trials that they did not learn from."
        )


def importance_of(trials: Sequence[TrialResult], objective: str, seed: int = 0) -> Importance:
    """Measures by how much each hyperparameter helps to predict how a trial ranks.

    It is permutation importance (Breiman 2001, section 10) on held-out trials, in the place of the
    variances of functional ANOVA (Hutter et al. 2014), which credits a hyperparameter for patterns
    that do not hold beyond the trials. Ranks, because one diverged trial would outweigh all
    others. Epochs are a further column, so that a trial which was stopped is not taken for one of
    bad values.

    Args:
        trials: Of one search.
        objective: The name of one of its objectives.
        seed: Of forests, folds and shuffles; the same trials and seed give the same answer.
    """
    usable = [trial for trial in trials if _is_usable(trial, objective)]
    names, table = _columns(usable)
    needed = max(FEWEST, 2 * len(names))
    if len(usable) < needed:
        return Importance(objective, len(usable), needed - len(usable))

    from scipy.stats import rankdata

    ranks = rankdata([trial.objectives[objective] for trial in usable]) / len(usable)
    variance = float(ranks.var())
    if not names or variance == 0:
        return Importance(objective, len(usable), explained=0.0)
    error, growth = _held_out(table, ranks, seed)
    explained = 1 - error / variance
    grown = {name: max(0.0, value) for name, value in zip(names, growth, strict=False)}
    total = sum(grown.values())
    if explained <= 0 or total == 0:
        return Importance(objective, len(usable), explained=explained)
    shares = {name: grown[name] / total for name in sorted(grown, key=lambda n: -grown[n])}
    return Importance(objective, len(usable), explained=explained, shares=shares)


def _is_usable(trial: TrialResult, objective: str) -> bool:
    value = trial.objectives.get(objective)
    return trial.status in ("completed", "stopped") and value is not None and math.isfinite(value)


def _columns(trials: Sequence[TrialResult]) -> tuple[list[str], np.ndarray]:
    """Returns the hyperparameters that vary, and a row for each trial, its epochs last.

    A choice of words becomes the place of the word; trees cut between any two places. Where a
    hyperparameter is not active its column has the median of the others: whether it is active is
    known from what it depends on, which is to have the credit for that.
    """
    import numpy as np

    names = dict.fromkeys(name for trial in trials for name in trial.hyperparameters)
    seen = {name: [trial.hyperparameters.get(name) for trial in trials] for name in names}
    varied = {name: values for name, values in seen.items() if len({*map(repr, values)}) > 1}
    columns = [_numbers(values) for values in varied.values()]
    columns.append([float(trial.epochs) for trial in trials])
    return list(varied), np.array(columns, dtype=np.float64).T


def _numbers(values: Sequence[Any]) -> list[float]:
    active = [value for value in values if value is not None]
    if not all(isinstance(value, int | float) for value in active):
        words = sorted({*map(str, active)})
        active = [float(words.index(str(value))) for value in active]
    middle, numbers = statistics.median_low(active), iter(active)
    return [float(middle if value is None else next(numbers)) for value in values]


def _held_out(table: np.ndarray, ranks: np.ndarray, seed: int) -> tuple[float, np.ndarray]:
    """Returns the mean squared error on held-out trials and by how much shuffling each column adds.

    Args:
        table: (trials, columns).
        ranks: (trials,).
        seed: Of everything.
    """
    import numpy as np
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.inspection import permutation_importance
    from sklearn.model_selection import KFold

    error, growth = 0.0, np.zeros(table.shape[1])
    for learned, held in KFold(_FOLDS, shuffle=True, random_state=seed).split(table):
        forest = RandomForestRegressor(_TREES, random_state=seed).fit(
            table[learned], ranks[learned]
        )
        share = len(held) / len(ranks)
        error += share * float(np.mean((forest.predict(table[held]) - ranks[held]) ** 2))
        shuffled = permutation_importance(
            forest,
            table[held],
            ranks[held],
            scoring="neg_mean_squared_error",
            n_repeats=_REPEATS,
            random_state=seed,
        )
        growth += share * shuffled.importances_mean
    return error, growth
