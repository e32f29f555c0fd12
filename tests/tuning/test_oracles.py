"""The mended oracles, played without training.

The defects of KerasTuner that they mend are shown in the stock oracles by `test_defects.py`.
"""

from __future__ import annotations

import math
import threading
from types import SimpleNamespace
from typing import Any

import keras_tuner
import numpy as np
import pytest

from tuning.oracles import FINISHED, status_of
from tuning.stopping import MedianRule

from .players import (
    ALGORITHMS,
    EPOCHS,
    Killed,
    Store,
    end,
    found,
    oracle_of,
    play,
    score_of,
    tried,
)


@pytest.fixture(autouse=True)
def no_descent(monkeypatch: pytest.MonkeyPatch) -> None:
    """The Bayesian oracle takes the best of its random points: seconds of descent add nothing."""

    def minimize(function: Any, x0: Any, **_: Any) -> Any:
        return SimpleNamespace(fun=function(x0)[0], x=x0)

    stub = SimpleNamespace(optimize=SimpleNamespace(minimize=minimize))
    monkeypatch.setattr("keras_tuner.src.tuners.bayesian.scipy", stub)


# The seed.


@pytest.mark.parametrize("algorithm", ["random", "bayesian", "hyperband", "asha"])
def test_a_seed_decides_every_trial_and_zero_is_one(algorithm: str) -> None:
    searches = [tried(play(oracle_of(algorithm, seed=seed))) for seed in (0, 0, 1)]
    assert searches[0] == searches[1] != searches[2]


def test_near_seeds_share_no_trial() -> None:
    searches = [set(tried(play(oracle_of("random", seed=seed)))) for seed in range(5)]
    assert len(set.union(*searches)) == sum(len(search) for search in searches)


# Failures.


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_failed_trials_are_recorded_and_the_search_goes_on(algorithm: str) -> None:
    store = Store()
    oracle = play(store.put_back(oracle_of(algorithm)), score=lambda _: math.nan)
    statuses = [status for _, status, _ in found(oracle)]
    # Of Hyperband's bracket nothing is left to go on with.
    assert statuses and set(statuses) == {"FAILED"}
    assert len(statuses) == 6 or algorithm == "hyperband"
    again = store.put_back(oracle_of(algorithm))
    assert {trial.message for trial in again.trials.values()} == {"no number"}
    assert again.get_best_trials(2) == []


def test_a_value_that_is_no_number_is_a_failure() -> None:
    oracle = oracle_of("random")
    trial = oracle.create_trial("one")
    oracle.update_trial(trial.trial_id, {"val_accuracy": math.inf}, step=1)
    trial.status = "COMPLETED"
    oracle.end_trial(trial)
    assert (trial.status, trial.message, trial.score) == ("FAILED", "val_accuracy is inf", None)


def test_a_trial_without_a_report_is_a_failure() -> None:
    oracle = oracle_of("random")
    trial = oracle.create_trial("one")
    trial.status = "COMPLETED"
    oracle.end_trial(trial)
    assert status_of(trial) == "failed"


# Hyperband.


def one_fails(values: dict[str, Any], seen: list[Any]) -> float:
    seen.append(values)
    return math.nan if len(seen) == 2 else score_of(values)


def test_a_failed_trial_does_not_starve_its_bracket() -> None:
    seen: list[Any] = []
    oracle = play(oracle_of("hyperband", trials=8), score=lambda v: one_fails(v, seen))
    assert [v["tuner/epochs"] for v, _, _ in found(oracle)] == [1] * 5 + [3] * 2 + [9]


def test_hyperband_goes_on_with_the_best() -> None:
    oracle = play(oracle_of("hyperband", trials=8))
    for index in (1, 2):
        here, before = oracle.trials_at(index), oracle.trials_at(index - 1)
        best = sorted(before, key=lambda t: -t.score)[: len(here)]
        chosen = {t.hyperparameters.values["tuner/trial_id"] for t in here}
        assert chosen == {t.trial_id for t in best}
        for trial in here:
            assert trial.hyperparameters.values["tuner/initial_epoch"] == 3 ** (index - 1)


# Duplicates.


@pytest.mark.parametrize("algorithm", ["random", "bayesian", "grid"])
def test_no_values_are_tried_twice(algorithm: str) -> None:
    hp = keras_tuner.HyperParameters()
    hp.Choice("rate", [1e-3, 1e-2])
    hp.Choice("kind", ["a", "b", "c"])
    all_tried = tried(play(oracle_of(algorithm, hp=hp)))
    assert len(all_tried) == len(set(all_tried)) >= 5


# A kill at any moment.


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_kill_at_any_write_loses_and_repeats_nothing(algorithm: str) -> None:
    counted = Store()
    unbroken = found(play(counted.put_back(oracle_of(algorithm, trials=4))))
    assert counted.writes >= 12
    for stop in range(1, counted.writes + 1):
        store = Store()
        oracle = store.put_back(oracle_of(algorithm, trials=4))
        store.killed_at = stop
        with pytest.raises(Killed):
            play(oracle)
        again = store.put_back(oracle_of(algorithm, trials=4))
        ended = sum(trial.status in FINISHED for trial in again.trials.values())
        # A trial begins, reports once and ends.
        assert ended == (stop - 1) // 3
        assert found(play(again)) == unbroken, f"killed at write {stop}"


