"""Every way to be refused: its status, the one shape, and nothing changed by it."""

from __future__ import annotations

import asyncio
import base64
import io
import logging
import struct
import threading
import time
import zlib
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from PIL import Image
from starlette.testclient import TestClient

from serving.app import create_app
from serving.core import Core
from tests.serving.fakes import FakeSource

CLASSIFY, GENERATE = "/v1/classify", "/v1/images/generations"
TYPES = {
    400: "malformed_request",
    404: "unknown_model",
    413: "body_too_large",
    415: "unsupported_media_type",
    422: "invalid_input",
    500: "internal_server_error",
    503: "busy",
}


def png(size: tuple[int, int] = (8, 8)) -> bytes:
    buffer = io.BytesIO()
    Image.new("L", size, 99).save(buffer, format="PNG")
    return buffer.getvalue()


def bomb(width: int, height: int) -> bytes:
    """A valid PNG head that promises many pixels in a few bytes."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + check

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + head + body + chunk(b"IEND", b"")


def text(content: bytes) -> str:
    return base64.b64encode(content).decode()


def refused(answer: httpx.Response, status: int, words: str = "") -> dict[str, Any]:
    """Checks an error's status and shape, and returns its inside."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    (key,) = answer.json()
    error: dict[str, Any] = answer.json()[key]
    assert key == "error" and set(error) == {"type", "message", "request_id", "near"}
    assert error["request_id"] == answer.headers["x-request-id"]
    assert words in error["message"], error["message"]
    assert "Traceback" not in answer.text and "/secret" not in answer.text
    return error


@pytest.mark.parametrize(
    ("content", "status", "words"),
    [
        (b"", 400, "not JSON"),
        (b"{", 400, "not JSON"),
        (b"\xff\xfe", 400, "not JSON"),
        (b"[1]", 400, "a JSON object"),
        (b"[" * 100_000, 400, "nested too deeply"),
        (b'{"image": NaN}', 422, "NaN"),
        (b'{"image": [[1, -Infinity]]}', 422, "finite"),
        (b'{"model": "levels.grey", "image": [[1, 1e400]]}', 422, "finite"),
        (b'{"model": "levels.grey", "image": [[1, 1e200]]}', 422, "finite"),
    ],
)
def test_bodies_that_are_no_good_json(
    client: TestClient, content: bytes, status: int, words: str
) -> None:
    answer = client.post(CLASSIFY, content=content, headers={"Content-Type": "application/json"})
    assert refused(answer, status, words)["type"] == TYPES[status]


