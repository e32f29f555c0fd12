"""How the wall-clock of a search falls with its workers, in a simulation: nothing is trained.

The oracles are the real ones. A trial's curve and the time of its epochs are functions of its
values and of a seed, and the clock is a number that jumps from one event to the next, so that hours
on 64 workers take a moment. What is left out is what a worker's processor, disk and network would
add; `tuning_overhead` measures that on one machine.
"""

from __future__ import annotations

import collections
import dataclasses
import heapq
import itertools
import math
import statistics
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import Row
from zoo import files

SIDE_BY_SIDE = True
ALGORITHMS = ("random", "hyperband", "asha")
WORKERS = (1, 2, 4, 8, 16, 32, 64)
SEEDS = (1, 2, 3, 4, 5)
TRIALS, EPOCHS = 400, 27
# The best values reach 0.9 after all epochs; a few in a hundred come so close.
TARGET = 0.89
PICTURE = Path(__file__).parents[1] / "docs" / "tuning_workers.png"
_EPOCH_SECONDS = 20.0


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What one simulated search came to.

    Args:
        algorithm: Which.
        workers: How many.
        seed: Of the search and of the trainings.
        hours: From its begin to its end.
        target_hours: Until a trial came as close to the best as was asked; infinity for never.
        busy: Share of their time in which workers trained.
        epochs: Trained in all.
        best: The best value after all epochs.
    """

    algorithm: str
    workers: int
    seed: int
    hours: float
    target_hours: float
    busy: float
    epochs: int
    best: float


def rows(quick: bool) -> list[Row]:
    """Hours to the end and to the target, for each number of workers."""
    seeds, workers, trials = (SEEDS[:1], WORKERS[:2], 40) if quick else (SEEDS, WORKERS, TRIALS)
    outcomes = []
    for algorithm in ALGORITHMS:
        for count in workers:
            outcomes += [simulated(algorithm, count, seed, trials) for seed in seeds]
        print(f"{algorithm} is done", file=sys.stderr)
    if not quick:
        draw(outcomes, PICTURE)
        print(f"picture in {PICTURE}", file=sys.stderr)
    return summary(outcomes)


class FakeTraining:
    """Trainings that take no time: curves and seconds as functions of values and a seed.

    The value after epoch e is a - (a - 0.1) exp(-e / t) with noise of 0.003, where a has its best,
    0.9, at a rate of 10^-2.5, and falls with its square on the logarithm; t, and the seconds of an
    epoch, are log-normal. The width makes a trial better, and slower.

    Args:
        seed: Of all that is drawn.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def value(self, root: int, values: Mapping[str, Any], epoch: int) -> float:
        """Returns the objective after an epoch.

        Args:
            root: The number of the trial that began it; one that goes on has the same curve.
            values: Its hyperparameters.
            epoch: From 1.
        """
        draw = np.random.default_rng([self.seed, root])
        far = math.log10(values["rate"]) + 2.5
        end = 0.9 - 0.08 * far**2 - 0.1 * (values["dropout"] - 0.2) ** 2
        end = max(0.1, end - {64: 0.03, 128: 0.015, 256: 0.005, 512: 0.0}[values["width"]])
        time = 4 * math.exp(0.4 * draw.standard_normal())
        noise = 0.003 * np.random.default_rng([self.seed, root, epoch]).standard_normal()
        return float(end - (end - 0.1) * math.exp(-epoch / time) + noise)

    def seconds(self, root: int, values: Mapping[str, Any]) -> float:
        """Returns what an epoch takes."""
        draw = np.random.default_rng([self.seed, root, 0, 1])
        slower = (values["width"] / 128) ** 0.3
        return float(_EPOCH_SECONDS * slower * math.exp(0.25 * draw.standard_normal()))


