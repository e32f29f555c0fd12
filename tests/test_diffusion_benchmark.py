"""The benchmarks of diffusion: what is kept, what counts as equal, what the tables say."""

from __future__ import annotations

import dataclasses
import importlib
from pathlib import Path

import pytest

from benchmarks import diffusion
from benchmarks.diffusion import Epoch, Point
from benchmarks.points import read_points
from tests.denoisers import generator_of, untrained
from zoo import registry
from zoo.sampling import GUIDANCE

STEPS = {"dpm_solver++": (2, 20), "ddpm": (4,)}


def wanted() -> list[Point]:
    generator = generator_of({"denoiser": untrained()})
    return diffusion.wanted_points(generator, STEPS, (1.0, GUIDANCE), count=64)


def test_every_sampler_and_every_scale_is_wanted_once() -> None:
    points = wanted()
    ways = [(point.sampler, point.steps, point.guidance) for point in points]
    assert ways == [
        ("dpm_solver++", 2, GUIDANCE),
        ("dpm_solver++", 20, GUIDANCE),
        ("ddpm", 4, GUIDANCE),
        ("dpm_solver++", 20, 1.0),
    ]
    assert {(point.model, point.count) for point in points} == {("ddpm.patches@0", 64)}


def test_finished_points_are_not_measured_again(tmp_path: Path) -> None:
    table = tmp_path / "points.csv"
    done: list[Point] = []

    def measure(point: Point) -> Point:
        if len(done) == 3:
            raise KeyboardInterrupt
        done.append(point)
        return dataclasses.replace(point, fd=1.0 + len(done), seconds=2.5)

    with pytest.raises(KeyboardInterrupt):
        diffusion.measured(table, wanted(), measure)
    assert [point.fd for point in read_points(table, Point)] == [2.0, 3.0, 4.0]
    points = diffusion.measured(table, wanted(), lambda point: dataclasses.replace(point, fd=9.0))
    assert [point.fd for point in points] == [2.0, 3.0, 4.0, 9.0]
    found = {(row.what, row.side): row.value for row in diffusion.summary(points)}
    assert found[("FD, 2 steps", "dpm_solver++")] == 2 and found[("FD, 4 steps", "ddpm")] == 4
    assert found[("guidance 1, 20 steps: fd", "dpm_solver++")] == 9
    assert found[(f"guidance {GUIDANCE:g}, 20 steps: fd", "dpm_solver++")] == 3
    diffusion.draw(points, tmp_path / "picture.png")
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")


def epochs(recipe: str, parent_seconds: float, *distances: float) -> list[Epoch]:
    return [
        Epoch(recipe, "", number, 60.0 * number, parent_seconds, 64, distance, 5.0)
        for number, distance in enumerate(distances, 1)
    ]


def test_costs_are_compared_where_both_are_as_good() -> None:
    """The second never gets below 3, which the first reaches with its third epoch."""
    trainings = [epochs("ldm.a", 120.0, 9.0, 5.0, 2.5, 1.0), epochs("ddpm.a", 0.0, 8.0, 4.0, 3.0)]
    found = {(row.what, row.side): row.value for row in diffusion.at_equal_distance(trainings)}
    assert found[("training until FD 3", "ldm.a")] == 5
    assert found[("training until FD 3", "ddpm.a")] == 3
    assert found[("of it what it is built on", "ldm.a")] == 2
    assert found[("FD at the end", "ldm.a")] == 1
    assert diffusion.at_equal_distance([[], trainings[0]]) == []


@pytest.mark.full
def test_an_epoch_is_measured_as_it_ends(
    sample_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(diffusion, "_FEW", 2)
    few = {"data.limit": 64, "epochs": 2, "batch_size": 32, "network.width": 8}
    recipe = registry.recipes().get("ddpm.fashion_mnist").override({**few, "network.heads": 2})
    done = diffusion.train(tmp_path, recipe, count=64)
    assert [one.epoch for one in done] == [1, 2]
    assert 0 < done[0].seconds < done[1].seconds
    assert all(one.fd > 0 and one.drawing > 0 and one.parent_seconds == 0 for one in done)
    monkeypatch.setattr(diffusion, "fit_run", None)
    assert diffusion.train(tmp_path, recipe, count=64) == done


def test_the_other_side_takes_part_where_it_is_installed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], private_home: Path
) -> None:
    beside = importlib.import_module("benchmarks.diffusers")
    monkeypatch.setattr(beside, "MODEL", "ldm.missing")
    assert beside.rows(quick=True) == []
    assert "ldm.missing is not stored" in capsys.readouterr().err
    said = {"first": 0.5, "peak_mb": 900.0, "seconds": {"1": [0.1]}, "evaluation": {"1": 0.004}}
    found = {row.what: row.value for row in beside._rows("zoo", said)}
    assert found["20 steps, batch 1"] == pytest.approx(10)
    assert found["the first image after loading"] == 500
    assert found["a call of the U-Net, batch 1"] == pytest.approx(4)