@pytest.mark.parametrize(
    ("fields", "status", "words"),
    [
        ({}, 400, "exactly one of image and images"),
        ({"image": "AAAA", "images": ["AAAA"]}, 400, "exactly one"),
        ({"image": 7}, 400, "image"),
        ({"image": {"url": "http://127.0.0.1/a.png"}}, 400, "image"),
        ({"images": [7]}, 400, "images.0"),
        ({"images": []}, 422, "images"),
        ({"images": ["AAAA"] * 65}, 422, "images"),
        ({"image": "AAAA", "colour": 1}, 400, "colour is no field"),
        ({"image": "AAAA", "top_k": "three"}, 400, "top_k"),
        ({"image": "AAAA", "top_k": 1.5}, 400, "top_k"),
        ({"image": "AAAA", "top_k": True}, 400, "top_k"),
        ({"image": [[1, 2]], "top_k": 0}, 422, "top_k"),
        ({"image": [[1, 2]], "top_k": -3}, 422, "top_k"),
        ({"image": [[1, 2]], "top_k": 11}, 422, "top_k must be 1 to 10"),
        ({"image": "not base64!"}, 400, "not base64"),
        ({"image": ""}, 400, "empty"),
        ({"image": "data:image/png,abc"}, 400, "base64"),
        ({"image": "data:image/png;base64,?"}, 400, "not base64"),
        ({"image": "http://127.0.0.1:1/a.png"}, 400, "fetches none"),
        ({"image": "HTTPS://example.invalid/a.png"}, 400, "fetches none"),
        ({"image": "file:///etc/hostname"}, 400, "fetches none"),
        ({"image": "/etc/hostname"}, 400, "not base64"),
        ({"image": text(b"these are words")}, 422, "no PNG"),
        ({"image": text(png()[:-30])}, 422, "damaged"),
        ({"image": [1, 2, 3]}, 422, "(3,)"),
        ({"image": [[[[1]]]]}, 422, "(1, 1, 1, 1)"),
        ({"image": [[1, 2], [3]]}, 422, "equal lengths"),
        ({"image": [["1", "2"]]}, 422, "numbers"),
        ({"image": [[None, 2]]}, 422, "numbers"),
        ({"image": [[True, False]]}, 422, "numbers"),
        ({"image": [[10**400, 1]]}, 422, "numbers"),
        ({"image": []}, 422, "shape"),
        ({"image": [[]]}, 422, "no pixels"),
        ({"image": [[1000, 2]]}, 422, "0 to 255"),
        ({"image": [[[1, 2], [3, 4]], [[5, 6], [7, 8]]]}, 422, ""),
        ({"model": "patches.grey", "image": [[1, 2]]}, 422, "levels.grey"),
        ({"model": 7, "image": [[1, 2]]}, 400, "model"),
        ({"model": None, "image": [[1, 2]]}, 400, "name a model"),
    ],
)
def test_classify_fields(
    client: TestClient, fields: dict[str, Any], status: int, words: str
) -> None:
    answer = client.post(CLASSIFY, json={"model": "levels.grey", **fields})
    assert refused(answer, status, words)["type"] == TYPES[status]


@pytest.mark.parametrize(
    ("fields", "status", "words"),
    [
        ({"n": 0}, 422, "n:"),
        ({"n": 65}, 422, "n:"),
        ({"n": "2"}, 400, "n:"),
        ({"seed": -1}, 422, "seed"),
        ({"seed": 2**53}, 422, "seed"),
        ({"seed": 2**53 - 1, "n": 2}, 422, "seed"),
        ({"seed": 1.5}, 400, "seed"),
        ({"size": "1024x1024"}, 422, "draws 8x8"),
        ({"response_format": "url"}, 422, "no URLs"),
        ({"output_format": "webp"}, 422, "png"),
        ({"interpolate": {"to_seed": 1, "steps": 1}}, 422, "steps"),
        ({"interpolate": {"steps": 3}}, 400, "to_seed"),
        ({"interpolate": {"to_seed": 1}, "n": 4}, 422, "steps"),
        ({"stream": True}, 400, "stream is no field"),
        ({"model": "levels.grey"}, 422, "patches.grey"),
    ],
)
def test_generate_fields(
    client: TestClient, fields: dict[str, Any], status: int, words: str
) -> None:
    answer = client.post(GENERATE, json=fields)
    assert refused(answer, status, words)["type"] == TYPES[status]


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("levels.gray", ["levels.grey"]),
        ("levels.grey@9", ["levels.grey@2", "levels.grey@1"]),
        ("styles.a_b", []),
        ("damaged.card@2", []),
        ("../../etc/passwd", []),
        ("/etc/passwd", []),
        ("./saved_models", []),
        ("levels.grey@-1", []),
        ("levels.grey@" + "9" * 5000, []),
    ],
)
def test_unknown_models_with_near_names(client: TestClient, name: str, near: list[str]) -> None:
    error = refused(client.post(CLASSIFY, json={"model": name, "image": [[1]]}), 404)
    assert error["type"] == "unknown_model"
    assert error["near"][: len(near)] == near
    assert len(error["message"]) < 500
    if "/" not in name and len(name) < 100:
        assert refused(client.get(f"/v1/models/{name}"), 404)["near"] == error["near"]


