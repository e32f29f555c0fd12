"""A training process: what it says, how it ends, and that nothing takes the search with it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tuning.orders import Answer, Order, Outcome
from tuning.trial_process import InProcess, TrialProcess
from zoo.errors import RecipeError, ZooError

FACTORY = "tests.tuning.fakes:make"
MB = 2**20


def order(happens: str = "", epochs: int = 2, **more: Any) -> Order:
    return Order("0000", {"happens": happens, **more}, "/nowhere", epochs)


def go(message: dict[str, Any]) -> Answer:
    return "go"


@pytest.fixture
def process() -> Iterator[TrialProcess]:
    trainer = TrialProcess(FACTORY, {})
    yield trainer
    trainer.close()


def memory_of(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def wait_until_gone(pid: int) -> None:
    until = time.monotonic() + 20
    while time.monotonic() < until:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except FileNotFoundError:
            return
        if state == "Z":
            return
        time.sleep(0.05)
    raise AssertionError(f"process {pid} is still there")


def test_epochs_are_told_as_they_end(process: TrialProcess) -> None:
    said: list[dict[str, Any]] = []

    def tell(message: dict[str, Any]) -> Answer:
        said.append(message)
        return "go"

    outcome = process.train(order(), tell)
    assert [(one["kind"], one.get("epoch")) for one in said] == [
        ("began", None),
        ("epoch", 1),
        ("epoch", 2),
    ]
    # The very number, to the last bit.
    assert said[2]["metrics"] == {"val_accuracy": 1 / 3 + 2}
    assert outcome.status == "completed" and outcome.objectives["val_accuracy"] != os.getpid()
    # One process trains many trials.
    assert process.train(order(), go).objectives == outcome.objectives


def test_a_training_ends_when_it_is_told_to(process: TrialProcess) -> None:
    def stop(message: dict[str, Any]) -> Answer:
        return "stop" if message.get("epoch") == 3 else "go"

    assert process.train(order(epochs=100), stop).epochs == 3
    assert process.train(order(), go).status == "completed"


@pytest.mark.parametrize(
    ("happens", "reason"),
    [
        ("error", "two"),
        ("memory", "MemoryError"),
        ("exit", "the training process ended by itself, with code 3"),
        ("SIGKILL", r"was killed \(SIGKILL\), most likely for lack of memory"),
        ("SIGSEGV", r"the training process crashed \(SIGSEGV\)"),
    ],
)
def test_what_happens_to_a_trial_is_its_outcome(
    process: TrialProcess, happens: str, reason: str
) -> None:
    outcome = process.train(order(happens), go)
    assert outcome.status == "failed"
    assert outcome.reason is not None and "\n" not in outcome.reason
    assert re.search(reason, outcome.reason)
    assert (outcome.traceback is not None) == (happens in ("error", "memory"))
    assert process.train(order(), go).status == "completed"


def test_a_full_disk_is_no_fault_of_the_trial(process: TrialProcess) -> None:
    with pytest.raises(ZooError, match="No space left on device"):
        process.train(order("disk"), go)
    assert process.train(order(), go).status == "completed"
    with pytest.raises(ZooError, match="No space left on device"):
        InProcess(FACTORY, {}).train(order("disk"), go)


@pytest.mark.parametrize("kind", [TrialProcess, InProcess])
def test_what_the_listener_raises_is_raised(kind: Any) -> None:
    def broken(message: dict[str, Any]) -> Answer:
        raise LookupError("the chief is gone")

    trainer = kind(FACTORY, {})
    with pytest.raises(LookupError, match="the chief is gone"):
        trainer.train(order(), broken)
    assert trainer.pid is None
    assert trainer.train(order(), go).status == "completed"
    trainer.close()


@pytest.mark.parametrize("kind", [TrialProcess, InProcess])
def test_what_is_wrong_before_the_first_trial_is_one_clear_line(kind: Any) -> None:
    for trainer in (kind(FACTORY, {"broken": True}), kind(FACTORY, {})):
        with pytest.raises(RecipeError, match=r"no data here|has no such option") as raised:
            trainer.check({"happens": "an option"})
        assert "\n" not in str(raised.value)
        trainer.close()


def test_memory_is_flat_over_fifty_trials() -> None:
    """Each trial leaves 4 MB behind; a process that has grown by 20 MB is replaced."""
    seen: list[int] = []
    pids: set[int] = set()
    trainer = TrialProcess(FACTORY, {}, growth=20 * MB)

    def look(message: dict[str, Any]) -> Answer:
        assert trainer.pid is not None
        pids.add(trainer.pid)
        seen.append(memory_of(trainer.pid))
        return "go"

    for _ in range(50):
        assert trainer.train(order("leak", 1, bytes=4 * MB), look).status == "completed"
    trainer.close()
    assert max(seen) < seen[0] + (20 + 2 * 4 + 4) * MB
    assert 4 <= len(pids) <= 15

    # Without it all of that would add up.
    trainer, seen[:] = TrialProcess(FACTORY, {}, growth=10**12), []
    for _ in range(20):
        trainer.train(order("leak", 1, bytes=4 * MB), look)
    trainer.close()
    assert seen[-1] > seen[0] + 60 * MB


SCRIPT = f"""
from tuning.orders import Order
from tuning.trial_process import TrialProcess
trainer = TrialProcess({FACTORY!r}, {{}})
def tell(message):
    if message.get("epoch") == 2:
        print(trainer.pid, flush=True)
    return "go"
trainer.train(Order("0000", {{"happens": "slow"}}, "/nowhere", 10**6), tell)
"""


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_a_training_ends_with_its_search(tmp_path: Path, end: signal.Signals) -> None:
    """From a plain script, which a spawned process would run again."""
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    path = os.pathsep.join(one or os.getcwd() for one in sys.path)
    parent = subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    os.kill(child, 0)
    parent.send_signal(end)
    parent.wait()
    wait_until_gone(child)


def test_closing_ends_a_training(process: TrialProcess) -> None:
    assert process.train(order(), go) != Outcome("failed")
    pid = process.pid
    assert pid is not None
    process.close()
    assert process.pid is None
    wait_until_gone(pid)
