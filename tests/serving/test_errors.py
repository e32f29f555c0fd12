"""Every way to be refused: its status, the one shape, and nothing changed by it."""

from __future__ import annotations

import logging
import threading
import time
from typing import Any

import httpx2
import pytest
from starlette.testclient import TestClient

from serving.app import create_app
from serving.core import Core
from tests.serving.asking import png, text
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


@pytest.fixture
def client(request: pytest.FixtureRequest) -> TestClient:
    """The common one, but for tests that do something to the core or its models."""
    own = {"core", "source"} & set(request.fixturenames)
    made: TestClient = request.getfixturevalue("own_client" if own else "common_client")
    return made


def refused(answer: httpx2.Response, status: int, words: str = "") -> dict[str, Any]:
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
    ("fields", "status", "words"),
    [
        ({}, 400, "exactly one of image and images"),
        ({"image": "AAAA", "images": ["AAAA"]}, 400, "exactly one"),
        ({"image": 7}, 400, "image"),
        ({"image": {"url": "http://127.0.0.1/a.png"}}, 400, "image"),
        ({"images": [7]}, 400, "images"),
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
        ({"image": text(png(99)[:-30])}, 422, "damaged"),
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
        ({"n": 65}, 422, "n must be 1 to 64"),
        ({"n": 10**12}, 422, "n must be 1 to 64"),
        ({"n": "2"}, 400, "n:"),
        ({"seed": -1}, 422, "seed"),
        ({"seed": 2**53}, 422, "seed"),
        ({"seed": 2**53 - 1, "n": 2}, 422, "seed"),
        ({"seed": 1.5}, 400, "seed"),
        ({"size": "1024x1024"}, 422, "draws 8x8"),
        ({"response_format": "url"}, 422, "no URLs"),
        ({"output_format": "webp"}, 422, "png"),
        ({"interpolate": {"to_seed": 1, "steps": 1}}, 422, "steps"),
        ({"interpolate": {"to_seed": 1, "steps": 65}}, 422, "2 to 64"),
        ({"interpolate": {"steps": 3}}, 400, "to_seed"),
        ({"interpolate": {"to_seed": 1}, "n": 4}, 422, "steps"),
        ({"partial_images": 2}, 422, "stream"),
        ({"partial_images": 4, "stream": True}, 422, "partial_images"),
        ({"stream": "yes"}, 400, "stream"),
        ({"num_inference_steps": 0}, 422, "num_inference_steps"),
        ({"num_inference_steps": 5}, 422, "step by step"),
        ({"guidance_scale": -1}, 422, "guidance_scale"),
        ({"guidance_scale": "2"}, 400, "guidance_scale"),
        ({"truncation": 0}, 422, "truncation"),
        ({"colour": 1}, 400, "colour is no field"),
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
        ("styles.b_a", ["styles.a_b"]),
        ("levels.grey@stable", []),
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


@pytest.mark.parametrize(
    ("files", "data", "status", "words"),
    [
        ([("file", ("a.png", b"", "image/png"))], {}, 400, "empty"),
        ([("file", ("a.png", b"words", "image/png"))], {}, 422, "no PNG"),
        ([("other", ("a.png", png(99), "image/png"))], {}, 400, "other"),
        ([("file", ("a.png", png(99), "image/png"))], {"top_k": "x"}, 400, "top_k"),
        ([("file", ("a.png", png(99), "image/png"))], {"top_k": "11"}, 422, "top_k"),
        (
            [("file", ("a.png", png(99), "image/png"))],
            {"file": "http://x/y.png"},
            400,
            "form fields",
        ),
        ([("file", ("a.png", png(99), "image/png"))] * 65, {}, 400, "64"),
    ],
)
def test_forms(client: TestClient, files: Any, data: Any, status: int, words: str) -> None:
    answer = client.post(CLASSIFY, files=files, data={"model": "levels.grey", **data})
    assert refused(answer, status, words)["type"] == TYPES[status]


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


def test_a_full_queue_is_a_503_that_says_when_to_return(
    client: TestClient, source: FakeSource
) -> None:
    body = {"model": "levels.grey", "images": [[[1, 2]], [[3, 4]]] * 2}
    assert client.post(CLASSIFY, json=body).status_code == 200
    fake = source.pipelines["levels.grey@2"]
    fake.gate.clear()
    fake.entered.clear()
    answers: list[httpx2.Response] = []
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