@pytest.mark.parametrize("algorithm", ["random", "bayesian", "grid"])
def test_more_trials_go_on_where_fewer_ended(algorithm: str) -> None:
    store = Store()
    few = found(play(store.put_back(oracle_of(algorithm, trials=4))))
    more = found(play(store.put_back(oracle_of(algorithm, trials=6))))
    assert more[:4] == few and len(more) == 6


def test_a_lock_is_open_again_after_an_error() -> None:
    oracle = oracle_of("random")
    oracle.keep = Store(killed_at=1)
    with pytest.raises(Killed):
        oracle.create_trial("one")
    oracle.keep = None
    done: list[Any] = []
    other = threading.Thread(target=lambda: done.append(oracle.create_trial("two")), daemon=True)
    other.start()
    other.join(10)
    assert done and done[0].status == "RUNNING"


# Reports.


def test_the_last_epoch_counts_and_a_second_report_replaces_the_first() -> None:
    oracle = oracle_of("random")
    trial = oracle.create_trial("one")
    for epoch, value in ((1, 0.9), (2, 0.2), (2, 0.4), (3, 0.5)):
        oracle.update_trial(trial.trial_id, {"val_accuracy": value, "loss": 1.0}, step=epoch)
    assert oracle.curve(trial) == {1: 0.9, 2: 0.4, 3: 0.5}
    oracle.rewind(trial.trial_id, 2)
    assert oracle.curve(trial) == {1: 0.9, 2: 0.4}
    trial.status = "COMPLETED"
    oracle.end_trial(trial)
    assert (trial.score, trial.best_step) == (0.4, 2)


def test_a_report_without_the_objective_is_refused() -> None:
    oracle = oracle_of("random")
    trial = oracle.create_trial("one")
    with pytest.raises(ValueError, match="val_accuracy"):
        oracle.update_trial(trial.trial_id, {"loss": 1.0}, step=1)


def test_what_a_worker_sends_back_changes_no_value() -> None:
    """Through KerasTuner's messages a bool comes back as a number, and an order is lost."""
    oracle = oracle_of("random")
    trial = oracle.create_trial("one")
    before = dict(trial.hyperparameters.values)
    sent = SimpleNamespace(
        trial_id=trial.trial_id,
        status="FAILED",
        message="why",
        hyperparameters=SimpleNamespace(values={"rate": np.float32(before["rate"])}),
    )
    oracle.end_trial(sent)
    assert oracle.trials[trial.trial_id].hyperparameters.values == before


# Stopped and skipped trials.


def stopping(algorithm: str = "random", **options: Any) -> Any:
    return oracle_of(algorithm, rule=MedianRule(warmup=1, least_trials=2), **options)


def reported(oracle: Any, curve: list[float], tuner: str = "one") -> tuple[Any, int]:
    """Trains a trial of this curve; returns it and the epoch at which it was told to stop, or 0."""
    trial = oracle.create_trial(tuner)
    for epoch, value in enumerate(curve, start=1):
        answer = oracle.update_trial(trial.trial_id, {"val_accuracy": value}, step=epoch)
        assert oracle.trials[trial.trial_id].status == "RUNNING"
        if answer.status == "STOPPED":
            trial.status = "STOPPED"
            oracle.end_trial(trial)
            return trial, epoch
    trial.status = "COMPLETED"
    oracle.end_trial(trial)
    return trial, 0


def test_a_trial_below_the_median_is_stopped_and_keeps_its_value() -> None:
    oracle = stopping()
    for level in (0.5, 0.6):
        assert reported(oracle, [level] * EPOCHS)[1] == 0
    trial, epoch = reported(oracle, [0.1, 0.2, 0.3])
    # After the epoch of grace; 0.2 is below the mean of either.
    assert epoch == 2 and (trial.score, status_of(trial)) == (0.2, "stopped")
    assert reported(oracle, [0.1, 0.9, 0.1])[1] == 0
    assert [t.trial_id for t in oracle.get_best_trials(5)] == ["0001", "0000", "0003"]


def test_no_trial_is_stopped_after_its_last_epoch() -> None:
    for grace, stopped_at in ((EPOCHS - 1, 0), (EPOCHS - 2, EPOCHS - 1)):
        oracle = oracle_of("random", rule=MedianRule(warmup=grace, least_trials=2))
        for level in (0.5, 0.6):
            reported(oracle, [level] * EPOCHS)
        assert reported(oracle, [0.1] * EPOCHS)[1] == stopped_at


