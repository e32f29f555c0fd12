"""How a search stands, in words and as JSON, while it runs and at rest."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any, NoReturn

from tuning.database import FILE, Database, EpochRow
from tuning.folder import locked
from tuning.orders import EPOCH, Outcome
from tuning.results import open_search
from tuning.status import counts, duration, is_active, progress_line, show, status_of

from .recorded import Planted, completed, recorded
from .searches import recorder_of

BUDGET = {"trials": 8, "hours": 2.0, "total_epochs": 40, "max_parameters": None}
PLANTED = [
    completed(0.8, depth=1),
    Planted({"depth": 2}, curves=[[0.7, 0.9]], deviations={"val_accuracy": 0.01}),
    Planted(status="failed", reason="the loss is not finite"),
    Planted(status="stopped", curves=[[0.1, 0.2]]),
    Planted(status="skipped", reason="too large"),
    Planted(status="running", curves=[[0.3, 0.4, 0.5]]),
]


def search(tmp_path: Path) -> Path:
    return recorded(tmp_path / "random", PLANTED, meta={"budget": BUDGET})


def test_a_search_at_rest_runs_nothing(tmp_path: Path) -> None:
    folder = search(tmp_path)
    (found,) = json.loads(show([folder], as_json=True))
    assert not found["active"] and found["running"] == []
    assert found["trials"] == {
        "completed": 2,
        "stopped": 1,
        "failed": 1,
        "skipped": 1,
        "interrupted": 1,
    }
    best = found["best"]
    assert (best["trial"], best["value"], best["deviation"]) == ("0001", 0.9, 0.01)
    assert best["hyperparameters"] == {"depth": 2}
    text = show([folder])
    assert text.startswith("mlp.fashion_mnist, random: at rest\n")
    assert "val_accuracy 0.9000 ±0.0100, trial 0001 after 2 epochs: depth=2" in text


def test_a_running_search_says_what_each_worker_does(tmp_path: Path) -> None:
    folder = search(tmp_path)
    database = Database(folder / FILE)
    database.see_worker("tuner0", "here", 1234, "0005", now=time.time() - 4)
    database.see_worker("tuner1", "there", 99, None)
    database.close()
    assert not is_active(folder)
    with locked(folder):
        assert is_active(folder)
        (found,) = json.loads(show([folder], as_json=True))
        text = show([folder])
    assert found["active"] and found["trials"]["running"] == 1
    assert found["running"] == [
        {"trial": "0005", "worker": "tuner0", "execution": 0, "epoch": 3, "value": 0.5}
    ]
    first, second = found["workers"]
    assert (first["host"], first["pid"], first["trial"]) == ("here", 1234, "0005")
    assert 3 < first["seen_seconds_ago"] < 60 and second["trial"] is None
    assert "random: running" in text and "waiting  tuner1" in text
    # Asking changed nothing: whoever runs the search may begin again.
    with locked(folder):
        pass


def test_what_is_spent_is_held_against_each_limit_that_there_is(tmp_path: Path) -> None:
    found = status_of(open_search(search(tmp_path)))["budget"]
    assert found == {
        "trials": {"spent": 5, "limit": 8},
        "hours": {"spent": 0.025, "limit": 2.0},
        "total_epochs": {"spent": 1 + 2 + 2 + 3, "limit": 40},
    }
    unlimited = recorded(tmp_path / "grid", PLANTED)
    assert status_of(open_search(unlimited))["budget"] == {}


class Unread(Database):
    """A database of which a running search reads no more than the trial at hand."""

    def trials(self) -> NoReturn:
        raise AssertionError

    def epochs(self, trial: str | None = None) -> list[EpochRow]:
        assert trial is not None
        return super().epochs(trial)


def test_the_line_of_progress_has_the_best_so_far(tmp_path: Path) -> None:
    said: list[str] = []
    options: dict[str, Any] = {
        "hours": 2.0,
        "total_epochs": 40,
        "database": Unread,
        "say": said.append,
    }
    with recorder_of(tmp_path, trials=6, **options) as recorder:
        assert progress_line(recorder) == "0 of 6 trials, 0.0 of 2 hours, 0 of 40 epochs"
        ends = [
            Outcome("completed", {"val_accuracy": 0.8}, epochs=2),
            Outcome("completed", {"val_accuracy": 0.9}, {"val_accuracy": 0.01}, epochs=2),
            Outcome("failed", reason="the loss is not finite"),
            Outcome("stopped", {"val_accuracy": 0.95}, epochs=2),
            Outcome("skipped", reason="too large"),
        ]
        for outcome in ends:
            trial = recorder.next_trial("one").trial_id
            recorder.begin("one", trial, {})
            for epoch in range(1, outcome.epochs + 1):
                metrics = {"val_accuracy": 0.5}
                message = {"kind": EPOCH, "execution": 0, "epoch": epoch, "seconds": 1.0}
                # Over a network a message may come twice.
                for _ in range(2):
                    recorder.hear("one", trial, {**message, "metrics": metrics})
            recorder.end("one", trial, outcome)
        recorder.next_trial("one")
        assert progress_line(recorder) == (
            "4 of 6 trials, 1 stopped, 1 failed, 1 skipped, 1 running, "
            "best val_accuracy 0.9000 ±0.0100 (trial 0001), 0.0 of 2 hours, 6 of 40 epochs"
        )
    assert sum("of 6 trials" in line for line in said) == len(ends)


def test_several_searches_or_none(tmp_path: Path) -> None:
    folders = [recorded(tmp_path / name, [completed(0.5)]) for name in ("grid", "random")]
    assert len(json.loads(show(folders, as_json=True))) == 2
    assert show(folders).count("at rest") == 2
    assert "zoo tune NAME" in show([]) and json.loads(show([], as_json=True)) == []


def test_an_interrupted_trial_counts_as_such(tmp_path: Path) -> None:
    found = open_search(recorded(tmp_path / "random", [Planted(status="running")]))
    assert counts(found, active=True) == {"running": 1}
    assert counts(found, active=False) == {"interrupted": 1}


def test_durations_are_said_as_people_do() -> None:
    assert [duration(s) for s in (0, 59.6, 100, 5400, 11_100)] == [
        "0 s",
        "60 s",
        "2 min",
        "90 min",
        "3 h 05 min",
    ]
