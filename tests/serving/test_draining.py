"""A server that stops: what runs is answered, the rest is refused, and the process ends."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import httpx2
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse

from serving.draining import Draining
from serving.envelope import Envelope
from serving.settings import Settings
from tests.serving.around import Conversation, small_app
from tests.serving.servers import ROOT, free_port

WAIT = 20


class Held:
    """A path that tells when it was asked, and answers when it is released."""

    def __init__(self) -> None:
        self.entered = asyncio.Event()
        self.release = asyncio.Event()

    async def __call__(self, _: Request) -> PlainTextResponse:
        self.entered.set()
        await self.release.wait()
        return PlainTextResponse("done")


class Stop:
    """Counts how often the web server was told to stop."""

    def __init__(self) -> None:
        self.times = 0
        self.told = asyncio.Event()

    def __call__(self) -> None:
        self.times += 1
        self.told.set()


def in_a_stopping_server(seconds: float, talk: Callable[[Any, Draining, Held, Stop], Any]) -> Any:
    """Runs `talk(app, draining, held, stop)` in a loop; the path `/held` is `held`."""

    async def run() -> Any:
        held = Held()

        async def path(request: Request) -> PlainTextResponse:
            return await held(request)

        app = small_app(Settings(access_log=False, drain_seconds=seconds), held=path)
        layer = app.build_middleware_stack()
        app.middleware_stack = layer
        while not isinstance(layer, Envelope):
            layer = layer.app  # type: ignore[attr-defined]
        return await asyncio.wait_for(talk(app, layer.draining, held, Stop()), WAIT)

    return asyncio.run(run())


def test_a_server_that_stops_finishes_what_runs_and_refuses_the_rest() -> None:
    async def talk(app: Any, draining: Draining, held: Held, stop: Stop) -> None:
        running, late, probe, alive = (
            Conversation(app, path) for path in ("/held", "/v1/things/a", "/readyz", "/livez")
        )
        task = asyncio.create_task(running.run())
        await held.entered.wait()
        draining.begin(stop)
        await asyncio.gather(late.run(), probe.run(), alive.run())
        assert late.status == probe.status == 503 and alive.status == 200
        assert late.headers[b"connection"] == b"close" and late.headers[b"retry-after"] == b"1"
        assert json.loads(late.text)["error"]["type"] == "service_unavailable"
        assert stop.times == 0 and not running.sent
        held.release.set()
        await task
        assert running.status == 200 and running.text == "done"
        await stop.told.wait()
        assert stop.times == 1

    in_a_stopping_server(WAIT, talk)


def test_what_takes_too_long_to_finish_is_cancelled_and_told_so() -> None:
    async def talk(app: Any, draining: Draining, held: Held, stop: Stop) -> None:
        running = Conversation(app, "/held")
        task = asyncio.create_task(running.run())
        await held.entered.wait()
        draining.begin(stop)
        await task
        assert running.status == 503 and "stopped before" in running.text
        assert stop.times == 1 and not held.release.is_set()

    in_a_stopping_server(0.1, talk)


def test_a_cancelled_request_of_a_server_that_does_not_stop_stays_cancelled() -> None:
    async def talk(app: Any, draining: Draining, held: Held, stop: Stop) -> None:
        running = Conversation(app, "/held")
        task = asyncio.create_task(running.run())
        await held.entered.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not running.sent and not draining.stopping

    in_a_stopping_server(1, talk)


# `/held` writes a line, and answers when the file that it is told of is there.
_SERVER = """
import asyncio, pathlib, sys, uvicorn
from starlette.responses import PlainTextResponse
from serving.settings import Settings
from tests.serving.around import small_app

async def held(_):
    print("asked", flush=True)
    while not pathlib.Path(sys.argv[2]).exists():
        await asyncio.sleep(0.01)
    return PlainTextResponse("done")

app = small_app(Settings(access_log=False, drain_seconds=300), held=held)
uvicorn.run(app, port=int(sys.argv[1]), log_level="warning")
"""


@contextlib.contextmanager
def held_server(
    release: Path,
) -> Iterator[tuple[subprocess.Popen[str], str, Future[httpx2.Response]]]:
    """Runs a server that is answering one request; gives the process, its URL and the answer."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    process = subprocess.Popen(
        [sys.executable, "-c", _SERVER, str(port), str(release)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert until(lambda: status_of(f"{url}/livez") == 200)
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            running = pool.submit(httpx2.get, f"{url}/held", timeout=60, trust_env=False)
            assert process.stdout is not None and process.stdout.readline() == "asked\n"
            try:
                yield process, url, running
            finally:
                release.touch()
    finally:
        process.kill()
        process.communicate()


def status_of(url: str, method: str = "GET") -> int | None:
    """The status of an answer on a connection of its own; None where nobody listens."""
    try:
        return httpx2.request(method, url, timeout=20, trust_env=False).status_code
    except httpx2.TransportError:
        return None


def until(condition: Callable[[], bool]) -> bool:
    """Waits for a condition; returns whether it came."""
    end = time.monotonic() + WAIT
    while not (met := condition()) and time.monotonic() < end:
        time.sleep(0.02)
    return met


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_process_once_it_has_answered(
    number: signal.Signals, tmp_path: Path
) -> None:
    with held_server(tmp_path / "release") as (process, url, running):
        process.send_signal(number)
        assert until(lambda: status_of(f"{url}/readyz") == 503)
        assert status_of(f"{url}/livez") == 200
        refused = httpx2.post(f"{url}/v1/things/a", timeout=20, trust_env=False)
        assert refused.status_code == 503 and refused.headers["connection"] == "close"
        (tmp_path / "release").touch()
        assert running.result(WAIT).text == "done"
        process.wait(timeout=WAIT)
        assert process.stderr is not None and "Traceback" not in process.stderr.read()


def test_a_second_ctrl_c_does_not_wait(tmp_path: Path) -> None:
    with held_server(tmp_path / "release") as (process, url, running):
        process.send_signal(signal.SIGINT)
        assert until(lambda: status_of(f"{url}/readyz") == 503)
        process.send_signal(signal.SIGINT)
        # The web server now waits by itself, until it is told a third time.
        assert until(lambda: status_of(f"{url}/livez") is None)
        process.send_signal(signal.SIGINT)
        process.wait(timeout=WAIT)
        answer = running.result(WAIT)
        assert answer.status_code == 503 and "stopped before" in answer.text
