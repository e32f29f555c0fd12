"""The benchmark of transfer: which images are chosen, what is kept, what the table says."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from benchmarks import transfer
from benchmarks.points import read_points
from benchmarks.transfer import Pair, Point
from zoo.recipe import DataSpec

PAIR = Pair("digits to clothes", DataSpec("mnist"), DataSpec("fashion_mnist", classes=[1, 8]), 1)


def point(policy: str, per_class: int, seed: int, accuracy: float) -> Point:
    images = 2 * (per_class or 50)
    return Point(PAIR.title, "resnet8.mnist@1", policy, per_class, images, seed, 4, accuracy, 1.5)


def test_few_labels_are_as_many_of_each_class_and_others_for_each_seed() -> None:
    label = np.random.default_rng(0).integers(0, 3, 300)
    chosen = transfer.few(label, 20, seed=1)
    assert np.bincount(label[chosen]).tolist() == [20, 20, 20]
    assert len(set(chosen)) == 60
    assert set(transfer.few(label, 5, seed=1)) < set(chosen)
    assert set(transfer.few(label, 20, seed=2)) != set(chosen)
    assert transfer.few(label, None, seed=1).tolist() == list(range(300))


def test_finished_points_are_not_measured_again(
    sample_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that breaks off keeps what it has measured."""
    wanted = transfer.wanted_points(PAIR, "resnet8.mnist@1", seeds=(1, 2), steps={10: 4, None: 8})
    assert len({dataclasses.astuple(one) for one in wanted}) == 2 * 2 * 4
    assert {one.images for one in wanted if one.per_class == 10} == {20}
    assert {one.steps for one in wanted if one.per_class == 0} == {8}
    table = tmp_path / "points.csv"
    trained: list[Point] = []

    def train(one: Point, pair: Pair) -> float:
        if len(trained) == 5:
            raise KeyboardInterrupt
        trained.append(one)
        return 0.5 + len(trained) / 1000

    monkeypatch.setattr(transfer, "train_and_test", train)
    with pytest.raises(KeyboardInterrupt):
        transfer.measured(table, wanted, PAIR)
    kept = read_points(table, Point)
    assert [one.accuracy for one in kept] == [0.501, 0.502, 0.503, 0.504, 0.505]
    monkeypatch.setattr(transfer, "train_and_test", lambda one, pair: 0.25)
    points = transfer.measured(table, wanted, PAIR)
    assert points[:5] == kept and {one.accuracy for one in points[5:]} == {0.25}
    assert read_points(table, Point) == points


def test_the_table_has_means_and_sample_deviations_in_percent() -> None:
    points = [
        point("freeze", 10, 1, 0.50),
        point("freeze", 10, 2, 0.54),
        point("scratch", 0, 1, 0.9),
    ]
    first, second = transfer.summary(points)
    assert (first.what, first.side) == ("digits to clothes, 10 a class", "freeze")
    assert first.value == pytest.approx(52) and first.spread == pytest.approx(8**0.5)
    assert second.what.endswith("all a class") and (second.value, second.spread) == (90, 0)


def test_the_picture_has_a_line_for_each_policy(tmp_path: Path) -> None:
    points = [
        point(policy, per_class, seed, 0.3 + seed / 10)
        for policy in transfer.POLICIES
        for per_class in (10, 0)
        for seed in (1, 2)
    ]
    path = tmp_path / "picture.png"
    transfer.draw(points, path)
    assert path.read_bytes().startswith(b"\x89PNG") and path.stat().st_size > 10_000
