"""The defects of KerasTuner 1.4.8 that searches here do not have, one test each.

Each shows the defect in KerasTuner itself first, where that is cheap. When such a part begins to
fail, a new KerasTuner has mended it, and the code that mends it here can go.
"""

from __future__ import annotations

import json
import math
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras
import keras_tuner
import pytest
from keras_tuner import oracles
from keras_tuner.src.engine import objective as objectives
from keras_tuner.src.engine import oracle as stock_oracle

from tuning.database import FILE, Database
from tuning.objectives import Objective, objectives_of
from tuning.orders import EPOCH, Order, Outcome, Tell
from tuning.plan import make_plan, make_trainer
from zoo import registry
from zoo.recipe import Recipe

from . import players
from .fakes import Quick
from .helpers import QUICK, RATES
from .searches import found, play

GOAL = keras_tuner.Objective("val_accuracy", "max")


def stock(folder: Path, kind: Any = oracles.RandomSearchOracle, **options: Any) -> Any:
    """KerasTuner's own oracle, over the space of `players`."""
    oracle = kind(GOAL, hyperparameters=players.space(), **options)
    oracle._set_project_dir(str(folder), "stock")
    oracle.verbose = 0
    return oracle


def failing(oracle: Any, worker: str = "tuner0") -> Any:
    """Has the next trial fail."""
    trial = oracle.create_trial(worker)
    trial.status, trial.message = "FAILED", "no number"
    oracle.end_trial(trial)
    return trial


@pytest.fixture
def trainer(sample_home: Path) -> Any:
    """What trains trials of the small network, in this process."""
    plan = make_plan("mlp.fashion_mnist", overrides=QUICK, space=RATES)
    return make_trainer(**plan.options())


def small(**changed: Any) -> dict[str, Any]:
    base = registry.recipes().get("mlp.fashion_mnist")
    return base.override({**QUICK, **changed}).to_dict()


def go(message: dict[str, Any]) -> Any:
    return "go"


def test_1_trials_need_no_tensorboard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    monkeypatch.setitem(sys.modules, "tensorboard.plugins.hparams", None)
    with pytest.raises(ImportError):
        keras_tuner.Tuner._configure_tensorboard_dir(SimpleNamespace(), [], None)
    play(tmp_path, trials=1)
    assert [row[2] for row in found(tmp_path)] == ["completed"]


def test_2_no_direction_is_guessed() -> None:
    guessed = objectives.create_objective("val_f1_score")
    assert guessed.direction == "min"
    with pytest.raises(TypeError, match="direction"):
        Objective("val_f1_score")  # type: ignore[call-arg]
    names = ["val_accuracy", "val_loss", "parameters"]
    goals = objectives_of(registry.recipes().get("mlp.fashion_mnist"), names)
    assert [one.keras_tuner().direction for one in goals] == ["max", "min", "min"]


def test_3_seed_0_is_a_seed(tmp_path: Path) -> None:
    assert stock(tmp_path, seed=0).seed != 0
    for part in ("a", "b"):
        play(tmp_path / part, trials=3, seed=0)
    assert found(tmp_path / "a") == found(tmp_path / "b")


def test_4_the_policy_and_the_seed_outlive_a_trial(trainer: Any) -> None:
    before = keras.config.dtype_policy()
    try:
        keras.config.set_dtype_policy("mixed_bfloat16")
        keras.backend.clear_session()
        assert keras.config.dtype_policy().name == "float32"
        trainer._policy = keras.dtype_policies.get("mixed_bfloat16")
        recipe = Recipe.from_dict(small())
        weights = [trainer._build(recipe, 0).network.get_weights() for _ in range(2)]
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
    finally:
        keras.config.set_dtype_policy(before)
    for one, other in zip(*weights, strict=True):
        assert (one == other).all()


def test_5_an_epoch_without_the_objective_is_no_failure(tmp_path: Path) -> None:
    class Late(Quick):
        """Logs the objective after its last epoch alone."""

        def train(self, order: Order, tell: Tell) -> Outcome:
            def without(message: dict[str, Any]) -> Any:
                early = message["kind"] == EPOCH and message["epoch"] < order.epochs
                return tell({**message, "metrics": {}} if early else message)

            return super().train(order, without)

    oracle = stock(tmp_path, max_trials=2)
    trial = oracle.create_trial("tuner0")
    with pytest.raises(ValueError, match="Objective value missing"):
        oracle.update_trial(trial.trial_id, {"loss": 1.0})
    play(tmp_path, trials=2, trainer=Late())
    assert [row[2] for row in found(tmp_path)] == ["completed"] * 2


def test_6_a_failed_trial_is_not_the_best(tmp_path: Path) -> None:
    oracle = stock(tmp_path, max_trials=2)
    failing(oracle)
    assert oracle.get_best_trials(1)[0].status == "FAILED"
    mended = players.oracle_of("random")
    failing(mended)
    assert mended.get_best_trials(1) == []


