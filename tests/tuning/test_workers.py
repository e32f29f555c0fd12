"""Several workers on one machine: real processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tuning.database import FILE, Database
from tuning.plan import make_plan
from tuning.workers import run_workers
from zoo.errors import ZooError

from .helpers import QUICK, RATES
from .searches import recorder_of

SETTINGS = [
    *(part for key, value in QUICK.items() for part in ("--set", f"{key}={json.dumps(value)}")),
    *("--space", RATES[0]),
]
ZOO = [sys.executable, "-u", "-m", "zoo.cli"]


def test_workers_that_cannot_begin_end_the_search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rather than being begun over and over."""
    monkeypatch.setattr(
        "tuning.workers.sys", SimpleNamespace(executable="/bin/false", path=sys.path)
    )
    plan = make_plan("mlp.fashion_mnist", "random", overrides=QUICK, space=RATES)
    lines: list[str] = []
    with (
        recorder_of(tmp_path) as recorder,
        pytest.raises(ZooError, match=r"3 workers in a row ended .* exit code 1; what they said"),
    ):
        run_workers(plan, recorder, 2, lines.append, {"search": "1"})
    assert [line.split()[1] for line in lines[:2]] == ["w1", "w2"]


@pytest.mark.full
def test_two_workers_find_what_one_does(quick_tune: Callable[..., Any]) -> None:
    lines: list[str] = []
    search = quick_tune("random", 4, workers=2, in_process=False, say=lines.append)
    assert {trial.worker for trial in search.trials} == {"w1", "w2"}
    assert any(line.startswith("[w2]   epoch 2/2") for line in lines)
    alone = quick_tune("random", 4, fresh=True)
    assert [trial.hyperparameters for trial in search.trials] == [
        trial.hyperparameters for trial in alone.trials
    ]
    assert [trial.status for trial in search.trials] == ["completed"] * 4


@pytest.mark.full
def test_a_killed_worker_is_replaced(sample_home: Path) -> None:
    command = [*ZOO, "tune", "mlp.fashion_mnist", "--algorithm", "random", "--trials", "4"]
    process = subprocess.Popen(
        [*command, *SETTINGS, "--workers", "2"], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    seen = ""
    folder = sample_home / "tuning" / "mlp.fashion_mnist" / "random"
    pids: dict[str, int] = {}
    killed = other = ""
    for line in process.stdout:
        seen += line
        worker = line.split("]")[0].lstrip("[")
        if "epoch 1/2" in line and not killed:
            pids = {one.id: one.pid for one in Database(folder / FILE).workers()}
            killed, (other,) = worker, pids.keys() - {worker}
            os.kill(pids[killed], signal.SIGKILL)
            # It would have done all of it before the next one is there.
            os.kill(pids[other], signal.SIGSTOP)
        elif worker == f"{killed}.2" and other:
            os.kill(pids[other], signal.SIGCONT)
            other = ""
    assert process.wait() == 0
    assert "ended with signal SIGKILL; trial 000" in seen and "waits for another" in seen
    rows = Database(folder / FILE).trials()
    assert [row.status for row in rows] == ["completed"] * 4
    assert any(row.worker is not None and row.worker.endswith(".2") for row in rows)


@pytest.mark.full
def test_a_killed_chief_and_its_worker(sample_home: Path) -> None:
    """As on many machines: three commands, of which the first is killed and given again."""
    lead = [*ZOO, "tune", "chief", "mlp.fashion_mnist", "--algorithm", "random", "--trials", "3"]
    chief = subprocess.Popen([*lead, *SETTINGS, "--port", "0"], stdout=subprocess.PIPE, text=True)
    assert chief.stdout is not None
    address = next(line for line in chief.stdout if "waiting" in line).split("--chief ")[1].strip()
    worker = subprocess.Popen([*ZOO, "tune", "worker", "mlp.fashion_mnist", "--chief", address])
    for line in chief.stdout:
        if "epoch 1/2" in line:
            break
    chief.kill()
    chief.wait()
    time.sleep(1)
    port = address.rpartition(":")[2]
    again = subprocess.run(
        [*lead, *SETTINGS, "--port", port], capture_output=True, text=True, timeout=200
    )
    assert again.returncode == 0, again.stderr
    assert worker.wait(60) == 0
    folder = sample_home / "tuning" / "mlp.fashion_mnist" / "random"
    database = Database(folder / FILE)
    assert [row.status for row in database.trials()] == ["completed"] * 3
    assert database.epochs_trained() == 6


@pytest.mark.full
def test_workers_end_with_their_search(sample_home: Path) -> None:
    command = [*ZOO, "tune", "mlp.fashion_mnist", "--algorithm", "random", "--trials", "4"]
    process = subprocess.Popen(
        [*command, *SETTINGS, "--workers", "2"], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    for line in process.stdout:
        if "epoch 1/2" in line:
            break
    folder = sample_home / "tuning" / "mlp.fashion_mnist" / "random"
    pids = [one.pid for one in Database(folder / FILE).workers()]
    process.kill()
    process.wait()
    end = time.monotonic() + 20
    while any(_runs(pid) for pid in pids):
        assert time.monotonic() < end, "a worker outlives its search"
        time.sleep(0.1)
    assert len(pids) == 2


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
