"""How many threads there may be, by what the system says in either version of control groups."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from zoo.runtime import threads


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({}, None),
        ({"cpu.max": "max 100000\n"}, None),
        ({"cpu.max": "250000 100000\n"}, 2.5),
        ({"pod/box/cpu.max": "400000 100000\n", "pod/cpu.max": "150000 100000\n"}, 1.5),
    ],
)
def test_a_group_may_use_no_more_than_those_it_is_in(
    tmp_path: Path, limits: dict[str, str], expected: float | None
) -> None:
    for name, text in limits.items():
        write(tmp_path / "groups" / name, text)
    write(tmp_path / "own", "0::/pod/box\n")
    assert threads.quota(tmp_path / "groups", tmp_path / "own") == expected


@pytest.mark.parametrize(("allowed", "expected"), [("-1", None), ("50000", 0.5)])
def test_the_older_interface_is_read_too(
    tmp_path: Path, allowed: str, expected: float | None
) -> None:
    write(tmp_path / "own", "5:memory:/box\n4:cpu,cpuacct:/box\n")
    write(tmp_path / "groups" / "cpu" / "box" / "cpu.cfs_quota_us", f"{allowed}\n")
    write(tmp_path / "groups" / "cpu" / "box" / "cpu.cfs_period_us", "100000\n")
    assert threads.quota(tmp_path / "groups", tmp_path / "own") == expected


@pytest.mark.parametrize(
    ("allowed", "expected"), [(None, 4), (9.0, 4), (2.9, 2), (0.5, 1)], ids=str
)
def test_cores_are_those_one_is_bound_to_and_has_time_for(
    monkeypatch: pytest.MonkeyPatch, allowed: float | None, expected: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 3, 5, 6}, raising=False)
    monkeypatch.setattr(threads, "quota", lambda: allowed)
    assert threads.cores() == expected
