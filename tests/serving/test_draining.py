"""A server that stops: what runs is answered, the rest is refused, and the process ends."""

from __future__ import annotations

import asyncio
import concurrent.futures
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse

from serving.draining import Draining
from serving.envelope import Envelope
from serving.settings import Settings
from tests.serving.around import Conversation, small_app
from tests.serving.servers import ROOT, free_port


def in_a_stopping_server(
    seconds: float, talk: Callable[[Any, Draining, asyncio.Event, list[float]], Any]
) -> Any:
    """Runs `talk(app, draining, release, stopped)` in a loop; `/held` waits for `release`."""

    async def run() -> Any:
        release = asyncio.Event()
        stopped: list[float] = []

        async def held(_: Request) -> PlainTextResponse:
            await release.wait()
            return PlainTextResponse("done")

        app = small_app(Settings(access_log=False, drain_seconds=seconds), held=held)
        layer = app.build_middleware_stack()
        app.middleware_stack = layer
        while not isinstance(layer, Envelope):
            layer = layer.app  # type: ignore[attr-defined]
        return await talk(app, layer.draining, release, stopped)

    return asyncio.run(run())


def test_a_server_that_stops_finishes_what_runs_and_refuses_the_rest() -> None:
    async def talk(app: Any, draining: Draining, release: asyncio.Event, stopped: list) -> None:
        running, late, probe, alive = (
            Conversation(app, path) for path in ("/held", "/v1/things/a", "/readyz", "/livez")
        )
        task = asyncio.create_task(running.run())
        await asyncio.sleep(0.05)
        draining.begin(lambda: stopped.append(time.monotonic()))
        await asyncio.gather(late.run(), probe.run(), alive.run())
        assert late.status == probe.status == 503 and alive.status == 200
        assert late.headers[b"connection"] == b"close" and late.headers[b"retry-after"] == b"1"
        assert json.loads(late.text)["error"]["type"] == "service_unavailable"
        assert stopped == [] and not running.sent
        release.set()
        await task
        assert running.status == 200 and running.text == "done"
        await asyncio.sleep(0.05)
        assert len(stopped) == 1

    in_a_stopping_server(20, talk)


def test_what_takes_too_long_to_finish_is_cancelled_and_told_so() -> None:
    async def talk(app: Any, draining: Draining, release: asyncio.Event, stopped: list) -> None:
        running = Conversation(app, "/held")
        task = asyncio.create_task(running.run())
        await asyncio.sleep(0.05)
        draining.begin(lambda: stopped.append(time.monotonic()))
        await asyncio.wait_for(task, 10)
        assert running.status == 503 and "stopped before" in running.text
        assert len(stopped) == 1 and not release.is_set()

    in_a_stopping_server(0.2, talk)


def test_a_cancelled_request_of_a_server_that_does_not_stop_stays_cancelled() -> None:
    async def talk(app: Any, draining: Draining, release: asyncio.Event, stopped: list) -> None:
        running = Conversation(app, "/held")
        task = asyncio.create_task(running.run())
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not running.sent and not draining.stopping

    in_a_stopping_server(1, talk)


_SERVER = """
import asyncio, sys, uvicorn
from starlette.responses import PlainTextResponse
from serving.settings import Settings
from tests.serving.around import small_app

async def slow(_):
    await asyncio.sleep(1.5)
    return PlainTextResponse("done")

async def endless(_):
    await asyncio.sleep(600)

settings = Settings(access_log=False, drain_seconds=float(sys.argv[2]))
app = small_app(settings, slow=slow, endless=endless)
uvicorn.run(app, port=int(sys.argv[1]), log_level="warning")
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_process_once_it_has_answered(number: signal.Signals) -> None:
    port = free_port()
    command = [sys.executable, "-c", _SERVER, str(port), "30"]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    url = f"http://127.0.0.1:{port}"
    try:
        with httpx.Client(base_url=url, timeout=20, trust_env=False) as client:
            _wait_for(client)
            with concurrent.futures.ThreadPoolExecutor(1) as pool:
                running = pool.submit(httpx.get, f"{url}/slow", timeout=20, trust_env=False)
                time.sleep(0.5)
                process.send_signal(number)
                time.sleep(0.2)
                assert client.get("/livez").status_code == 200
                refused = client.post("/v1/things/a")
                assert refused.status_code == 503 and refused.headers["connection"] == "close"
                assert running.result().text == "done"
        process.wait(timeout=10)
    finally:
        process.kill()
    assert process.stderr is not None and "Traceback" not in process.stderr.read()


def test_a_second_ctrl_c_does_not_wait() -> None:
    port = free_port()
    command = [sys.executable, "-c", _SERVER, str(port), "300"]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        with httpx.Client(base_url=url, timeout=20, trust_env=False) as client:
            _wait_for(client)
            with concurrent.futures.ThreadPoolExecutor(1) as pool:
                running = pool.submit(httpx.get, f"{url}/endless", timeout=20, trust_env=False)
                time.sleep(0.3)
                for _ in range(3):
                    process.send_signal(signal.SIGINT)
                    time.sleep(0.5)
                process.wait(timeout=10)
                answer = running.result()
                assert answer.status_code == 503 and "stopped before" in answer.text
    finally:
        process.kill()


def _wait_for(client: httpx.Client) -> None:
    for _ in range(200):
        try:
            client.get("/livez")
        except httpx.ConnectError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError("the server did not start")
