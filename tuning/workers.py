"""Several workers on one machine: processes that this one starts, watches and ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import IO, Any

from tuning.chief import Chief
from tuning.plan import Plan
from tuning.recorder import Recorder
from zoo.errors import ZooError

HOST = "127.0.0.1"
# A worker of this machine is seen to die at once; this is for one that hangs.
TIMEOUT = 120.0
# So many workers that die before they have had a trial end the search.
_STILLBORN = 3
_SECONDS_TO_LEAVE = 10


def run_workers(
    plan: Plan,
    recorder: Recorder,
    count: int,
    say: Callable[[str], None],
    settings: dict[str, Any],
) -> None:
    """Runs a search by workers of this machine, in the very way that others are run on many.

    A worker that dies is replaced. All of them end when this process does.

    Args:
        plan: The search.
        recorder: The same, opened.
        count: How many.
        say: Takes each line of progress.
        settings: What a worker must know, see `Chief`.

    Raises:
        ZooError: when workers cannot begin, or the search cannot go on.
    """
    recorder.named = True
    with Chief(recorder, settings, HOST, 0, TIMEOUT, None, say) as chief:
        crew = _Crew(plan.base.name, chief, count)
        try:
            chief.run(crew.look)
            crew.leave()
        finally:
            crew.end()


class _Crew:
    """The workers of this machine.

    Args:
        name: The recipe's.
        chief: For whom they work.
        count: How many.
    """

    def __init__(self, name: str, chief: Chief, count: int) -> None:
        self._name = name
        self._chief = chief
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._stillborn = 0
        self._count = count
        for number in range(1, count + 1):
            self._start(f"w{number}")

    def look(self) -> None:
        """Replaces workers that have died."""
        for worker, process in list(self._processes.items()):
            code = process.poll()
            if code is None:
                continue
            del self._processes[worker]
            _close(process.stdin)
            recorder = self._chief.recorder
            if recorder.over and code == 0:
                continue
            had = recorder.oracle.ongoing_trials.get(worker)
            self._chief.lose(worker, f"ended with {_words(code)}")
            if recorder.over:
                continue
            self._stillborn = 0 if had is not None else self._stillborn + 1
            if self._stillborn >= _STILLBORN:
                raise ZooError(
                    f"{_STILLBORN} workers in a row ended before they had a trial, the last with "
                    f"{_words(code)}; what they said stands above"
                )
            number, _, generation = worker.partition(".")
            self._start(f"{number}.{int(generation or 1) + 1}")

    def leave(self) -> None:
        """Waits until the workers have ended by themselves, as they do when a search is over."""
        for process in self._processes.values():
            try:
                process.wait(_SECONDS_TO_LEAVE)
            except subprocess.TimeoutExpired:
                # The rest is ended below.
                return

    def end(self) -> None:
        """Ends the workers that are left, in whatever they are doing."""
        for process in self._processes.values():
            # They end with their standard input, and their training processes with them.
            _close(process.stdin)
        for process in self._processes.values():
            try:
                process.wait(_SECONDS_TO_LEAVE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._processes.clear()

    def _start(self, worker: str) -> None:
        path = os.pathsep.join(one or os.getcwd() for one in sys.path)
        # Workers that each use every core are in each other's way.
        threads = str(max(1, (os.cpu_count() or 1) // self._count))
        shares = {
            name: os.environ.get(name, threads)
            for name in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
        }
        command = ["tune", "worker", self._name, "--chief", self._chief.address]
        self._processes[worker] = subprocess.Popen(
            [
                *(sys.executable, "-P", "-m", "zoo.cli", *command),
                *("--as", worker, "--with-parent"),
            ],
            stdin=subprocess.PIPE,
            # The chief says what they do.
            stdout=subprocess.DEVNULL,
            env={**os.environ, **shares, "PYTHONPATH": path},
            # Ctrl-C is for the chief alone.
            start_new_session=True,
        )


def _words(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def _close(pipe: IO[bytes] | None) -> None:
    if pipe is not None:
        pipe.close()
