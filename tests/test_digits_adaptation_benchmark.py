"""The benchmark of adaptation: what is trained alike, what is kept, what the table says."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import digits_adaptation
from benchmarks.digits_adaptation import ALL, BASES, METHODS, SOURCE_ONLY, TARGET, Point
from benchmarks.points import read_points
from zoo import store
from zoo.recipe import Recipe

SHIFT = "mnist_to_usps"


def test_methods_are_trained_alike_and_one_alone_has_labels_of_the_target() -> None:
    for shift in BASES:
        recipes = {method: digits_adaptation.recipe_of(shift, method, 2) for method in METHODS}
        assert len({recipe.name for recipe in recipes.values()}) == len(METHODS)
        plain: dict[str, Any] = {
            "name": recipes[TARGET].name,
            "method": {},
            "data.per_class": None,
            "parents": {},
        }
        assert len({recipe.override(plain).to_json() for recipe in recipes.values()}) == 1
        labels = {method: recipe.data.per_class for method, recipe in recipes.items()}
        assert labels == {**dict.fromkeys(METHODS), TARGET: ALL}
        assert {method for method, recipe in recipes.items() if recipe.parents} == {"adda"}
        begun = recipes["adda"].parents["source"]["model"]
        assert begun == recipes[SOURCE_ONLY].name


def test_finished_points_are_not_measured_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tmp_path / "points.csv"
    trained: list[tuple[str, int]] = []

    def train(point: Point, recipe: Recipe, folder: Path, quick: bool) -> Point:
        if len(trained) == 3:
            raise KeyboardInterrupt
        trained.append((recipe.method["name"], recipe.seed))
        if len(trained) == 2:
            return dataclasses.replace(point, broken=17)
        return dataclasses.replace(point, accuracy=0.5)

    monkeypatch.setattr(digits_adaptation, "train_and_measure", train)
    wanted = (table, [SHIFT], [SOURCE_ONLY, "dann"], [1, 2])
    with pytest.raises(KeyboardInterrupt):
        digits_adaptation.measured(*wanted)
    assert trained == [("source_only", 1), ("source_only", 2), ("dann", 1)]
    kept = read_points(table, Point)
    assert [point.broken for point in kept] == [0, 17, 0]
    trained.clear()
    assert len(digits_adaptation.measured(*wanted)) == 4 and trained == [("dann", 2)]


def test_the_table_has_means_over_the_seeds_that_ended() -> None:
    points = [
        Point(SHIFT, "dann", "", 1, 0.90, 0.98, 1.5, 0.1, 0.2),
        Point(SHIFT, "dann", "", 2, 0.94, 0.98, 1.1, 0.1, 0.2),
        Point(SHIFT, "dann", "", 3, broken=7),
    ]
    found = {row.what: row for row in digits_adaptation.summary(points)}
    accuracy = found[f"{SHIFT}: accuracy"]
    assert accuracy.side == "dann" and accuracy.value == pytest.approx(92)
    assert accuracy.spread == pytest.approx(8**0.5)
    assert found[f"{SHIFT}: a_distance"].value == pytest.approx(1.3)
    assert found[f"{SHIFT}: broken of 3"].value == 1


def test_adda_begins_from_the_stored_lower_bound_and_its_features_are_drawn(
    sample_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = {"data.limit": 64, "epochs": 1, "network.filters": [[4], [8]], "augmentation": []}
    monkeypatch.setattr(digits_adaptation, "_QUICK", few)
    folder = tmp_path / "points"
    recipe = digits_adaptation.recipe_of(SHIFT, "adda", 1, quick=True)
    point = digits_adaptation.train_and_measure(
        Point(SHIFT, "adda", "", 1), recipe, folder, quick=True
    )
    assert 0 <= point.accuracy <= 1 and 0 <= point.source_accuracy <= 1 and not point.broken
    assert -2 <= point.a_distance <= 2 and point.coral >= 0
    parent = digits_adaptation.recipe_of(SHIFT, SOURCE_ONLY, 1, quick=True).name
    assert parent in store.names()
    with np.load(folder / f"{SHIFT}-adda.npz", allow_pickle=False) as kept:
        assert kept["source"].shape[1:] == kept["target"].shape[1:] == (8,)
    assert not [path for path in folder.iterdir() if path.is_dir()]
    monkeypatch.setattr(digits_adaptation, "BASES", {SHIFT: BASES[SHIFT]})
    picture = tmp_path / "picture.png"
    digits_adaptation.draw(folder, picture)
    assert picture.read_bytes().startswith(b"\x89PNG")