def test_7_the_optimizer_goes_on_with_its_trial(trainer: Any, tmp_path: Path) -> None:
    """Two epochs in two trials equal two epochs in one, to the last bit."""
    said: dict[str, list[Any]] = {}

    def teller(name: str) -> Callable[[dict[str, Any]], Any]:
        def tell(message: dict[str, Any]) -> Any:
            if message["kind"] == EPOCH:
                said.setdefault(name, []).append(message["metrics"])
            return "go"

        return tell

    recipe = small()
    first, second, whole = (str(tmp_path / name) for name in ("first", "second", "whole"))
    trainer.train(Order("0", recipe, first, 1), teller("parts"))
    trainer.train(Order("1", recipe, second, 2, start=first), teller("parts"))
    trainer.train(Order("2", recipe, whole, 2), teller("whole"))
    assert len(said["parts"]) == 2 and said["parts"] == said["whole"]
    # Where the first trial's checkpoint is lost, it is trained again, with the same end.
    (tmp_path / "first" / "checkpoint.npz").unlink()
    anew = Order("3", recipe, str(tmp_path / "anew"), 2, start=first)
    assert trainer.train(anew, go).objectives["val_accuracy"] == said["whole"][-1]["val_accuracy"]


def test_8_a_crash_in_the_first_trial_loses_nothing(tmp_path: Path) -> None:
    oracle = stock(tmp_path, max_trials=2)
    oracle.create_trial("tuner0")
    oracle.save()
    Path(oracle._get_oracle_fname()).write_text("{")
    with pytest.raises(json.JSONDecodeError):
        oracle.reload()

    class Killed(BaseException):
        """Stands for the process ending here."""

    def stop(line: str) -> None:
        if line.startswith("  epoch 2/3"):
            raise Killed

    first = Quick()
    with pytest.raises(Killed):
        play(tmp_path / "mended", trials=1, trainer=first, say=stop)
    database = Database(tmp_path / "mended" / FILE)
    assert database.trial("0000").status == "running" and len(database.epochs()) == 2
    assert first.trained + play(tmp_path / "mended", trials=1) == play(tmp_path / "whole", trials=1)
    assert found(tmp_path / "mended") == found(tmp_path / "whole")


def test_9_failures_and_dead_workers_hold_nobody_up(tmp_path: Path) -> None:
    """Chiefs, idle workers and heartbeats: test_chief.py."""
    oracle = stock(tmp_path, max_trials=9)
    dead = oracle.create_trial("dead")
    with pytest.raises(RuntimeError, match="consecutive failures"):
        for _ in range(3):
            failing(oracle)
    # Every other thread waits for ever now.
    assert stock_oracle.LOCKS[oracle].locked()
    mended = players.oracle_of("random", trials=9)
    dead = mended.create_trial("dead")
    for _ in range(5):
        failing(mended)
    mended.release("dead")
    given: list[str] = []
    thread = threading.Thread(target=lambda: given.append(mended.create_trial("other").trial_id))
    thread.start()
    thread.join(10)
    assert given == [dead.trial_id]


def test_10_a_bayesian_search_repeats_nothing_and_keeps_its_way(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Its memory: test_trial_process.py."""

    def minimize(function: Any, x0: Any, **_: Any) -> Any:
        # The best of the random points; seconds of descent would add nothing.
        return SimpleNamespace(fun=function(x0)[0], x=x0)

    stub = SimpleNamespace(optimize=SimpleNamespace(minimize=minimize))
    monkeypatch.setattr("keras_tuner.src.tuners.bayesian.scipy", stub)
    known = stock(tmp_path, oracles.BayesianOptimizationOracle, seed=1)
    state = known._random_state.get_state()[1].tolist()
    assert not any(value == state for value in known.get_state().values())

    whole = players.play(players.oracle_of("bayesian", trials=6))
    store = players.Store()
    players.play(store.put_back(players.oracle_of("bayesian", trials=6)), 4)
    again = store.put_back(players.oracle_of("bayesian", trials=6))
    assert players.found(players.play(again)) == players.found(whole)
    assert len(set(players.tried(whole))) == 6


# Three more, of single algorithms.


def test_near_seeds_share_no_trial(tmp_path: Path) -> None:
    shared = [
        set(players.tried(players.play(stock(tmp_path / str(seed), max_trials=6, seed=seed))))
        for seed in (1, 3)
    ]
    assert shared[0] & shared[1]
    mended = [set(players.tried(players.play(players.oracle_of("random", s)))) for s in (1, 3)]
    assert not mended[0] & mended[1]


def test_a_failed_trial_starves_no_bracket(tmp_path: Path) -> None:
    """Of 9 trials of one epoch, 3 of 3 and 1 of 9, KerasTuner never reaches the last."""
    halving = stock(tmp_path, oracles.HyperbandOracle, max_epochs=9, seed=1)
    bracket: list[dict[str, Any]] = []

    def second_fails(values: dict[str, Any]) -> float:
        bracket.append(values)
        return math.nan if len(bracket) == 2 else players.score_of(values)

    players.play(halving, score=second_fails)
    assert not [one for one in bracket if one["tuner/bracket"] == 2 and one["tuner/epochs"] == 9]
    bracket.clear()
    players.play(players.oracle_of("hyperband", trials=8), score=second_fails)
    assert [one["tuner/epochs"] for one in bracket] == [1] * 5 + [3] * 2 + [9]


def test_a_stored_grid_goes_on(tmp_path: Path) -> None:
    players.play(stock(tmp_path, oracles.GridSearchOracle, max_trials=6), 2)
    again = stock(tmp_path, oracles.GridSearchOracle, max_trials=6)
    again.reload()
    # It has forgotten which combination is whose.
    with pytest.raises(KeyError):
        players.play(again)
    store = players.Store()
    players.play(store.put_back(players.oracle_of("grid")), 2)
    assert len(players.play(store.put_back(players.oracle_of("grid"))).trials) == 6
