"""The database of a search: whole after any end, one clear line when it is not."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tuning.database import FILE, SCHEMA, Database
from zoo.errors import ZooError


def record(trial: str, status: str = "RUNNING", **values: Any) -> dict[str, Any]:
    """What `Trial.get_state()` gives, as far as the database reads it."""
    return {
        "trial_id": trial,
        "status": status,
        "hyperparameters": {"space": [], "values": {"rate": 0.1, **values}},
    }


def begun(folder: Path) -> Database:
    """A database with one running trial, 0000."""
    database = Database(folder / FILE)
    database.save({"seed": 1}, [record("0000")])
    recipe = {"name": "mlp.fashion_mnist", "seed": 7}
    database.begin("0000", worker="w1", recipe=recipe, versions={"keras": "3"}, now=1000.0)
    return database


def test_what_was_written_is_read(tmp_path: Path) -> None:
    database = begun(tmp_path)
    database.set_meta(begun=1000.0, machine={"cores": 2})
    database.add_epoch("0000", 0, 1, {"val_accuracy": 1 / 3}, 2.5, now=1005.0)
    values: dict[str, Any] = {"tuner/trial_id": "0000", "tuner/epochs": 9}
    more = record("0001", **values)
    database.save({"seed": 1, "next": 2}, [record("0000", "COMPLETED"), more])
    database.end(
        "0000", objectives={"val_accuracy": 0.5}, deviations={"val_accuracy": 0.1}, now=1010.0
    )
    database.see_worker("w1", "here", 12, "0001", now=1011.0)

    again = Database(tmp_path / FILE, create=False)
    assert again.state() == {"seed": 1, "next": 2}
    assert again.meta() == {"schema": SCHEMA, "begun": 1000.0, "machine": {"cores": 2}}
    first, second = again.trials()
    assert (first.number, first.status, first.worker, first.seed) == (1, "completed", "w1", 7)
    assert (first.begun, first.ended, first.seconds) == (1000.0, 1010.0, 10.0)
    assert (first.objectives, first.deviations) == ({"val_accuracy": 0.5}, {"val_accuracy": 0.1})
    assert first.recipe == {"name": "mlp.fashion_mnist", "seed": 7}
    assert first.hyperparameters == {"rate": 0.1} and first.versions == {"keras": "3"}
    assert (second.number, second.continues, second.planned_epochs) == (2, "0000", 9)
    assert second.hyperparameters == {"rate": 0.1}
    assert (second.recipe, second.begun, second.ended, second.seconds) == (None, None, None, 0)
    assert again.trial("0001") == second
    (epoch,) = again.epochs("0000")
    assert epoch.metrics == {"val_accuracy": 1 / 3}
    assert (epoch.execution, epoch.epoch, epoch.seconds, epoch.time) == (0, 1, 2.5, 1005.0)
    assert again.epochs("0001") == [] and again.epochs_trained() == 1
    (worker,) = again.workers()
    assert (worker.id, worker.host, worker.pid, worker.trial) == ("w1", "here", 12, "0001")
    again.forget_worker("w1")
    assert database.workers() == []
    with pytest.raises(KeyError):
        again.trial("0002")


@pytest.mark.parametrize(
    ("status", "row"),
    [
        ("COMPLETED", "completed"),
        ("STOPPED", "stopped"),
        ("FAILED", "failed"),
        ("INVALID", "interrupted"),
    ],
)
def test_a_row_says_what_its_trial_says(tmp_path: Path, status: str, row: str) -> None:
    database = begun(tmp_path)
    database.save({}, [record("0000", status)])
    assert database.trial("0000").status == row


def test_a_skipped_trial_is_no_failed_one(tmp_path: Path) -> None:
    database = begun(tmp_path)
    with database.transaction():
        database.save({}, [record("0000", "FAILED")])
        database.end("0000", reason="9 parameters, above 8", skipped=True)
    database.save({}, [record("0000", "FAILED")])
    row = database.trial("0000")
    assert (row.status, row.reason) == ("skipped", "9 parameters, above 8")


def test_a_sitting_that_was_killed_counts_to_its_last_epoch(tmp_path: Path) -> None:
    database = begun(tmp_path)
    database.add_epoch("0000", 0, 1, {}, 1, now=1004.0)
    # Killed; hours later it goes on.
    database.begin("0000", worker="w2", recipe={"seed": 7}, versions={}, now=9000.0)
    database.add_epoch("0000", 0, 2, {}, 1, now=9002.0)
    database.end("0000", now=9003.0)
    row = database.trial("0000")
    assert (row.seconds, row.begun, row.worker) == (4.0 + 3.0, 1000.0, "w2")


def test_an_epoch_is_there_once(tmp_path: Path) -> None:
    database = begun(tmp_path)
    for execution in (0, 1):
        for epoch in (1, 2, 3):
            database.add_epoch("0000", execution, epoch, {"loss": 1.0}, 1)
    database.add_epoch("0000", 0, 3, {"loss": 2.0}, 1)
    assert database.epochs_trained() == 6
    database.drop_epochs("0000", 0, 2)
    assert [(row.execution, row.epoch) for row in database.epochs()] == [(0, 1), (0, 2)]
    with pytest.raises(sqlite3.IntegrityError):
        database.add_epoch("of nothing", 0, 1, {}, 1)


def test_a_transaction_is_there_whole_or_not(tmp_path: Path) -> None:
    database = begun(tmp_path)
    other = Database(tmp_path / FILE)
    with pytest.raises(LookupError), database.transaction():
        database.add_epoch("0000", 0, 1, {}, 1)
        with database.transaction():
            database.set_meta(inner=True)
        # Others read what was there before, without waiting.
        assert other.epochs() == [] and "inner" not in other.meta()
        raise LookupError
    assert database.epochs() == [] and "inner" not in database.meta()
    with database.transaction():
        database.add_epoch("0000", 0, 1, {}, 1)
    assert len(other.epochs()) == 1


KILLED = f"""
import os, pathlib, signal, sys
from tuning.database import Database
database = Database(pathlib.Path(sys.argv[1]) / {FILE!r})
database.add_epoch("0000", 0, 1, {{}}, 1)
with database.transaction():
    database.add_epoch("0000", 0, 2, {{}}, 1)
    database.set_meta(half=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_kill_leaves_what_was_committed(tmp_path: Path) -> None:
    begun(tmp_path).close()
    path = os.pathsep.join(one or os.getcwd() for one in sys.path)
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path)], env={**os.environ, "PYTHONPATH": path}
    )
    assert killed.returncode == -signal.SIGKILL
    database = Database(tmp_path / FILE, create=False)
    assert [row.epoch for row in database.epochs()] == [1]
    assert "half" not in database.meta()


