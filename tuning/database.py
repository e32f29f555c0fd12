"""The database of a search: one SQLite file that holds everything found, at every moment.

Every writing method is one transaction, and `transaction` makes one of several. Write-ahead
logging and a sync at every commit keep what was committed, whenever a process or the machine ends.
One process writes, the one with the oracle; others may read meanwhile on the same machine. Workers
elsewhere never open the file: such logs do not work over network folders.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from zoo.errors import ZooError

FILE = "search.sqlite"
SCHEMA = 1

# What a row says for each status of KerasTuner's trials.
_STATUS = {
    "IDLE": "idle",
    "RUNNING": "running",
    "COMPLETED": "completed",
    "STOPPED": "stopped",
    "FAILED": "failed",
    "INVALID": "interrupted",
}

_TABLES = (
    "CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS state (key TEXT PRIMARY KEY, value TEXT NOT NULL)",
    """CREATE TABLE IF NOT EXISTS trials (
        id TEXT PRIMARY KEY, number INTEGER NOT NULL, status TEXT NOT NULL, record TEXT NOT NULL,
        hyperparameters TEXT NOT NULL, recipe TEXT, seed INTEGER, worker TEXT,
        begun REAL, sitting REAL, ended REAL, seconds REAL NOT NULL DEFAULT 0,
        objectives TEXT NOT NULL DEFAULT '{}', deviations TEXT NOT NULL DEFAULT '{}',
        reason TEXT, continues TEXT, versions TEXT NOT NULL DEFAULT '{}')""",
    """CREATE TABLE IF NOT EXISTS epochs (
        trial TEXT NOT NULL REFERENCES trials(id), execution INTEGER NOT NULL,
        epoch INTEGER NOT NULL, metrics TEXT NOT NULL, seconds REAL NOT NULL, time REAL NOT NULL,
        PRIMARY KEY (trial, execution, epoch)) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS workers (
        id TEXT PRIMARY KEY, host TEXT NOT NULL, pid INTEGER NOT NULL, seen REAL NOT NULL,
        trial TEXT)""",
)


@dataclasses.dataclass(frozen=True)
class TrialRow:
    """A trial as the database has it. Times are seconds since 1970, None before they are known.

    Args:
        id: Its id, also the name of its folder, `trial_<id>`.
        number: From 1, in the order in which trials were made.
        status: `idle`, `running`, `completed`, `stopped` (early, by a rule), `failed`, `skipped`
            (too large) or `interrupted` (will be run again).
        record: The state of KerasTuner's `Trial`.
        hyperparameters: The values that are tried.
        recipe: The recipe that is trained, as plain data; None before it began.
        seed: The recipe's seed, that of the first execution.
        worker: Who runs or ran it.
        begun: When it began first.
        ended: When it ended.
        seconds: Time spent on it, without that in which nobody worked on it.
        objectives: The value of each objective, the mean over executions; empty until it ends.
        deviations: Sample deviations over executions, where there are several.
        reason: Why it failed, was skipped or was stopped.
        continues: The trial whose training it goes on with.
        versions: Of the packages that trained it.
    """

    id: str
    number: int
    status: str
    record: dict[str, Any]
    hyperparameters: dict[str, Any]
    recipe: dict[str, Any] | None
    seed: int | None
    worker: str | None
    begun: float | None
    ended: float | None
    seconds: float
    objectives: dict[str, float]
    deviations: dict[str, float]
    reason: str | None
    continues: str | None
    versions: dict[str, str]

    @property
    def planned_epochs(self) -> int | None:
        """The epochs behind it when it ends, where the algorithm decides them for each trial."""
        return self.record["hyperparameters"]["values"].get("tuner/epochs")


@dataclasses.dataclass(frozen=True)
class EpochRow:
    """One epoch of one execution of a trial.

    Args:
        trial: The trial's id.
        execution: Which training of the trial, from 0; there are several with `--executions`.
        epoch: From 1. A trial that continues another begins after that one's last.
        metrics: What was logged.
        seconds: That the epoch took.
        time: When it was recorded, seconds since 1970.
    """

    trial: str
    execution: int
    epoch: int
    metrics: dict[str, float]
    seconds: float
    time: float


@dataclasses.dataclass(frozen=True)
class WorkerRow:
    """A worker.

    Args:
        id: Its name.
        host: The machine's name.
        pid: Its process there.
        seen: When it last said anything, seconds since 1970.
        trial: What it trains, None when it waits.
    """

    id: str
    host: str
    pid: int
    seen: float
    trial: str | None


class Database:
    """A search's file. Threads and processes each get a connection of their own.

    Args:
        path: The file, `search.sqlite` in the search's folder.
        create: Make it where there is none.

    Raises:
        ZooError: when there is none and none is to be made, when the file is damaged, or when it
            was made by a version with another layout.
    """

    def __init__(self, path: Path, *, create: bool = True) -> None:
        self.path = path
        self._local = threading.local()
        if not create and not path.is_file():
            raise ZooError(f"there is no search in {path.parent}")
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._explained():
            self._prepare(create)

    def close(self) -> None:
        """Closes this thread's connection; the next call opens one again."""
        connection = getattr(self._local, "connection", None)
        if connection is not None:
            self._local.connection = None
            connection.close()

    # Reading.

    def meta(self) -> dict[str, Any]:
        """Returns what holds for the whole search, such as the versions it was begun with."""
        rows = self._read("SELECT key, value FROM meta")
        return {row["key"]: json.loads(row["value"]) for row in rows}

    def state(self) -> dict[str, Any] | None:
        """Returns the oracle's state without its trials; None before it was saved."""
        rows = self._read("SELECT value FROM state WHERE key = 'oracle'")
        return json.loads(rows[0]["value"]) if rows else None

    def trials(self) -> list[TrialRow]:
        """Returns all trials in the order in which they were made."""
        return [_trial(row) for row in self._read("SELECT * FROM trials ORDER BY number")]

    def trial(self, trial: str) -> TrialRow:
        """Returns one trial.

        Raises:
            KeyError: when there is none of this id.
        """
        rows = self._read("SELECT * FROM trials WHERE id = ?", trial)
        if not rows:
            raise KeyError(trial)
        return _trial(rows[0])

    def epochs(self, trial: str | None = None) -> list[EpochRow]:
        """Returns the epochs of a trial, or of all, by trial, execution and epoch."""
        where = "" if trial is None else "WHERE trial = ?"
        rows = self._read(
            f"SELECT * FROM epochs {where} ORDER BY trial, execution, epoch",
            *([] if trial is None else [trial]),
        )
        return [EpochRow(**{**dict(row), "metrics": json.loads(row["metrics"])}) for row in rows]

    def epochs_trained(self, trial: str | None = None) -> int:
        """Returns the number of epochs of a trial, or of all, over executions."""
        query = "SELECT COUNT(*) AS count FROM epochs"
        found = (
            self._read(query) if trial is None else self._read(f"{query} WHERE trial = ?", trial)
        )
        return int(found[0]["count"])

    def workers(self) -> list[WorkerRow]:
        """Returns the workers that are known, by name."""
        return [WorkerRow(**dict(row)) for row in self._read("SELECT * FROM workers ORDER BY id")]

    # Writing.

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Makes all that this thread writes inside one transaction: it is there whole or not.

        One inside another is a part of it. An error inside leaves the file as it was.
        """
        with self._explained():
            connection = self._connection()
            if connection.in_transaction:
                yield
                return
            try:
                connection.execute("BEGIN IMMEDIATE")
                yield
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def set_meta(self, **values: Any) -> None:
        """Writes what holds for the whole search, as plain data."""
        self._write_many(
            "INSERT INTO meta VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value",
            [(key, _json(value)) for key, value in values.items()],
        )

    def save(self, state: Mapping[str, Any], records: Iterable[Mapping[str, Any]] = ()) -> None:
        """Writes the oracle's state and the trials that changed with it.

        Args:
            state: Plain data, without the trials.
            records: `Trial.get_state()` of each trial that is new or has changed.
        """
        with self.transaction():
            self._write_many(
                "INSERT INTO state VALUES ('oracle', ?) "
                "ON CONFLICT DO UPDATE SET value = excluded.value",
                [(_json(state),)],
            )
            for record in records:
                values = record["hyperparameters"]["values"]
                self._write(
                    """INSERT INTO trials (id, number, status, record, hyperparameters, continues)
                    VALUES (?, (SELECT COUNT(*) + 1 FROM trials), ?, ?, ?, ?)
                    ON CONFLICT (id) DO UPDATE SET record = excluded.record,
                        hyperparameters = excluded.hyperparameters, continues = excluded.continues,
                        status = CASE WHEN status = 'skipped' AND excluded.status = 'failed'
                            THEN status ELSE excluded.status END""",
                    record["trial_id"],
                    _STATUS[record["status"]],
                    _json(record),
                    _json({k: v for k, v in values.items() if not k.startswith("tuner/")}),
                    values.get("tuner/trial_id"),
                )

    def begin(
        self,
        trial: str,
        *,
        worker: str,
        recipe: Mapping[str, Any],
        versions: Mapping[str, str],
        now: float | None = None,
    ) -> None:
        """Notes that a worker begins with a trial, or goes on with one that was interrupted.

        Args:
            trial: Its id; it is there already, from `save`.
            worker: Who.
            recipe: What is trained, as plain data.
            versions: Of the packages there.
            now: The time, by default the clock's.
        """
        now = time.time() if now is None else now
        with self.transaction():
            # A sitting that was killed counts up to the last epoch that was heard of.
            self._write(
                """UPDATE trials SET status = 'running', worker = ?, recipe = ?, seed = ?,
                    versions = ?, reason = NULL, ended = NULL, begun = COALESCE(begun, ?),
                    seconds = seconds + COALESCE((SELECT MAX(MAX(time) - sitting, 0) FROM epochs
                        WHERE epochs.trial = trials.id), 0),
                    sitting = ? WHERE id = ?""",
                *(worker, _json(recipe), recipe.get("seed"), _json(versions), now, now, trial),
            )

    def add_epoch(
        self,
        trial: str,
        execution: int,
        epoch: int,
        metrics: Mapping[str, float],
        seconds: float,
        now: float | None = None,
    ) -> None:
        """Writes an epoch, in place of one of the same number that a kill has undone."""
        self._write(
            "INSERT OR REPLACE INTO epochs VALUES (?, ?, ?, ?, ?, ?)",
            *(trial, execution, epoch, _json(metrics), seconds, now or time.time()),
        )

    def drop_epochs(self, trial: str, execution: int, after: int) -> None:
        """Forgets the epochs of an execution beyond its checkpoint, and all later executions."""
        self._write(
            "DELETE FROM epochs WHERE trial = ? AND (execution > ? OR execution = ? AND epoch > ?)",
            *(trial, execution, execution, after),
        )

    def end(
        self,
        trial: str,
        *,
        objectives: Mapping[str, float] | None = None,
        deviations: Mapping[str, float] | None = None,
        reason: str | None = None,
        skipped: bool = False,
        now: float | None = None,
    ) -> None:
        """Notes what came of a trial, in one transaction with the oracle's own `save` of it.

        Args:
            trial: Its id.
            objectives: The value of each objective.
            deviations: Their sample deviations over executions.
            reason: Why it failed, was skipped or was stopped.
            skipped: Whether it was too large to be trained, which is no failure.
            now: The time, by default the clock's.
        """
        now = time.time() if now is None else now
        with self.transaction():
            self._write(
                """UPDATE trials SET objectives = ?, deviations = ?, reason = ?, ended = ?,
                    seconds = seconds + COALESCE(MAX(? - sitting, 0), 0), sitting = NULL,
                    status = CASE WHEN ? THEN 'skipped' ELSE status END WHERE id = ?""",
                *(_json(objectives or {}), _json(deviations or {}), reason, now, now),
                *(skipped, trial),
            )

    def see_worker(
        self, worker: str, host: str, pid: int, trial: str | None, now: float | None = None
    ) -> None:
        """Notes that a worker is alive, and what it trains."""
        self._write(
            "INSERT OR REPLACE INTO workers VALUES (?, ?, ?, ?, ?)",
            *(worker, host, pid, now or time.time(), trial),
        )

    def forget_worker(self, worker: str) -> None:
        """Takes a worker off the list."""
        self._write("DELETE FROM workers WHERE id = ?", worker)

    # The connection.

    def _prepare(self, create: bool) -> None:
        connection = self._connection()
        if connection.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
            raise self._damaged()
        tables = "SELECT name FROM sqlite_master WHERE type = 'table' AND name = 'meta'"
        if not connection.execute(tables).fetchone():
            if not create:
                raise ZooError(f"there is no search in {self.path.parent}")
            with self.transaction():
                for table in _TABLES:
                    connection.execute(table)
                connection.execute(
                    "INSERT OR IGNORE INTO meta VALUES ('schema', ?)", (_json(SCHEMA),)
                )
        schema = self.meta().get("schema")
        if schema != SCHEMA:
            raise ZooError(
                f"the search in {self.path.parent} has layout {schema!r}, this version knows "
                f"{SCHEMA}; go on with the version that began it, or start anew with --fresh"
            )

    def _connection(self) -> sqlite3.Connection:
        connection = getattr(self._local, "connection", None)
        # A connection must not be used, nor closed, by a process that was forked from its own.
        if connection is None or self._local.process != os.getpid():
            connection = sqlite3.connect(self.path, timeout=30, isolation_level=None)
            connection.row_factory = sqlite3.Row
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
            self._local.connection, self._local.process = connection, os.getpid()
        return connection

    def _read(self, query: str, *values: Any) -> list[sqlite3.Row]:
        with self._explained():
            return self._connection().execute(query, values).fetchall()

    def _write(self, query: str, *values: Any) -> None:
        self._write_many(query, [values])

    def _write_many(self, query: str, rows: list[tuple[Any, ...]]) -> None:
        with self.transaction():
            self._connection().executemany(query, rows)

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        """Turns SQLite's errors into one line."""
        try:
            yield
        except sqlite3.IntegrityError:
            raise
        except sqlite3.OperationalError as error:
            raise ZooError(f"{self.path} cannot be read or written: {error}") from error
        except sqlite3.DatabaseError as error:
            raise self._damaged() from error

    def _damaged(self) -> ZooError:
        return ZooError(f"the search in {self.path.parent} is damaged; start anew with --fresh")


def _trial(row: sqlite3.Row) -> TrialRow:
    values = {key: row[key] for key in row.keys() if key != "sitting"}  # noqa: SIM118
    for key in ("record", "hyperparameters", "recipe", "objectives", "deviations", "versions"):
        values[key] = None if values[key] is None else json.loads(values[key])
    return TrialRow(**values)


def _json(value: Any) -> str:
    return json.dumps(value, default=_plain)


def _plain(value: Any) -> Any:
    """Numbers of NumPy are plain ones; anything else has no place in the database."""
    if hasattr(value, "item"):
        return value.item()
    raise TypeError(f"{type(value).__name__} is not plain data")
