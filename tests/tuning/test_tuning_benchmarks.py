"""The benchmarks of the search: a clock that can be followed by hand, points that are kept."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from benchmarks import tuning as benchmark
from benchmarks import tuning_overhead, tuning_simulation
from benchmarks.points import read_points
from benchmarks.tuning import OPTUNA, Point
from benchmarks.tuning_simulation import FakeTraining, Outcome, simulated
from tuning.halving import plan_brackets
from tuning.results import TrialResult
from zoo import registry
from zoo.recipe import Recipe

from .helpers import QUICK

MINUTE = 60.0


class Even(FakeTraining):
    """Every epoch takes a minute."""

    def seconds(self, root: int, values: Mapping[str, Any]) -> float:
        return MINUTE


def played(algorithm: str, workers: int, trials: int, epochs: int, seed: int = 1) -> Outcome:
    return simulated(algorithm, workers, seed, trials, epochs, Even(seed))


@pytest.mark.parametrize(("workers", "rounds"), [(1, 8), (2, 4), (3, 3), (8, 1), (64, 1)])
def test_trials_of_one_length_take_as_many_rounds_as_there_must_be(
    workers: int, rounds: int
) -> None:
    outcome = played("random", workers, trials=8, epochs=3)
    assert outcome.epochs == 24
    assert outcome.hours == pytest.approx(3 * rounds / 60)
    assert outcome.busy == pytest.approx(8 / (workers * rounds))


def test_a_round_of_hyperband_waits_for_the_one_before() -> None:
    assert plan_brackets(8, 9) == [[(5, 1), (2, 3), (1, 9)]]
    # Going on costs the epochs that are still missing: 5 of 1, 2 of 2, 1 of 6.
    alone = played("hyperband", 1, trials=8, epochs=9)
    assert (alone.epochs, alone.hours) == (15, pytest.approx(15 / 60))
    many = played("hyperband", 5, trials=8, epochs=9)
    assert many.hours == pytest.approx((1 + 2 + 6) / 60)
    assert many.busy == pytest.approx(15 / (5 * 9))


def test_with_asha_nobody_waits_while_there_are_trials() -> None:
    """So what is left when the last one is given out is at most one training, of 6 epochs."""
    for workers in (2, 8):
        outcome = played("asha", workers, trials=60, epochs=9)
        assert outcome.epochs >= workers * (60 * outcome.hours - 6) - 1e-6


def test_a_simulation_can_be_repeated_and_more_workers_are_never_slower() -> None:
    for algorithm in tuning_simulation.ALGORITHMS:
        hours = [simulated(algorithm, n, 2, 30, 9).hours for n in (1, 4, 16)]
        assert hours == sorted(hours, reverse=True)
        assert simulated(algorithm, 4, 2, 30, 9) == simulated(algorithm, 4, 2, 30, 9)


def test_a_trial_that_goes_on_stays_on_its_curve() -> None:
    training = FakeTraining(1)
    values = {"rate": 10**-2.5, "dropout": 0.2, "width": 512}
    curve = [training.value(7, values, epoch) for epoch in range(1, 28)]
    assert 0.8 < curve[-1] < 0.92
    assert curve[2] > curve[0] and training.value(7, values, 3) == curve[2]
    worse = {**values, "rate": 10**-1.5}
    assert training.value(7, worse, 27) == pytest.approx(curve[-1] - 0.08, abs=0.01)


def test_the_simulations_table_and_picture(tmp_path: Path) -> None:
    outcomes = [
        Outcome("random", workers, seed, 8.0 / workers, 2.0 / workers, 0.5, 90, 0.9)
        for workers in (1, 2)
        for seed in (1, 2)
    ]
    found = {(row.what, row.side): row.value for row in tuning_simulation.summary(outcomes)}
    assert found["1 worker, to the end", "random"] == 8
    assert found["2 workers, to the end", "random"] == 4
    assert found["2 workers, busy", "random"] == 50
    tuning_simulation.draw(outcomes, tmp_path / "picture.png")
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")


# The real searches.


def ended(number: int, begun: float, seconds: float, value: float | None) -> TrialResult:
    return TrialResult(
        trial=f"{number:04}",
        number=number,
        status="completed" if value is not None else "failed",
        value=value,
        epochs=1,
        hyperparameters={},
        begun=begun,
        ended=begun + seconds,
        seconds=seconds,
    )


def test_the_clock_counts_what_lies_between_trials_but_no_pause() -> None:
    trials = [
        ended(1, 1000.0, 10.0, 0.5),
        ended(2, 1012.0, 10.0, None),
        ended(3, 1023.0, 10.0, 0.4),
        ended(4, 9000.0, 10.0, 0.6),
    ]
    found = benchmark.progress(trials)
    assert found == [(1, 10.0, 0.5), (3, 33.0, 0.5), (4, 43.0, 0.6)]


def test_finished_searches_are_not_searched_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tmp_path / "points.csv"
    asked: list[tuple[str, str, int]] = []

    def searched(recipe: Recipe, side: str, seed: int, *_: Any, **__: Any) -> Any:
        if len(asked) == 3:
            raise KeyboardInterrupt
        asked.append((recipe.name, side, seed))
        return [(1, 10.0, 0.5), (2, 20.0, 0.5 + 0.1 * seed)]

    monkeypatch.setattr(benchmark, "searched", searched)
    with pytest.raises(KeyboardInterrupt):
        benchmark.measured(table, ("random", OPTUNA), (1, 2))
    assert asked == [
        ("mlp.fashion_mnist-bench1", "random", 1),
        ("mlp.fashion_mnist-bench1", OPTUNA, 1),
        ("mlp.fashion_mnist-bench2", "random", 2),
    ]
    assert len(read_points(table, Point)) == 6
    asked.clear()
    other = {"mlp.fashion_mnist": {"name": "mlp.fashion_mnist-other"}}
    monkeypatch.setattr(benchmark, "RECIPES", other)
    assert len(benchmark.measured(table, ("random",), (1,))) == 2
    assert asked == [("mlp.fashion_mnist-other1", "random", 1)]
    assert len(benchmark.measured(table, ("random",), (1,))) == 2 and len(asked) == 1


def test_the_table_has_the_best_the_early_best_and_the_time(tmp_path: Path) -> None:
    points = [
        Point("a", side, seed, 9, number, 60.0 * number, best + 0.01 * seed)
        for side, bests in (("random", (0.5, 0.6, 0.7)), ("asha", (0.7, 0.75, 0.8)))
        for seed in (1, 2)
        for number, best in enumerate(bests, 1)
    ]
    found = {(row.what, row.side): row.value for row in benchmark.summary(points)}
    assert found["a, best", "asha"] == pytest.approx(81.5)
    assert found["a, best after a third of the time", "random"] == pytest.approx(51.5)
    assert found["a, time", "random"] == 3
    assert 0 < found["a, p", "asha"] < 0.05 and ("a, p", "random") not in found
    benchmark.draw(points, tmp_path / "picture.png")
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")


class Asked:
    """Stands for Optuna's trial: gives the upper end of everything and notes what it was asked."""

    def __init__(self) -> None:
        self.asked: dict[str, tuple[Any, ...]] = {}

    def suggest_float(self, name: str, low: float, high: float, **options: Any) -> float:
        self.asked[name] = (low, high, options["step"], options["log"])
        return high

    def suggest_int(self, name: str, low: int, high: int, **options: Any) -> int:
        self.asked[name] = (low, high, options["step"], options["log"])
        return high

    def suggest_categorical(self, name: str, values: list[Any]) -> Any:
        self.asked[name] = tuple(values)
        return values[-1]


