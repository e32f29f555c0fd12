"""What an operator has: a log, numbers, and patience that ends."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.testclient import TestClient
from starlette.types import Message

from serving import access_log
from serving.metrics import Metrics
from serving.settings import Settings
from tests.serving.around import Conversation, client_of, log_lines, small_app

NOBODY = Settings(access_log=False)


def test_the_log_has_a_line_of_json_for_every_request(capsys: pytest.CaptureFixture[str]) -> None:
    client = client_of(Settings(max_body=100))
    headers = {"X-Request-Id": "mine-7"}
    answer = client.post("/v1/things/of?secret=yes", content=b"12345", headers=headers)
    client.get("/made/up/by/the/client")
    client.post("/v1/things/x", content=b" " * 101)
    first, second, third = log_lines(capsys)
    assert first["id"] == "mine-7" and first["client"] == "testclient"
    assert (first["method"], first["status"]) == ("POST", 200)
    assert first["model"] == "toy@1" and first["rows"] == 3 and first["queue_ms"] == 250
    assert first["bytes"] == len(answer.content) and 0 <= first["ms"] < 60_000
    assert first["time"].endswith("+00:00") and "error" not in first
    assert (second["status"], second["error"]) == (404, "not_found")
    assert second["route"] == "unmatched" and "model" not in second
    assert (third["status"], third["error"]) == (413, "body_too_large")
    assert "made/up" not in str(second) and "secret" not in str(first)


def test_the_log_names_the_route_and_not_the_path(
    client: TestClient, capsys: pytest.CaptureFixture[str]
) -> None:
    body = {"model": "levels.grey", "images": [[[1, 2], [3, 4]]] * 2}
    assert client.post("/v1/classify", json=body).status_code == 200
    client.get("/v1/models/made.up")
    first, second = log_lines(capsys)
    assert first["route"] == "/v1/classify"
    assert first["model"] == "levels.grey@2" and first["rows"] == 2 and first["queue_ms"] >= 0
    assert second["route"] == "/v1/models/{name}" and second["error"] == "unknown_model"


def test_the_log_can_be_off(capsys: pytest.CaptureFixture[str]) -> None:
    assert client_of(NOBODY).get("/livez").status_code == 200
    assert log_lines(capsys) == []


def test_work_outside_a_request_is_noted_nowhere() -> None:
    access_log.note("toy@1", 1, 0.1)
    assert access_log.RECORD.get() is None


def series(metrics: Metrics) -> dict[str, float]:
    lines = [line for line in metrics.render().decode().splitlines() if line[0] != "#"]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def test_what_is_counted_of_requests() -> None:
    metrics = Metrics()
    client = client_of(NOBODY, metrics)
    for _ in range(3):
        client.post("/v1/things/a", content=b"")
    client.get("/nothing")
    found = series(metrics)
    assert found['zoo_requests_total{method="GET",route="unmatched",status="404"}'] == 1
    assert found['zoo_refused_total{reason="not_found"}'] == 1
    assert found["zoo_requests_running"] == 0
    assert not any("things/a" in name for name in found)


def test_what_is_counted_of_models_and_jobs() -> None:
    class Queue:
        waiting = 5

    metrics = Metrics()
    metrics.watch_models(lambda: {"ready": 2, "failed": 1}, lambda: 12_345)
    metrics.watch_jobs(lambda: {"running": 1})
    metrics.watch_queue("toy@1", Queue())
    metrics.queued("toy@1", 0.003)
    metrics.call("toy@1", "onnx", 8, 0.02)
    found = series(metrics)
    assert found["zoo_loaded_bytes"] == 12_345
    assert found['zoo_models{state="ready"}'] == 2 and found['zoo_models{state="loading"}'] == 0
    assert found['zoo_jobs{state="running"}'] == 1
    assert found['zoo_queue_rows{model="toy@1"}'] == 5
    assert found['zoo_queue_seconds_count{model="toy@1"}'] == 1
    assert found['zoo_call_seconds_sum{model="toy@1",runtime="onnx"}'] == pytest.approx(0.02)
    assert found['zoo_batch_rows_sum{model="toy@1"}'] == 8
    metrics.forget_queue("toy@1")
    assert series(metrics)['zoo_queue_rows{model="toy@1"}'] == 0


def test_a_body_that_does_not_come_is_given_up() -> None:
    app = small_app(Settings(access_log=False, body_seconds=0.5))
    slow = Conversation(app, "/v1/things/a", [(b"a", 0), (b"b", 0.1), (b"c", 5)])
    started = time.monotonic()
    asyncio.run(slow.run())
    assert slow.status == 408 and time.monotonic() - started < 3
    assert slow.headers[b"connection"] == b"close"
    assert json.loads(slow.text)["error"]["type"] == "request_timeout"
    # The time is that of the whole body: one that trickles is no better than one that stops.
    trickle = Conversation(app, "/v1/things/a", [(b"a", 0.05)] * 20)
    asyncio.run(trickle.run())
    assert trickle.status == 408
    steady = Conversation(app, "/v1/things/a", [(b"a", 0.001)] * 20)
    asyncio.run(steady.run())
    assert json.loads(steady.text) == {"length": 20}


def test_a_client_that_does_not_read_is_given_up(capsys: pytest.CaptureFixture[str]) -> None:
    async def parts(_: Request) -> StreamingResponse:
        async def endless() -> Any:
            while True:
                yield b"x" * 1000

        return StreamingResponse(endless())

    async def take(message: Message) -> None:
        if message.get("body"):
            await asyncio.sleep(60)

    app = small_app(Settings(body_seconds=0.2), parts=parts)
    asyncio.run(asyncio.wait_for(Conversation(app, "/parts").run(take), 10))
    (line,) = log_lines(capsys)
    assert (line["status"], line["error"]) == (499, "client_gone")
