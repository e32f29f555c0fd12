"""Killed with no chance to clean up, at any moment, and the same search again."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tuning.database import FILE, Database

from .fakes import Quick
from .helpers import QUICK, RATES
from .searches import found, play

COMMAND = [
    *(sys.executable, "-u", "-m", "zoo.cli", "tune", "mlp.fashion_mnist"),
    *("--algorithm", "random", "--trials", "3"),
    *(part for key, value in QUICK.items() for part in ("--set", f"{key}={json.dumps(value)}")),
    *("--space", RATES[0]),
]


class Killed(BaseException):
    """Stands for the process ending here."""


def mortal(moment: int, before: bool, count: list[int]) -> type[Database]:
    """A database whose process ends just before, or just after, one of its transactions."""

    class Mortal(Database):
        @contextlib.contextmanager
        def transaction(self) -> Iterator[None]:
            outer = not self._connection().in_transaction
            with super().transaction():
                yield
                if outer:
                    count[0] += 1
                    if before and count[0] == moment:
                        raise Killed
            if outer and not before and count[0] == moment:
                raise Killed

    return Mortal


@pytest.mark.parametrize(
    ("algorithm", "trials", "executions"),
    [("random", 2, 1), ("hyperband", 3, 1), ("random", 1, 2)],
)
def test_a_kill_at_any_moment_loses_and_repeats_nothing(
    algorithm: str, trials: int, executions: int, tmp_path: Path
) -> None:
    """Of every transaction the moment before and the moment after, in a search of a few trials."""
    whole = play(tmp_path / "unbroken", algorithm, trials, Quick(executions))
    unbroken = found(tmp_path / "unbroken")
    assert {row[2] for row in unbroken} == {"completed"}
    counted = [0]
    database = mortal(0, True, counted)
    play(tmp_path / "counted", algorithm, trials, Quick(executions), database=database)
    for moment in range(1, counted[0] + 1):
        for before in (True, False):
            folder, first = tmp_path / f"{moment}-{before}", Quick(executions)
            with pytest.raises(Killed):
                database = mortal(moment, before, [0])
                play(folder, algorithm, trials, first, database=database)
            again = play(folder, algorithm, trials, Quick(executions))
            assert found(folder) == unbroken, f"killed at {moment}"
            # No epoch was trained twice: it was on disk before anybody was told of it.
            assert sorted(first.trained + again) == sorted(whole), f"killed at {moment}"


def test_a_lost_checkpoint_costs_its_epochs_and_nothing_else(tmp_path: Path) -> None:
    play(tmp_path / "unbroken", trials=2)
    # Transactions of the first trial: it is made, begins, then its epochs.
    counted = [0]
    play(tmp_path / "counted", trials=2, database=mortal(0, True, counted))
    folder = tmp_path / "killed"
    with pytest.raises(Killed):
        play(folder, trials=2, database=mortal(counted[0] - 3, False, [0]))
    lost = list(folder.glob("trial_*/checkpoint.npz"))
    assert lost
    for path in lost:
        path.unlink()
    again = play(folder, trials=2)
    assert [epoch for _, _, epoch in again] == [1, 2, 3]
    assert found(folder) == found(tmp_path / "unbroken")


def test_what_another_search_left_is_not_gone_on_with(tmp_path: Path) -> None:
    """As on a worker's own disk, where a search that was begun anew is not deleted."""
    play(tmp_path / "unbroken", "hyperband", 3, seed=2)
    folder = tmp_path / "again"
    play(folder, "hyperband", 3, seed=1)
    for path in folder.glob("search.sqlite*"):
        path.unlink()
    assert len(list(folder.glob("trial_*/checkpoint.npz"))) == 3
    assert len(play(folder, "hyperband", 3, seed=2)) == 4
    assert found(folder) == found(tmp_path / "unbroken")


@pytest.mark.full
def test_a_killed_search_ends_as_the_unbroken_one(
    quick_tune: Callable[..., Any], sample_home: Path
) -> None:
    """A real process, with a real training process below it."""
    process = subprocess.Popen(
        COMMAND, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    seen = ""
    for line in process.stdout:
        seen += line
        # In the second trial, between its first epoch and its last.
        if "trial 2 (0001)" in seen and line.startswith("  epoch 1/2"):
            break
    process.kill()
    process.wait()
    folder = sample_home / "tuning" / "mlp.fashion_mnist" / "random"
    database = Database(folder / FILE, create=False)
    first, second = database.trials()
    assert (first.status, second.status) == ("completed", "running"), seen
    kept = database.epochs("0000")

    again = subprocess.run([*COMMAND, "--json"], capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    resumed = json.loads(again.stdout)
    assert "trials done: 1" in again.stderr
    # Its first epoch was on disk, and on a slow day the second.
    assert "goes on after epoch" in again.stderr
    assert again.stderr.count("epoch 1/2") == 1
    assert 1 <= again.stderr.count("epoch 2/2") <= 2
    assert database.epochs("0000") == kept
    assert database.trial("0001").begun == second.begun

    unbroken = quick_tune("random", 3, fresh=True).to_dict()
    assert [trial["status"] for trial in resumed["trials"]] == ["completed"] * 3
    assert {**resumed, "promoted": None} == {**unbroken, "promoted": None}
