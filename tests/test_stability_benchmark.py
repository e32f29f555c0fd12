"""The benchmark of stability: what is kept, what breaks, what the table says."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from benchmarks import stability
from benchmarks.points import read_points
from benchmarks.stability import Point
from zoo import registry, store
from zoo.recipe import Recipe
from zoo.runs import new_run
from zoo.training.publish import make_card
from zoo.training.run import fit_run

GAN = "gan.mnist"


def test_finished_points_are_not_measured_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tmp_path / "points.csv"
    rates: list[tuple[float, float]] = []

    def train(point: Point, recipe: Recipe, folder: Path) -> Point:
        if len(rates) == 3:
            raise KeyboardInterrupt
        rates.append((point.factor, recipe.optimizer["learning_rate"]))
        if len(rates) == 2:
            return dataclasses.replace(point, broken=17)
        return dataclasses.replace(point, fd=1.0 + len(rates), kid=0.5, recall=0.9)

    trainings = [(1.0, 1), (1.0, 2), (2.0, 1), (2.0, 2)]
    monkeypatch.setattr(stability, "train_and_measure", train)
    monkeypatch.setattr(stability, "of_stored", lambda *_: None)
    with pytest.raises(KeyboardInterrupt):
        stability.measured(table, [GAN], trainings)
    rate = registry.recipes().get(GAN).optimizer["learning_rate"]
    assert rates == [(1, rate), (1, rate), (2, 2 * rate)]
    kept = read_points(table, Point)
    assert [point.seed for point in kept] == [1, 2, 1] and kept[1].broken == 17
    rates.clear()
    points = stability.measured(table, [GAN], trainings)
    assert len(points) == 4 and rates == [(2, 2 * rate)]


def test_the_table_has_the_mean_and_the_worst_of_what_ended() -> None:
    points = [
        Point(GAN, "", 1.0, 1, 10, 100, fd=1.0, kid=0.1, recall=0.9),
        Point(GAN, "", 1.0, 2, 10, 100, fd=3.0, kid=0.2, recall=0.5),
        Point(GAN, "", 1.0, 3, 10, 100, broken=7),
    ]
    found = {(row.what, row.side): row.value for row in stability.summary(points)}
    what = "gan.mnist, rate x1"
    assert found[(f"{what}: fd", "mean")] == 2 and found[(f"{what}: fd", "worst")] == 3
    assert found[(f"{what}: recall", "worst")] == 0.5
    assert found[(f"{what}: broken of 3", "mean")] == 1


@pytest.mark.parametrize("rate", [2e-4, 1e30])
def test_a_training_is_measured_or_counts_as_broken(
    rate: float, sample_home: Path, tmp_path: Path
) -> None:
    few = {"data.limit": 256, "epochs": 1, "network.generator.units": [16]}
    recipe = registry.recipes().get(GAN).override({**few, "optimizer.learning_rate": rate})
    wanted = stability.wanted(recipe, 1.0, 64)
    assert wanted.steps == 2
    point = stability.train_and_measure(wanted, recipe, tmp_path / "runs")
    assert (point.broken > 0) == (rate > 1)
    assert (point.fd > 0) == (rate < 1)
    assert not list((tmp_path / "runs").iterdir())


def test_a_stored_model_counts_where_its_recipe_is_the_very_one(sample_home: Path) -> None:
    few = {"data.limit": 256, "epochs": 1, "network.generator.units": [16]}
    recipe = registry.recipes().get(GAN).override(few)
    wanted = stability.wanted(recipe, 1.0, 64)
    assert stability.of_stored(wanted, recipe) is None
    run = fit_run(new_run(recipe), verbose=0)
    assert run.model is not None
    networks = run.model.published_networks()
    store.save(make_card(run, networks), networks)
    point = stability.of_stored(wanted, recipe)
    assert point is not None and point.fd > 0 and point.seconds >= 0
    assert stability.of_stored(wanted, recipe.override({"seed": 2})) is None