def test_an_unnamed_model_is_demanded_with_the_names(client: TestClient) -> None:
    error = refused(client.post(CLASSIFY, json={"image": [[1]]}), 400, "name a model")
    assert set(error["near"]) == {"levels.grey", "levels.other", "broken.grey"}


@pytest.mark.parametrize("path", [CLASSIFY, GENERATE])
@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_other_content_types(client: TestClient, path: str, kind: str) -> None:
    answer = client.post(path, content=b'{"image": [[1]]}', headers={"Content-Type": kind})
    assert refused(answer, 415)["type"] == TYPES[415]


@pytest.mark.parametrize(
    ("files", "data", "status", "words"),
    [
        ([("file", ("a.png", b"", "image/png"))], {}, 400, "empty"),
        ([("file", ("a.png", b"words", "image/png"))], {}, 422, "no PNG"),
        ([("other", ("a.png", png(), "image/png"))], {}, 400, "other"),
        ([("file", ("a.png", png(), "image/png"))], {"top_k": "x"}, 400, "top_k"),
        ([("file", ("a.png", png(), "image/png"))], {"top_k": "11"}, 422, "top_k"),
        ([("file", ("a.png", png(), "image/png"))], {"file": "http://x/y.png"}, 400, "form fields"),
        ([("file", ("a.png", png(), "image/png"))] * 65, {}, 400, "64"),
    ],
)
def test_forms(client: TestClient, files: Any, data: Any, status: int, words: str) -> None:
    answer = client.post(CLASSIFY, files=files, data={"model": "levels.grey", **data})
    assert refused(answer, status, words)["type"] == TYPES[status]


def test_a_form_that_is_none(client: TestClient) -> None:
    for kind in ("multipart/form-data", "multipart/form-data; boundary=x"):
        answer = client.post(CLASSIFY, content=b"no parts", headers={"Content-Type": kind})
        refused(answer, 400)


def test_image_bombs_are_refused_before_they_are_decoded(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded = []
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda self: decoded.append(self.size))
    for width, height in ((4097, 4096), (30_000, 30_000), (2**31 - 1, 1)):
        body = {"model": "levels.grey", "image": text(bomb(width, height))}
        refused(client.post(CLASSIFY, json=body), 422, "pixels")
    assert decoded == []


def test_formats_whose_reader_starts_programs_are_not_read(client: TestClient) -> None:
    script = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\n"
    body = {"model": "levels.grey", "image": text(script)}
    refused(client.post(CLASSIFY, json=body), 422, "no PNG")


def test_long_bodies_with_and_without_a_length(client: TestClient, core: Core) -> None:
    limit = core.settings.max_body

    def stream(size: int) -> Iterator[bytes]:
        for _ in range(0, size, 2**20):
            yield b" " * 2**20

    json_type = {"Content-Type": "application/json"}
    declared = client.post(CLASSIFY, content=b" " * (limit + 1), headers=json_type)
    assert refused(declared, 413, str(limit))["type"] == TYPES[413]
    chunked = client.post(CLASSIFY, content=stream(limit + 2**20), headers=json_type)
    refused(chunked, 413, str(limit))
    form = {"Content-Type": "multipart/form-data; boundary=b"}
    refused(client.post(CLASSIFY, content=stream(limit + 2**20), headers=form), 413)
    refused(client.post(CLASSIFY, content=stream(limit), headers=json_type), 400, "not JSON")


def test_paths_and_methods_that_are_not_there(client: TestClient) -> None:
    assert refused(client.get("/nothing"), 404)["type"] == "not_found"
    answer = client.get(CLASSIFY)
    assert refused(answer, 405)["type"] == "method_not_allowed"
    assert answer.headers["allow"] == "POST"
    for path in ("/static/../app.py", "/static/%2e%2e/app.py", "/static//etc/passwd"):
        refused(client.get(path), 404)


