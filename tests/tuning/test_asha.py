"""ASHA against its promotion rule, written down a second time and plainly."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from tuning.halving import plan_rungs
from tuning.oracles import status_of

from .players import EPOCHS, end, oracle_of, play, score_of


@pytest.mark.parametrize("max_epochs", [1, 2, 3, 8, 9, 40, 81])
@pytest.mark.parametrize("trials", [1, 3, 4, 8, 13, 40, 400])
def test_rungs_can_all_be_reached(trials: int, max_epochs: int) -> None:
    rungs = plan_rungs(trials, max_epochs)
    assert rungs[-1] == max_epochs and rungs == sorted(set(rungs)) and rungs[0] >= 1
    # One trial on the last rung, three on the one before it, nine before that …
    needed = sum(3**rung for rung in range(len(rungs)))
    assert needed <= trials or len(rungs) == 1
    # One rung more would take more trials, or less than an epoch.
    assert needed + 3 ** len(rungs) > trials or 3 ** len(rungs) > max_epochs


def test_known_rungs() -> None:
    assert plan_rungs(13, 9) == [1, 3, 9]
    assert plan_rungs(12, 9) == [3, 9]
    assert plan_rungs(3, 9) == [9]


class Plain:
    """Algorithm 2 of the paper over lists: rungs of [trial's own number, value, promoted]."""

    def __init__(self, rungs: int) -> None:
        self.rungs: list[list[dict[str, Any]]] = [[] for _ in range(rungs)]
        self.begun = 0

    def get_job(self) -> tuple[int, int]:
        """Returns which configuration, and on which rung."""
        for rung in reversed(range(len(self.rungs) - 1)):
            done = [one for one in self.rungs[rung] if one["value"] is not None]
            best = sorted(done, key=lambda one: -one["value"])[: len(done) // 3]
            for one in best:
                if not one["promoted"]:
                    one["promoted"] = True
                    return one["name"], rung + 1
        self.begun += 1
        return self.begun, 0


@pytest.mark.parametrize("workers", [1, 4, 9])
def test_promotions_are_the_papers(workers: int) -> None:
    """Workers end in a random order, so that rungs are judged while they fill."""
    trials = 60
    oracle = oracle_of("asha", trials=trials)
    plain = Plain(len(oracle.rungs))
    assert oracle.rungs == [1, 3, 9]
    rng = np.random.default_rng(workers)
    numbers: dict[str, int] = {}
    running: dict[str, tuple[Any, dict[str, Any]]] = {}
    for _ in range(3 * trials):
        idle = [f"tuner{i}" for i in range(workers) if f"tuner{i}" not in running]
        for tuner in idle:
            trial = oracle.create_trial(tuner)
            if trial.status != "RUNNING":
                continue
            values = trial.hyperparameters.values
            name, rung = plain.get_job()
            parent = values.get("tuner/trial_id")
            numbers[trial.trial_id] = numbers[parent] if parent else len(set(numbers.values())) + 1
            assert (numbers[trial.trial_id], values["tuner/round"]) == (name, rung)
            assert values["tuner/epochs"] == oracle.rungs[rung]
            assert values["tuner/initial_epoch"] == (oracle.rungs[rung - 1] if rung else 0)
            place: dict[str, Any] = {"name": name, "value": None, "promoted": False}
            plain.rungs[rung].append(place)
            running[tuner] = (trial, place)
        if not running:
            break
        tuner = sorted(running)[int(rng.integers(len(running)))]
        trial, place = running.pop(tuner)
        value = score_of(trial.hyperparameters.values)
        place["value"] = value
        end(oracle, trial, value)
    assert len(oracle.trials) == trials
    tops = [t for t in oracle.trials.values() if t.hyperparameters.values["tuner/round"] == 2]
    assert tops and all(status_of(t) == "completed" for t in tops)


def test_nobody_waits_for_a_rung() -> None:
    oracle = oracle_of("asha", trials=13)
    for number in range(13):
        assert oracle.create_trial(f"tuner{number}").status == "RUNNING"
    assert oracle.create_trial("one more").status == "IDLE"


def test_failed_trials_are_never_continued_and_count_for_their_rung() -> None:
    oracle = oracle_of("asha", trials=13)
    play(oracle, 2, score=lambda _: math.nan)
    play(oracle, 1)
    # Three have ended; the best third of them is the one that did not fail.
    trial = oracle.create_trial("tuner0")
    assert trial.hyperparameters.values["tuner/trial_id"] == "0002"


@pytest.mark.parametrize("seed", range(5))
def test_a_search_ends_with_a_trial_of_all_epochs(seed: int) -> None:
    """Nine trials below, three above them and one on top are the fewest that lead there."""
    oracle = play(oracle_of("asha", seed=seed, trials=13))
    epochs = [t.hyperparameters.values["tuner/epochs"] for t in oracle.trials.values()]
    assert len(epochs) == 13 and EPOCHS in epochs
