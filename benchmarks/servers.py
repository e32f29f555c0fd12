"""Servers in processes of their own, started, waited for, measured and stopped alike."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

import psutil

ROOT = Path(__file__).parents[1]
_START_SECONDS = 180
_STOP_SECONDS = 30


@dataclasses.dataclass(frozen=True)
class Server:
    """A server that is ready.

    Args:
        port: Where it listens, on 127.0.0.1.
        process: What was started; the server may be a child of it.
        began: When, by `time.perf_counter`.
    """

    port: int
    process: subprocess.Popen[bytes]
    began: float

    def memory(self) -> float:
        """Returns the resident memory of its largest process, in MB; that has the models."""
        return max(map(_resident, _tree(self.process.pid)), default=0.0)


@contextlib.contextmanager
def running(
    command: Sequence[str], ready: str = "/readyz", environment: Mapping[str, str] | None = None
) -> Iterator[Server]:
    """Runs a server until the block is left.

    Args:
        command: What is run, in the root of the project; `{port}` in it becomes a free port.
        ready: A path that answers 200 when it is ready.
        environment: Variables beside those of this process.

    Raises:
        RuntimeError: when it ends or is not ready in time, with the end of what it said.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    with tempfile.TemporaryFile() as output:
        began = time.perf_counter()
        process = subprocess.Popen(
            [part.replace("{port}", str(port)) for part in command],
            cwd=ROOT,
            env={**os.environ, "BENTOML_DO_NOT_TRACK": "true", **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            _wait_until_ready(process, f"http://127.0.0.1:{port}{ready}", output)
            yield Server(port, process, began)
        finally:
            _stop(process)


def zoo_serve(*models: str) -> list[str]:
    """Returns the command of this project's server with some models."""
    command = [sys.executable, "-m", "zoo.cli", "serve", "--port", "{port}"]
    return [*command, "--models", *models]


def bentoml_serve(service: str) -> list[str]:
    """Returns the command of a BentoML service, `module:Name`."""
    command = [sys.executable, "-m", "bentoml", "serve", service]
    return [*command, "--host", "127.0.0.1", "--port", "{port}"]


def _wait_until_ready(process: subprocess.Popen[bytes], url: str, output: IO[bytes]) -> None:
    # A proxy of the environment has no business between this process and its own child.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    end = time.monotonic() + _START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        # Refused, or not yet ready: both are what this loop waits out.
        with contextlib.suppress(OSError), opener.open(url, timeout=5):
            return
        time.sleep(0.05)
    ended = process.poll()
    what = "was not ready in time" if ended is None else f"ended with {ended}"
    output.seek(0)
    said = output.read().decode("utf-8", "replace")[-2000:]
    raise RuntimeError(f"the server {what}: {said}")


def _tree(pid: int) -> list[psutil.Process]:
    """Returns a process and all below it; none when it has ended."""
    try:
        parent = psutil.Process(pid)
        return [parent, *parent.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _resident(process: psutil.Process) -> float:
    try:
        return float(process.memory_info().rss) / 2**20
    except psutil.NoSuchProcess:
        return 0.0


def _stop(process: subprocess.Popen[bytes]) -> None:
    below = _tree(process.pid)[1:]
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_STOP_SECONDS)
    # Some servers leave their workers behind when they are ended.
    _, left = psutil.wait_procs(below, timeout=5)
    for one in left:
        with contextlib.suppress(psutil.NoSuchProcess):
            one.kill()
    process.kill()
    process.wait()