def test_a_stopped_trial_is_the_best_where_none_completed() -> None:
    oracle = oracle_of("random")
    for value in (0.3, 0.4):
        trial = oracle.create_trial("one")
        oracle.update_trial(trial.trial_id, {"val_accuracy": value}, step=2)
        trial.status = "STOPPED"
        oracle.end_trial(trial)
    assert [t.score for t in oracle.get_best_trials(2)] == [0.4, 0.3]
    end(oracle, oracle.create_trial("one"), 0.1)
    assert [t.score for t in oracle.get_best_trials(2)] == [0.1]


def test_what_goes_on_is_judged_with_what_it_goes_on_with() -> None:
    oracle = oracle_of("hyperband", trials=8)
    play(oracle, 7)
    last = oracle.create_trial("tuner0")
    parent = oracle.trials[last.hyperparameters.values["tuner/trial_id"]]
    first = oracle.trials[parent.hyperparameters.values["tuner/trial_id"]]
    oracle.update_trial(last.trial_id, {"val_accuracy": 0.7}, step=4)
    assert oracle.curve(last) == {1: first.score, 3: parent.score, 4: 0.7}


def test_bayesian_search_learns_from_stopped_trials() -> None:
    oracle = oracle_of("bayesian", trials=9)
    play(oracle, 3)
    trial = oracle.create_trial("tuner0")
    oracle.update_trial(trial.trial_id, {"val_accuracy": 0.25}, step=2)
    trial.status = "STOPPED"
    oracle.end_trial(trial)
    running = oracle.create_trial("tuner0")
    places, values = oracle._vectorize_trials()
    scores = [-t.score for t in oracle.trials.values() if t is not running]
    # Smaller is better there; who is still running counts as the worst.
    np.testing.assert_allclose(values, [*scores, max(scores)])
    assert places.shape == (5, 2) and (places >= 0).all() and (places <= 1).all()


def test_skipped_models_take_no_place() -> None:
    oracle = oracle_of("random", trials=3)
    skipped = oracle.create_trial("tuner0")
    oracle.skip(skipped.trial_id, "9,000 parameters, above 8,000")
    assert status_of(skipped) == "skipped" and "9,000" in skipped.message
    play(oracle)
    assert [status_of(t) for t in oracle.trials.values()] == ["skipped"] + ["completed"] * 3
    assert skipped.trial_id not in {t.trial_id for t in oracle.get_best_trials(9)}


def test_a_round_is_filled_past_skipped_models() -> None:
    oracle = oracle_of("hyperband", trials=8)
    for _ in range(2):
        oracle.skip(oracle.create_trial("tuner0").trial_id, "too large")
    play(oracle)
    epochs = [t.hyperparameters.values["tuner/epochs"] for t in oracle.counted()]
    assert epochs == [1] * 5 + [3] * 2 + [9]


def test_a_search_of_models_that_are_all_too_large_ends() -> None:
    oracle = oracle_of("random", trials=2)
    for _ in range(100):
        trial = oracle.create_trial("tuner0")
        if trial.status == "STOPPED":
            break
        oracle.skip(trial.trial_id, "too large")
    assert trial.status == "STOPPED" and len(oracle.trials) == 20


# Several workers.


def test_a_lost_workers_trial_goes_to_the_next() -> None:
    oracle = oracle_of("random", trials=2)
    lost, other = oracle.create_trial("one"), oracle.create_trial("two")
    assert oracle.release("one") == lost.trial_id and oracle.release("one") is None
    assert status_of(lost) == "interrupted"
    end(oracle, other, 0.5)
    assert oracle.create_trial("three") is lost
    # There may be need of this one yet.
    assert oracle.create_trial("two").status == "IDLE"
    end(oracle, lost, 0.5)
    assert oracle.create_trial("two").status == "STOPPED"
    assert oracle.create_trial("three").status == "STOPPED"
    assert not oracle.tuner_ids and len(oracle.trials) == 2


def test_a_worker_that_asks_twice_has_one_trial() -> None:
    oracle = oracle_of("random")
    assert oracle.create_trial("one") is oracle.create_trial("one")
    assert len(oracle.trials) == 1


def test_a_worker_keeps_its_trial_when_the_chief_begins_anew() -> None:
    store = Store()
    oracle = store.put_back(oracle_of("random"))
    names = [oracle.create_trial(tuner).trial_id for tuner in ("one", "two")]
    again = store.put_back(oracle_of("random"))
    assert again.claim("two", names[1])
    assert not again.claim("three", names[1])
    assert again.claim("two", names[1])
    assert again.create_trial("one").trial_id == names[0]


def test_workers_ask_at_once_and_each_has_a_trial_of_its_own() -> None:
    oracle = oracle_of("random", trials=40)
    given: list[Any] = []

    def work(tuner: str) -> None:
        for _ in range(5):
            trial = oracle.create_trial(tuner)
            given.append(trial.trial_id)
            end(oracle, trial, 0.5)

    threads = [threading.Thread(target=work, args=(f"tuner{i}",)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(given) == [f"{number:04d}" for number in range(40)]
    assert not oracle.ongoing_trials