def test_threads_write_side_by_side(tmp_path: Path) -> None:
    database = begun(tmp_path)

    def write(execution: int) -> None:
        for epoch in range(1, 11):
            database.add_epoch("0000", execution, epoch, {"loss": epoch}, 1)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert database.epochs_trained() == 60


def test_numbers_of_numpy_are_plain_ones(tmp_path: Path) -> None:
    database = begun(tmp_path)
    database.add_epoch("0000", 0, 1, {"loss": np.float32(0.5)}, 1)  # type: ignore[dict-item]
    assert database.epochs()[0].metrics == {"loss": 0.5}
    with pytest.raises(TypeError, match="is not plain data"):
        database.set_meta(path=tmp_path)


def test_what_cannot_be_read_is_one_clear_line(tmp_path: Path) -> None:
    path = tmp_path / FILE
    with pytest.raises(ZooError, match="there is no search in"):
        Database(path, create=False)
    path.touch()
    with pytest.raises(ZooError, match="there is no search in"):
        Database(path, create=False)
    # A kill between making the file and its tables leaves an empty one.
    assert Database(path).trials() == []

    database = begun(tmp_path)
    database.set_meta(schema=99)
    database._connection().execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    with pytest.raises(ZooError, match=r"has layout 99, this version knows 1; .*--fresh"):
        Database(path)

    for damage in (b"no database at all" * 100, path.read_bytes()[:3000] + b"\xff" * 9000):
        for file in tmp_path.iterdir():
            file.unlink()
        path.write_bytes(damage)
        with pytest.raises(ZooError, match="damaged; start anew with --fresh") as raised:
            Database(path)
        assert "\n" not in str(raised.value)


def test_a_full_disk_is_one_clear_line(tmp_path: Path) -> None:
    database = begun(tmp_path)
    pages = database._connection().execute("PRAGMA page_count").fetchone()[0]
    # SQLite's own way to have no room.
    database._connection().execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(ZooError, match="cannot be read or written: database or disk is full"):
        database.set_meta(much="x" * 10**6)
    assert "much" not in database.meta()
    database.add_epoch("0000", 0, 1, {}, 1)
