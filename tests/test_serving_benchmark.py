"""The benchmark of serving: its load, its bodies, its search for a rate, what it keeps."""

from __future__ import annotations

import asyncio
import base64
import json
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import serving
from benchmarks.bodies import LitServeBody, NaiveBody, OpenInference, alike, packed, unpacked
from benchmarks.http_load import Answer, ask, closed_loop, keeps, message, open_loop
from benchmarks.points import read_points
from tests.answering import answering, response

ROWS = np.arange(12, dtype=np.float32).reshape(3, 4)


def test_clients_ask_in_turn_and_each_waits_for_its_answer() -> None:
    asked: list[bytes] = []
    at_once = most = 0

    async def handle(body: bytes) -> bytes:
        nonlocal at_once, most
        asked.append(body)
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0.01)
        at_once -= 1
        return response()

    async def load() -> tuple[list[float], float]:
        async with answering(handle) as port:
            requests = [message("/", body) for body in (b"a", b"b", b"c")]
            return await closed_loop(port, requests, clients=3, seconds=0.1)

    took, wall = asyncio.run(load())
    assert most == 3 and len(took) == len(asked) >= 6
    assert sorted(asked[:3]) == [b"a", b"b", b"c"]
    assert min(took) >= 0.009 and wall >= 0.1


def test_an_error_ends_a_closed_loop() -> None:
    async def handle(_: bytes) -> bytes:
        return response(b"no", 500)

    async def load() -> None:
        async with answering(handle) as port:
            await closed_loop(port, [message("/")], clients=2, seconds=1)

    with pytest.raises(RuntimeError, match="got 500: b'no'"):
        asyncio.run(load())


def open_load(delay: float, rate: float = 100, seconds: float = 0.5) -> list[float]:
    async def handle(_: bytes) -> bytes:
        await asyncio.sleep(delay)
        return response()

    async def load() -> list[float]:
        async with answering(handle) as port:
            return await open_loop(port, [message("/")], rate, seconds, bound=0.2)

    return asyncio.run(load())


def test_arrivals_wait_for_nobody() -> None:
    """At 100 a second answers that take 0.1 s each overlap, so all of them are in time."""
    took = open_load(delay=0.1)
    assert len(took) == 50 and min(took) >= 0.09
    assert sum(took) > 2 * 0.5, "one after the other they would not have fitted into the time"


def test_late_answers_are_late_and_give_the_rest_up() -> None:
    began = time.perf_counter()
    took = open_load(delay=1.0, seconds=20)
    assert time.perf_counter() - began < 5
    assert len(took) == 2000 and math.isinf(max(took)) and not keeps(took, 0.2)


def test_one_percent_may_be_late() -> None:
    assert keeps([0.01] * 99 + [math.inf], 0.05)
    assert not keeps([0.01] * 98 + [math.inf] * 2, 0.05)


