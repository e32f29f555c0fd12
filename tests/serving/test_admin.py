"""Admin calls: what is in memory, and what versions are called."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from serving.app import create_app
from serving.core import Core
from serving.settings import Settings
from tests.serving.asking import answered, refused
from tests.serving.fakes import FakeSource

ADMIN = "an-admin-key-of-tests"
MODEL = "/v1/admin/models/levels.grey"
BODY = {"model": "levels.grey", "image": [[1, 2], [3, 4]]}


@pytest.fixture
def client(source: FakeSource) -> Iterator[TestClient]:
    """A client that has the admin key."""
    core = Core(settings=Settings(deadline=15, admin_key=ADMIN), source=source)
    headers = {"Authorization": f"Bearer {ADMIN}"}
    with TestClient(create_app(core), raise_server_exceptions=False, headers=headers) as made:
        yield made


def state(client: TestClient, reference: str = "levels.grey") -> str:
    return str(answered(client.get(f"/v1/models/{reference}"))["state"])


def answering(client: TestClient, request_id: str, model: str = "levels.grey") -> str:
    headers = {"X-Request-Id": request_id}
    answer = client.post("/v1/classify", json={**BODY, "model": model}, headers=headers)
    return str(answered(answer)["model"])


def test_models_are_loaded_and_freed(client: TestClient, source: FakeSource) -> None:
    assert state(client) == "available"
    assert answered(client.post(f"{MODEL}/load"))["state"] == "ready"
    assert state(client) == "ready" and source.loads == ["levels.grey@2"]
    assert answering(client, "one") == "levels.grey@2"
    assert source.loads == ["levels.grey@2"]
    fake = source.pipelines["levels.grey@2"]
    assert answered(client.post(f"{MODEL}/unload"))["state"] == "available"
    assert fake.functions.closed
    assert answering(client, "two") == "levels.grey@2"
    assert source.loads == ["levels.grey@2"] * 2
    # Triton's way to say the same.
    for call, expected in (("unload", "available"), ("load", "ready")):
        assert client.post(f"/v2/repository/models/levels.grey/{call}").content == b""
        assert state(client) == expected


def test_a_version_alone_is_loaded_and_freed(client: TestClient) -> None:
    answered(client.post(f"{MODEL}@1/load"))
    assert state(client, "levels.grey@1") == "ready"
    assert state(client, "levels.grey@2") == "available"
    answered(client.post(f"{MODEL}@1/unload"))
    assert state(client, "levels.grey@1") == "available"


def test_versions_have_names_and_share_requests(client: TestClient) -> None:
    assert answered(client.get(f"{MODEL}/labels")) == {
        "model": "levels.grey",
        "labels": {},
        "weights": {},
    }
    asked: dict[str, Any] = {"labels": {"stable": 1, "canary": 2}}
    told = answered(client.put(f"{MODEL}/labels", json=asked))
    assert told["labels"] == asked["labels"] and told["weights"] == {}
    assert answered(client.get(f"{MODEL}/labels")) == told
    assert answering(client, "a", "levels.grey@stable") == "levels.grey@1"
    assert answering(client, "a", "levels.grey@canary") == "levels.grey@2"
    assert {answering(client, f"request-{i}") for i in range(12)} == {"levels.grey@2"}
    rows = {"instances": [[[[0.0]] * 8] * 8]}
    answered(client.post("/v1/models/levels.grey/labels/stable:predict", json=rows))
    status = answered(client.get("/v1/models/levels.grey/labels/stable"))
    assert status["model_version_status"][0]["version"] == "1"
    asked["weights"] = {"stable": 0.5, "canary": 0.5}
    answered(client.put(f"{MODEL}/labels", json=asked))
    met = {f"request-{i}": answering(client, f"request-{i}") for i in range(40)}
    assert set(met.values()) == {"levels.grey@1", "levels.grey@2"}
    # One id meets one version, however often it comes.
    assert met == {name: answering(client, name) for name in met}
    answered(client.put(f"{MODEL}/labels", json={}))
    assert {answering(client, name) for name in met} == {"levels.grey@2"}
    refused(client.get("/v1/models/levels.grey@stable"), 404)


def test_mistakes_change_nothing(client: TestClient) -> None:
    answered(client.put(f"{MODEL}/labels", json={"labels": {"stable": 1}}))
    for body, status, words in (
        ({"labels": {"stable": 7}}, 404, "levels.grey@7"),
        ({"labels": {"stable": 0}}, 422, "labels.stable"),
        ({"labels": {"stable": "1"}}, 400, "labels.stable"),
        ({"labels": {"1": 1}}, 422, "label"),
        ({"labels": {"stable": 1}, "weights": {"canary": 1}}, 422, "canary"),
        ({"labels": {"stable": 1}, "weights": {"stable": -1}}, 422, "weights.stable"),
        ({"labels": {"stable": 1}, "weights": {"stable": 0}}, 422, "more than 0"),
        ({"names": {}}, 400, "names is no field"),
    ):
        refused(client.put(f"{MODEL}/labels", json=body), status, words)
    assert answered(client.get(f"{MODEL}/labels"))["labels"] == {"stable": 1}
    for path in ("load", "unload", "labels"):
        verb = client.get if path == "labels" else client.post
        refused(verb(f"/v1/admin/models/nothing/{path}"), 404, "unknown model")
    refused(client.post("/v1/admin/models/broken.grey/load"), 500)


def test_without_the_admin_key_nothing_is_done(client: TestClient, source: FakeSource) -> None:
    other = {"Authorization": "Bearer some-other-key-of-mine"}
    calls = [("POST", f"{MODEL}/load"), ("POST", f"{MODEL}/unload"), ("GET", f"{MODEL}/labels")]
    for verb, path in [*calls, ("PUT", f"{MODEL}/labels")]:
        refused(client.request(verb, path, json={}, headers=other), 403, "admin key")
    answer = client.post("/v2/repository/models/levels.grey/load", headers=other)
    assert answered(answer, 403) == {"error": "this call takes the admin key, and another one came"}
    assert source.loads == []