def test_optuna_is_asked_for_the_very_space() -> None:
    def space(hp: Any, recipe: Recipe) -> Recipe:
        rate = hp.Float("rate", 1e-4, 1e-1, sampling="log")
        hp.Choice("kind", ["a", "b"])
        with hp.conditional_scope("kind", ["a"]):
            hp.Int("only_of_a", 1, 5)
        with hp.conditional_scope("kind", ["b"]):
            share = hp.Float("only_of_b", 0.0, 0.5, step=0.1)
        settings = {"optimizer.learning_rate": rate, "network.dropout": share or 0.0}
        return recipe.override(settings)

    asked, base = Asked(), registry.recipes().get("mlp.fashion_mnist")
    hp = benchmark.suggested(asked, space, base)
    assert asked.asked == {
        "rate": (1e-4, 1e-1, None, True),
        "kind": ("a", "b"),
        "only_of_b": (0.0, 0.5, 0.1, False),
    }
    made = space(hp, base)
    assert (made.optimizer["learning_rate"], made.network["dropout"]) == (0.1, 0.5)


@pytest.mark.full
def test_a_search_by_optuna_alone_keeps_to_its_epochs(sample_home: Path) -> None:
    pytest.importorskip("optuna")
    recipe = registry.recipes().get("mlp.fashion_mnist").override({**QUICK, "network.units": [32]})
    found = benchmark.optuna_search(recipe, seed=1, epochs=2, total=6)
    assert 1 <= len(found) <= 3
    assert [best for _, _, best in found] == sorted(best for _, _, best in found)
    assert not any((sample_home / "benchmarks" / "optuna").iterdir())


@pytest.mark.full
def test_the_overhead_is_measured_against_a_bare_fit(sample_home: Path) -> None:
    few = {**QUICK, "epochs": 1, "name": "mlp.fashion_mnist-overhead"}
    recipe = registry.recipes().get("mlp.fashion_mnist").override(few)
    found = {row.side: row for row in tuning_overhead.trial_rows(recipe, 2)[:3]}
    assert {"fit", "run", "trial"} == found.keys()
    assert all(row.value > 0 for row in found.values())