def test_answers_are_read_in_chunks_too_and_half_ones_are_none() -> None:
    chunked = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    )
    answers = iter(
        [chunked, response(b"whole"), b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf"]
    )

    async def handle(_: bytes) -> bytes | None:
        return next(answers, None)

    async def load() -> list[bytes]:
        async with answering(handle) as port:
            found = [(await ask(port, message("/"))).body for _ in range(2)]
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(ask(port, message("/")), 0.1)
            with pytest.raises(ConnectionResetError, match="broke off"):
                await ask(port, message("/"))
            return found

    assert asyncio.run(load()) == [b"abcde", b"whole"]


@pytest.mark.parametrize("limit", [1.7, 37.0, 1000.0])
@pytest.mark.parametrize("start", [2.0, 400.0])
def test_the_largest_rate_is_found_from_above_and_below(limit: float, start: float) -> None:
    found = serving.largest_rate(lambda rate: rate <= limit, start)
    assert limit / 1.05 <= found <= limit


def test_a_server_that_holds_no_rate_has_none() -> None:
    assert serving.largest_rate(lambda _: False, 100) == 0


def test_the_open_inference_body_is_json_and_bytes_both_ways() -> None:
    head, _, body = OpenInference("m", "images").request(ROWS).partition(b"\r\n\r\n")
    assert head.startswith(b"POST /v2/models/m/infer HTTP/1.1\r\n")
    said = head.decode().lower()
    length = int(said.split("inference-header-content-length: ")[1].split("\r\n")[0])
    given = json.loads(body[:length])["inputs"][0]
    assert (given["shape"], given["datatype"]) == ([3, 4], "FP32")
    assert body[length:] == ROWS.tobytes()
    answer = json.dumps({"outputs": [{"shape": [3, 4], "datatype": "FP32"}]}).encode()
    headers = f"HTTP/1.1 200 OK\r\nInference-Header-Content-Length: {len(answer)}\r\n\r\n".encode()
    found = OpenInference("m", "images").answers(Answer(200, headers, answer + ROWS.tobytes()))
    np.testing.assert_array_equal(found, ROWS)


def test_the_other_bodies_give_back_what_they_were_given() -> None:
    np.testing.assert_array_equal(unpacked(json.loads(json.dumps(packed(ROWS)))), ROWS)
    sent = json.loads(LitServeBody().request(ROWS).partition(b"\r\n\r\n")[2])
    assert base64.b64decode(sent["content"]) == ROWS.tobytes()
    naive = NaiveBody("classification")
    sent = json.loads(naive.request(ROWS).partition(b"\r\n\r\n")[2])
    assert sent == {"rows": ROWS.tolist()}
    scores = naive.answers(Answer(200, b"", json.dumps([[0.0, math.log(3.0)]]).encode()))
    np.testing.assert_allclose(scores, [[0.25, 0.75]], rtol=1e-6)
    pixels = NaiveBody("generation").answers(Answer(200, b"", b"[[-1.0, 1.0]]"))
    np.testing.assert_array_equal(pixels, [[0, 255]])


def test_answers_may_differ_as_runtimes_do_and_no_more() -> None:
    scores, grey = np.array([[0.5, 0.5]], np.float32), np.array([[7, 8]], np.uint8)
    assert alike(scores + np.float32(9e-4), scores) and not alike(scores + 2e-3, scores)
    assert alike(grey + 1, grey) and not alike(grey + 2, grey)
    assert not alike(scores[:, :1], scores)


def test_finished_turns_are_not_measured_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tmp_path / "points.csv"
    sides: list[str] = []

    def measure(_: Any, side: str, __: float) -> dict[str, float]:
        if len(sides) == 3:
            raise KeyboardInterrupt
        sides.append(side)
        rate = math.nan if side == serving.LOOP else 100.0
        return {"median": len(sides), "percentile": 2.0, "rate": rate, "offline": 300.0}

    monkeypatch.setattr(serving, "measure", measure)
    monkeypatch.setattr(serving, "sides", lambda _: {serving.OURS: None})
    model = serving.MODELS[0]
    with pytest.raises(KeyboardInterrupt):
        serving.measured(table, [model], turns=2, seconds=1)
    assert sides == [serving.LOOP, serving.OURS, serving.LOOP]
    assert [point.turn for point in read_points(table, serving.Point)] == [0, 0, 1]
    sides.clear()
    points = serving.measured(table, [model], turns=2, seconds=1)
    assert sides == [serving.OURS] and len(points) == 4
    rows = {(row.what, row.side): row for row in serving.summary(points)}
    name = points[0].model
    assert rows[(f"{name}: single stream, median", serving.LOOP)].value == 2
    assert rows[(f"{name}: single stream, median", serving.LOOP)].spread == 1
    assert rows[(f"{name}: server, 99% within 50 ms", serving.OURS)].value == 100
    assert (f"{name}: server, 99% within 50 ms", serving.LOOP) not in rows


def test_a_server_that_answers_wrong_is_not_measured() -> None:
    body = LitServeBody()

    async def handle(_: bytes) -> bytes:
        return response(json.dumps(packed(ROWS)).encode())

    async def check(expected: np.ndarray) -> None:
        async with answering(handle) as port:
            await serving.check(port, body, [body.request(ROWS)], [expected])

    asyncio.run(check(ROWS))
    with pytest.raises(RuntimeError, match="the answer to request 0 is wrong"):
        asyncio.run(check(ROWS + 1))
