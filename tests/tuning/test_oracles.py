"""The mended oracles, played without training: scores are a function of the values.

Where a defect of KerasTuner is mended, a test shows the defect in the stock oracle as well. When
that part begins to fail, a new KerasTuner has mended it itself and the code here can go.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras_tuner
import pytest
from keras_tuner import oracles

from tuning.oracles import FINISHED, make_oracle
from zoo import files
from zoo.errors import ZooError

OBJECTIVE = keras_tuner.Objective("val_accuracy", "max")
ALGORITHMS = ("random", "grid", "bayesian", "hyperband")
Score = Callable[[dict[str, Any]], float]


class Killed(BaseException):
    """Stands for the process ending here."""


@pytest.fixture(autouse=True)
def no_descent(monkeypatch: pytest.MonkeyPatch) -> None:
    """The Bayesian oracle takes the best of its random points: seconds of descent add nothing."""

    def minimize(function: Any, x0: Any, **_: Any) -> Any:
        return SimpleNamespace(fun=function(x0)[0], x=x0)

    stub = SimpleNamespace(optimize=SimpleNamespace(minimize=minimize))
    monkeypatch.setattr("keras_tuner.src.tuners.bayesian.scipy", stub)


def space() -> keras_tuner.HyperParameters:
    hp = keras_tuner.HyperParameters()
    hp.Float("rate", 1e-4, 1e-1, sampling="log")
    hp.Choice("kind", ["a", "b", "c"])
    return hp


def mended(algorithm: str, folder: Path, seed: int = 1, trials: int = 6) -> Any:
    oracle = make_oracle(algorithm, OBJECTIVE, space(), trials, max_epochs=9, seed=seed)
    return placed(oracle, folder)


def placed(oracle: Any, folder: Path) -> Any:
    oracle._set_project_dir(str(folder), "search")
    oracle.verbose = 0
    return oracle


def score_of(values: dict[str, Any]) -> float:
    return 1.0 / (1.0 + abs(math.log10(values["rate"]) + 2)) + 0.01 * values.get("tuner/epochs", 0)


def play(oracle: Any, count: int = 1000, score: Score = score_of) -> Any:
    """Runs up to `count` trials; a NaN score is a trial that fails."""
    for _ in range(count):
        trial = oracle.create_trial("tuner0")
        if trial.status == "STOPPED":
            break
        value = score(trial.hyperparameters.values)
        if math.isnan(value):
            trial.status, trial.message = "FAILED", "no number"
        else:
            oracle.update_trial(trial.trial_id, {"val_accuracy": value})
            trial.status = "COMPLETED"
        oracle.end_trial(trial)
        oracle.save()
    return oracle


def found(oracle: Any) -> list[tuple[dict[str, Any], str, float | None]]:
    return [(t.hyperparameters.values, t.status, t.score) for t in oracle.trials.values()]


def values(oracle: Any) -> list[tuple[Any, ...]]:
    return [
        (t.hyperparameters.values["rate"], t.hyperparameters.values["kind"])
        for t in oracle.trials.values()
    ]


# The seed.


def test_seed_zero_is_a_seed(tmp_path: Path) -> None:
    first, second = (values(play(mended("random", tmp_path / n, seed=0))) for n in "ab")
    assert first == second
    assert mended("bayesian", tmp_path / "c", seed=0).seed == 0
    assert oracles.RandomSearchOracle(OBJECTIVE, seed=0).seed != 0


def test_near_seeds_share_no_trial(tmp_path: Path) -> None:
    searches = [set(values(play(mended("random", tmp_path / str(s), seed=s)))) for s in range(5)]
    assert len(set.union(*searches)) == sum(len(search) for search in searches)
    stock = [
        play(
            placed(
                oracles.RandomSearchOracle(OBJECTIVE, 6, seed=s, hyperparameters=space()),
                tmp_path / f"stock{s}",
            )
        )
        for s in (1, 3)
    ]
    assert set(values(stock[0])) & set(values(stock[1]))


# Failures.


def test_failed_trials_are_recorded_and_the_search_goes_on(tmp_path: Path) -> None:
    oracle = play(mended("random", tmp_path), score=lambda _: math.nan)
    assert [status for _, status, _ in found(oracle)] == ["FAILED"] * 6
    again = mended("random", tmp_path)
    again.reload()
    assert [trial.message for trial in again.trials.values()] == ["no number"] * 6
    stock = placed(
        oracles.RandomSearchOracle(OBJECTIVE, 6, hyperparameters=space()), tmp_path / "s"
    )
    with pytest.raises(RuntimeError, match="consecutive failures"):
        play(stock, score=lambda _: math.nan)


def test_a_failed_trial_is_never_among_the_best(tmp_path: Path) -> None:
    oracle = play(mended("random", tmp_path), 2, score=lambda _: math.nan)
    assert oracle.get_best_trials(2) == []
    stock = placed(
        oracles.RandomSearchOracle(OBJECTIVE, 6, hyperparameters=space()), tmp_path / "s"
    )
    assert play(stock, 2, score=lambda _: math.nan).get_best_trials(1)[0].status == "FAILED"


def one_fails(values: dict[str, Any], seen: list[Any]) -> float:
    seen.append(values)
    return math.nan if len(seen) == 2 else score_of(values)


def test_a_failed_trial_does_not_starve_its_bracket(tmp_path: Path) -> None:
    seen: list[Any] = []
    oracle = play(mended("hyperband", tmp_path, trials=8), score=lambda v: one_fails(v, seen))
    assert [v["tuner/epochs"] for v, _, _ in found(oracle)] == [1] * 5 + [3] * 2 + [9]
    # One bracket of KerasTuner's own: 9 trials of 1 epoch, 3 of 3, 1 of 9. It never gets there.
    stock = oracles.HyperbandOracle(OBJECTIVE, max_epochs=9, hyperparameters=space(), seed=1)
    bracket: list[Any] = []
    play(placed(stock, tmp_path / "stock"), score=lambda v: one_fails(v, bracket))
    assert not [v for v in bracket if v["tuner/bracket"] == 2 and v["tuner/epochs"] == 9]


def test_hyperband_goes_on_with_the_best(tmp_path: Path) -> None:
    oracle = play(mended("hyperband", tmp_path, trials=8))
    for index in (1, 2):
        here = [
            t for t in oracle.trials.values() if t.hyperparameters.values["tuner/round"] == index
        ]
        before = [
            t
            for t in oracle.trials.values()
            if t.hyperparameters.values["tuner/round"] == index - 1
        ]
        best = sorted(before, key=lambda t: -t.score)[: len(here)]
        chosen = {t.hyperparameters.values["tuner/trial_id"] for t in here}
        assert chosen == {t.trial_id for t in best}


# Duplicates.


@pytest.mark.parametrize("algorithm", ["random", "bayesian", "grid"])
def test_no_values_are_tried_twice(algorithm: str, tmp_path: Path) -> None:
    hp = keras_tuner.HyperParameters()
    hp.Choice("rate", [1e-3, 1e-2])
    hp.Choice("kind", ["a", "b", "c"])
    oracle = placed(make_oracle(algorithm, OBJECTIVE, hp, 6, 9, 1), tmp_path)
    tried = values(play(oracle))
    assert len(tried) == len(set(tried)) >= 5


# A kill at any moment.


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_kill_at_any_write_loses_and_repeats_nothing(
    algorithm: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unbroken = found(play(mended(algorithm, tmp_path / "unbroken", trials=4)))
    write, writes = files.write_text, 0

    def count(target: Path, text: str) -> None:
        nonlocal writes
        writes += 1
        write(target, text)

    monkeypatch.setattr(files, "write_text", count)
    play(mended(algorithm, tmp_path / "counted", trials=4))
    for stop in range(1, writes + 1):
        folder = tmp_path / str(stop)
        left = stop

        def killed(target: Path, text: str) -> None:
            nonlocal left
            left -= 1
            if not left:
                raise Killed
            write(target, text)

        oracle = mended(algorithm, folder, trials=4)
        monkeypatch.setattr(files, "write_text", killed)
        with pytest.raises(Killed):
            play(oracle)
        monkeypatch.setattr(files, "write_text", write)
        ended = {name for name in oracle.trials if stored_status(oracle, name) in FINISHED}
        again = mended(algorithm, folder, trials=4)
        if (folder / "search" / "oracle.json").is_file():
            again.reload()
        assert {i for i, t in again.trials.items() if t.status in FINISHED} >= ended
        assert found(play(again)) == unbroken, f"killed at write {stop}"


def stored_status(oracle: Any, name: str) -> str:
    path = Path(oracle._get_trial_dir(name)) / "trial.json"
    return json.loads(path.read_text())["status"] if path.is_file() else ""


def test_a_stored_bayesian_search_goes_the_way_it_would_have(tmp_path: Path) -> None:
    unbroken = found(play(mended("bayesian", tmp_path / "unbroken", trials=5)))
    play(mended("bayesian", tmp_path / "broken", trials=5), 4)
    again = mended("bayesian", tmp_path / "broken", trials=5)
    again.reload()
    assert found(play(again)) == unbroken


@pytest.mark.parametrize("damage", ["", "{", '{"trials": 3}'])
def test_a_truncated_state_loses_no_finished_trial(damage: str, tmp_path: Path) -> None:
    unbroken = found(play(mended("random", tmp_path / "a")))
    oracle = play(mended("random", tmp_path / "b"), 4)
    Path(oracle._get_oracle_fname()).write_text(damage)
    again = mended("random", tmp_path / "b")
    again.reload()
    assert found(again)[:4] == unbroken[:4]
    assert found(play(again)) == unbroken


def test_a_state_beyond_repair_is_one_clear_line(tmp_path: Path) -> None:
    oracle = play(mended("random", tmp_path), 2)
    for path in (tmp_path / "search").glob("oracle*.json"):
        path.write_text("{")
    with pytest.raises(ZooError, match="damaged; start anew with --fresh"):
        mended("random", tmp_path).reload()
    stock = placed(
        oracles.RandomSearchOracle(OBJECTIVE, 6, hyperparameters=space()), tmp_path / "s"
    )
    play(stock, 2)
    Path(stock._get_oracle_fname()).write_text("{")
    with pytest.raises(json.JSONDecodeError):
        stock.reload()
    assert len(oracle.trials) == 2


def test_a_stored_grid_goes_on(tmp_path: Path) -> None:
    play(mended("grid", tmp_path), 2)
    again = mended("grid", tmp_path)
    again.reload()
    assert len(play(again).trials) == 6
    stock = placed(oracles.GridSearchOracle(OBJECTIVE, 6, hyperparameters=space()), tmp_path / "s")
    play(stock, 2)
    resumed = placed(
        oracles.GridSearchOracle(OBJECTIVE, 6, hyperparameters=space()), tmp_path / "s"
    )
    resumed.reload()
    assert len(play(resumed).trials) == 2