def simulated(
    algorithm: str,
    workers: int,
    seed: int,
    trials: int = TRIALS,
    epochs: int = EPOCHS,
    training: FakeTraining | None = None,
) -> Outcome:
    """Plays one search to its end.

    A worker that is told to wait asks again as soon as a trial has ended, for nothing else can have
    changed.
    """
    import keras_tuner
    from keras_tuner.engine import trial as kt_trials

    from tuning.oracles import make_oracle

    objective = keras_tuner.Objective("val_accuracy", "max")
    oracle = make_oracle(algorithm, objective, _space(), trials, epochs, seed)
    training = training or FakeTraining(seed)
    order = itertools.count()
    # What happens next: when, by whom, and the end of which trial; None for a worker that begins.
    events: list[tuple[float, int, str, Any]] = [
        (0.0, next(order), f"worker{number}", None) for number in range(workers)
    ]
    waiting: collections.deque[str] = collections.deque()
    roots: dict[str, int] = {}
    clock, busy, spent, target, best = 0.0, 0.0, 0, math.inf, -math.inf
    while events:
        clock, _, worker, ended = heapq.heappop(events)
        if ended is not None:
            values = ended.hyperparameters.values
            last = values.get("tuner/epochs", epochs)
            value = training.value(roots[ended.trial_id], values, last)
            oracle.update_trial(ended.trial_id, {objective.name: value}, step=last)
            ended.status = kt_trials.TrialStatus.COMPLETED
            oracle.end_trial(ended)
            if last == epochs:
                best = max(best, value)
                target = min(target, clock) if value >= TARGET else target
        # The first who must still wait speaks for all behind it.
        waiting.appendleft(worker)
        while waiting:
            trial = oracle.create_trial(waiting[0])
            if trial.status != kt_trials.TrialStatus.RUNNING:
                break
            values = trial.hyperparameters.values
            parent = values.get("tuner/trial_id")
            roots[trial.trial_id] = roots[parent] if parent else len(roots)
            count = values.get("tuner/epochs", epochs) - values.get("tuner/initial_epoch", 0)
            takes = count * training.seconds(roots[trial.trial_id], values)
            busy, spent = busy + takes, spent + count
            heapq.heappush(events, (clock + takes, next(order), waiting.popleft(), trial))
    hour = 3600
    share = busy / (workers * clock) if clock else 0.0
    return Outcome(algorithm, workers, seed, clock / hour, target / hour, share, spent, best)


def _space() -> Any:
    import keras_tuner

    hp = keras_tuner.HyperParameters()
    hp.Float("rate", 1e-5, 1.0, sampling="log")
    hp.Float("dropout", 0.0, 0.6)
    hp.Choice("width", [64, 128, 256, 512])
    return hp


def summary(outcomes: Sequence[Outcome]) -> list[Row]:
    """Rows of hours, means over the seeds, and of what workers were busy."""
    groups: dict[tuple[int, str], list[Outcome]] = {}
    for outcome in outcomes:
        groups.setdefault((outcome.workers, outcome.algorithm), []).append(outcome)
    found = []
    for (workers, algorithm), members in sorted(groups.items()):
        what = f"{workers} workers" if workers > 1 else "1 worker"
        for label, values, unit in (
            ("to the end", [one.hours for one in members], "h"),
            (f"to {TARGET:g}", [one.target_hours for one in members], "h"),
            ("busy", [100 * one.busy for one in members], "%"),
            ("epochs", [float(one.epochs) for one in members], ""),
        ):
            finite = [value for value in values if math.isfinite(value)]
            if finite:
                half = (max(finite) - min(finite)) / 2
                row = Row(f"{what}, {label}", algorithm, statistics.fmean(finite), unit, half)
                found.append(row)
    return found


def draw(outcomes: Sequence[Outcome], path: Path) -> None:
    """Draws hours against workers, to the end and to the target, both axes logarithmic."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.6, 3.8), layout="constrained")
    panels = figure.subplots(1, 2)
    titles = ("the whole search", f"until a trial reaches {TARGET:g}")
    for panel, field, title in zip(panels, ("hours", "target_hours"), titles, strict=True):
        for algorithm in ALGORITHMS:
            counts, means = [], []
            for count in WORKERS:
                values = [
                    getattr(one, field)
                    for one in outcomes
                    if (one.algorithm, one.workers) == (algorithm, count)
                    and math.isfinite(getattr(one, field))
                ]
                if values:
                    counts.append(count)
                    means.append(statistics.fmean(values))
            panel.plot(counts, means, marker="o", markersize=4, label=algorithm)
            if algorithm == ALGORITHMS[0] and means:
                ideal = [means[0] * counts[0] / count for count in counts]
                panel.plot(counts, ideal, ":", color="grey", linewidth=1, label="1 / workers")
        panel.set_xscale("log", base=2)
        panel.set_yscale("log")
        panel.set_xticks(list(WORKERS), [str(count) for count in WORKERS])
        panel.set_title(title)
        panel.set_xlabel("workers")
        panel.grid(alpha=0.3)
    panels[0].set_ylabel("hours (simulated)")
    panels[0].legend()
    with files.atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110)
