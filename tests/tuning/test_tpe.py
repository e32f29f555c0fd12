"""TPE: Optuna behind the oracle's interface."""

from __future__ import annotations

import importlib.util
import math
from typing import Any

import keras_tuner
import pytest

from tuning.objectives import Objective
from tuning.oracles import tpe
from zoo.errors import ZooError

from .players import EPOCHS, Killed, Store, end, found, oracle_of, play, tried

needs_optuna = pytest.mark.skipif(
    importlib.util.find_spec("optuna") is None, reason="the extra tpe is not installed"
)


def test_without_optuna_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ZooError, match=r"pip install 'keras-model-zoo\[tpe\]'") as raised:
        oracle_of("tpe")
    assert "\n" not in str(raised.value)


def conditional() -> keras_tuner.HyperParameters:
    """Every kind of hyperparameter, some of which are there under a condition alone."""
    hp = keras_tuner.HyperParameters()
    hp.Float("rate", 1e-4, 1e-1, sampling="log")
    hp.Choice("kind", ["a", "b"])
    with hp.conditional_scope("kind", ["b"]):
        hp.Int("depth", 1, 4)
        hp.Boolean("wide")
    hp.Choice("size", [64, 16, 32])
    hp.Float("share", 0.0, 0.5, step=0.25)
    hp.Int("count", 8, 1000, sampling="log")
    hp.Int("power", 2, 32, step=2, sampling="log")
    hp.Fixed("given", 7)
    return hp


def score(values: dict[str, Any]) -> float:
    """Best at a rate of 0.01 of kind b."""
    return (values["kind"] == "b") - abs(math.log10(values["rate"]) + 2)


@needs_optuna
def test_every_value_can_be_asked_for_and_only_what_is_active_is() -> None:
    oracle = play(oracle_of("tpe", trials=20, hp=conditional()), score=score)
    assert len(oracle.trials) == 20
    for trial in oracle.trials.values():
        values = trial.hyperparameters.values
        assert ("depth" in values) == ("wide" in values) == (values["kind"] == "b")
        assert 1e-4 <= values["rate"] <= 1e-1 and values["size"] in (16, 32, 64)
        assert values["share"] in (0.0, 0.25, 0.5) and values["power"] in (2, 4, 8, 16, 32)
        assert 8 <= values["count"] <= 1000 and values["given"] == 7
        assert all(type(values[key]) is int for key in ("count", "power", "size"))
    assert len({tuple(t.hyperparameters.values.items()) for t in oracle.trials.values()}) == 20


@needs_optuna
def test_places_and_values_lead_to_each_other() -> None:
    class Asked:
        """An Optuna trial that was given its places."""

        def __init__(self, place: Any) -> None:
            self.place = place

        def suggest_float(self, *_: Any) -> Any:
            return self.place

        suggest_int = suggest_categorical = suggest_float

    for hp in conditional().space:
        for seed in range(20):
            value = hp.random_sample(seed)
            if tpe._axis(hp) is None:
                continue
            back = tpe._suggested_by(Asked(tpe._inward(hp, value)), hp)
            assert back == pytest.approx(value) if hp.name == "rate" else back == value


@needs_optuna
def test_it_finds_what_is_best() -> None:
    learned = play(oracle_of("tpe", trials=40, hp=conditional()), score=score)
    late = [t.score for t in learned.trials.values()][-15:]
    random = play(oracle_of("random", trials=40, hp=conditional()), score=score)
    drawn = [t.score for t in random.trials.values()]
    assert sum(late) / len(late) > sum(drawn) / len(drawn) + 0.3


@needs_optuna
def test_a_seed_decides_every_trial() -> None:
    searches = [tried(play(oracle_of("tpe", seed=seed, trials=8))) for seed in (0, 0, 1)]
    assert searches[0] == searches[1] != searches[2]


@needs_optuna
def test_a_kill_at_any_write_loses_and_repeats_nothing() -> None:
    counted = Store()
    unbroken = found(play(counted.put_back(oracle_of("tpe", trials=6))))
    for stop in range(1, counted.writes + 1, 2):
        store = Store()
        oracle = store.put_back(oracle_of("tpe", trials=6))
        store.killed_at = stop
        with pytest.raises(Killed):
            play(oracle)
        assert found(play(store.put_back(oracle_of("tpe", trials=6)))) == unbroken


@needs_optuna
def test_a_larger_number_of_trials_changes_no_earlier_one() -> None:
    store = Store()
    few = found(play(store.put_back(oracle_of("tpe", trials=6))))
    more = found(play(store.put_back(oracle_of("tpe", trials=12))))
    assert more[:6] == few and len(more) == 12


@needs_optuna
def test_workers_at_once_get_different_trials() -> None:
    oracle = play(oracle_of("tpe", trials=20), 10)
    for number in range(6):
        assert oracle.create_trial(f"tuner{number}").status == "RUNNING"
    assert len(set(tried(oracle))) == 16


@needs_optuna
def test_failed_trials_are_passed_over_and_stopped_ones_learned_from() -> None:
    oracle = oracle_of("tpe", trials=9)
    play(oracle, 1, score=lambda _: math.nan)
    play(oracle, 2)
    trial = oracle.create_trial("tuner0")
    oracle.update_trial(trial.trial_id, {"val_accuracy": 0.2}, step=2)
    trial.status = "STOPPED"
    oracle.end_trial(trial)
    oracle.create_trial("tuner0")
    assert [one.state.name for one in oracle._past()] == [
        "COMPLETE",
        "COMPLETE",
        "PRUNED",
        "RUNNING",
    ]
    assert oracle._past()[2].intermediate_values == {2: 0.2}


@needs_optuna
def test_several_objectives_are_all_learned_from() -> None:
    objectives = (
        Objective("val_accuracy", "max"),
        Objective("parameters", "min", split="model", per_epoch=False),
    )
    oracle = oracle_of("tpe", trials=12, objectives=objectives)
    for number in range(10):
        trial = oracle.create_trial("tuner0")
        oracle.update_trial(
            trial.trial_id, {"val_accuracy": 0.1 * number, "parameters": 50.0}, step=EPOCHS
        )
        trial.status = "COMPLETED"
        oracle.end_trial(trial)
    assert [one.values for one in oracle._past()][3] == [pytest.approx(0.3), 50.0]
    assert oracle.create_trial("tuner0").status == "RUNNING"


@needs_optuna
def test_a_space_that_is_used_up_ends_the_search() -> None:
    hp = keras_tuner.HyperParameters()
    hp.Choice("rate", [1e-3, 1e-2])
    hp.Choice("kind", ["a", "b"])
    oracle = oracle_of("tpe", trials=30, hp=hp)
    for _ in range(30):
        trial = oracle.create_trial("tuner0")
        if trial.status == "STOPPED":
            break
        end(oracle, trial, trial.hyperparameters.values["rate"])
    assert trial.status == "STOPPED"
    assert len(set(tried(oracle))) == len(oracle.trials) >= 3