def test_request_ids_are_echoed_or_made(client: TestClient) -> None:
    answer = client.get("/v1/models", headers={"X-Request-Id": "mine-1"})
    assert answer.headers["x-request-id"] == "mine-1"
    error = refused(client.get("/nothing", headers={"X-Request-Id": "mine-2"}), 404)
    assert error["request_id"] == "mine-2"
    made = {client.get("/livez").headers["x-request-id"] for _ in range(5)}
    assert len(made) == 5
    for bad in ("a b", "x" * 200, "<script>"):
        assert client.get("/livez", headers={"X-Request-Id": bad}).headers["x-request-id"] != bad


def test_a_damaged_model_is_a_masked_500_in_the_log(
    client: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    body = {"model": "broken.grey", "image": [[1, 2]]}
    with caplog.at_level(logging.ERROR, "serving"):
        error = refused(client.post(CLASSIFY, json=body), 500)
    assert error["type"] == TYPES[500]
    assert error["request_id"] in caplog.text
    assert "is not the file that was stored" in caplog.text


def test_a_crash_in_a_model_fails_that_request_alone(
    client: TestClient, source: FakeSource, caplog: pytest.LogCaptureFixture
) -> None:
    body = {"model": "levels.grey", "image": [[1, 2]]}
    assert client.post(CLASSIFY, json=body).status_code == 200
    fake = source.pipelines["levels.grey@2"]
    fake.fail = True
    with caplog.at_level(logging.ERROR, "serving"):
        answer = client.post(CLASSIFY, json=body)
    assert "secret detail" not in answer.text and "secret detail" in caplog.text
    refused(answer, 500)
    other = client.post(CLASSIFY, json={**body, "model": "levels.other"})
    fake.fail = False
    assert other.status_code == 200
    assert client.post(CLASSIFY, json=body).status_code == 200


def test_mounted_in_a_service_a_crash_is_answered_and_not_raised_on(
    core: Core, source: FakeSource, caplog: pytest.LogCaptureFixture
) -> None:
    client = TestClient(create_app(core, standalone=False), raise_server_exceptions=True)
    body = {"model": "levels.grey", "image": [[1, 2]]}
    assert client.post(CLASSIFY, json=body).status_code == 200
    source.pipelines["levels.grey@2"].fail = True
    answer = client.post(CLASSIFY, json=body)
    assert answer.status_code == 500 and "secret detail" not in answer.text
    assert "secret detail" in caplog.text
    core.close()


def test_a_client_that_leaves_while_it_sends_is_no_fault_of_the_server(
    core: Core, caplog: pytest.LogCaptureFixture
) -> None:
    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": CLASSIFY,
        "headers": [(b"content-type", b"application/json")],
        "query_string": b"",
    }
    asyncio.run(create_app(core)(scope, receive, send))
    assert sent[0]["status"] == 499
    assert "Traceback" not in caplog.text


def test_a_full_queue_is_a_503_that_says_when_to_return(
    client: TestClient, source: FakeSource
) -> None:
    body = {"model": "levels.grey", "images": [[[1, 2]], [[3, 4]]] * 2}
    assert client.post(CLASSIFY, json=body).status_code == 200
    fake = source.pipelines["levels.grey@2"]
    fake.gate.clear()
    fake.entered.clear()
    answers: list[httpx.Response] = []
    threads = [
        threading.Thread(target=lambda: answers.append(client.post(CLASSIFY, json=body)))
        for _ in range(6)
    ]
    try:
        threads[0].start()
        assert fake.entered.wait(20)
        for thread in threads[1:]:
            thread.start()
        # Four rows run and eight may wait: of the other five, two are let in and three refused.
        for _ in range(500):
            if len(answers) == 3:
                break
            time.sleep(0.02)
        early = list(answers)
    finally:
        fake.gate.set()
        for thread in threads:
            thread.join(20)
    assert [answer.status_code for answer in early] == [503] * 3
    for answer in early:
        assert refused(answer, 503, "busy")["type"] == TYPES[503]
        assert int(answer.headers["retry-after"]) >= 1
    assert sorted(answer.status_code for answer in answers) == [200] * 3 + [503] * 3
