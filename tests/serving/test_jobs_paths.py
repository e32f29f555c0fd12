"""Jobs over HTTP: begun, watched, cancelled, fetched."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from tests.serving.asking import answered, pixels, png, refused, text
from tests.serving.fakes import FakeSource, FakeStepper, stepper_card

REQUEST = {"model": "steps.grey", "seed": 3, "num_inference_steps": 8, "n": 2}


@pytest.fixture
def source() -> FakeSource:
    """With a generator that draws step by step, `steps.grey`."""
    return FakeSource(stepper_card())


@pytest.fixture
def slow(client: TestClient, source: FakeSource) -> FakeStepper:
    """That generator, which takes its time."""
    answered(client.post("/v1/images/generations", json=REQUEST))
    found: FakeStepper = source.pipelines["steps.grey@1"]
    found.seconds = 0.02
    return found


def submit(client: TestClient, kind: str = "generation", **fields: Any) -> dict[str, Any]:
    answer = client.post("/v1/jobs", json={"kind": kind, "request": {**REQUEST, **fields}})
    job: dict[str, Any] = answered(answer, 202)
    assert answer.headers["location"] == f"/v1/jobs/{job['id']}"
    return job


def until(client: TestClient, job: dict[str, Any], *states: str) -> dict[str, Any]:
    end = time.monotonic() + 20
    while time.monotonic() < end:
        found: dict[str, Any] = answered(client.get(f"/v1/jobs/{job['id']}"))
        if found["status"] in states:
            return found
        time.sleep(0.02)
    raise AssertionError(f"the job is still {found['status']}")


def test_a_job_makes_what_the_path_that_draws_at_once_answers(client: TestClient) -> None:
    job = submit(client)
    assert job["object"] == "job" and job["kind"] == "generation"
    assert job["status"] in ("queued", "running", "succeeded")
    assert job["request"] == REQUEST and job["model"] == "steps.grey"
    done = until(client, job, "succeeded")
    assert done["progress"] == {"step": 8, "total": 8} and done["error"] is None
    assert done["created_at"] <= done["started_at"] <= done["finished_at"]
    found = answered(client.get(f"/v1/jobs/{job['id']}/result"))
    expected = answered(client.post("/v1/images/generations", json=REQUEST))
    assert found["data"] == expected["data"] and found["model"] == "steps.grey@1"


def test_an_edit_is_a_job_too_and_its_images_are_not_shown(client: TestClient) -> None:
    job = submit(client, "edit", image=text(png(90)), strength=0.5)
    assert job["request"] == {**REQUEST, "strength": 0.5}
    until(client, job, "succeeded")
    for item in answered(client.get(f"/v1/jobs/{job['id']}/result"))["data"]:
        np.testing.assert_array_equal(pixels(item), np.full((8, 8), 90))


def test_a_running_job_shows_its_images_and_stops_when_it_is_told(
    client: TestClient, slow: FakeStepper
) -> None:
    job = submit(client, num_inference_steps=200)
    while not (found := until(client, job, "running"))["preview"]:
        time.sleep(0.02)
    assert 0 < found["progress"]["step"] < found["progress"]["total"] == 200
    assert [pixels(item).shape for item in found["preview"]] == [(8, 8)] * 2
    refused(client.get(f"/v1/jobs/{job['id']}/result"), 409, "running")
    (listed,) = answered(client.get("/v1/jobs"))["data"]
    assert listed["id"] == job["id"] and listed["preview"] is None
    cancelled = answered(client.delete(f"/v1/jobs/{job['id']}"))
    assert cancelled["status"] == "cancelled" and cancelled["preview"] is None
    assert slow.given_up.wait(20) and slow.steps < 200
    refused(client.get(f"/v1/jobs/{job['id']}/result"), 409, "cancelled")
    assert answered(client.delete(f"/v1/jobs/{job['id']}"))["status"] == "cancelled"


def test_jobs_go_on_without_whoever_began_them_and_are_listed(
    client: TestClient, slow: FakeStepper
) -> None:
    first, second = submit(client), submit(client, seed=9)
    listed = answered(client.get("/v1/jobs"))
    assert listed["object"] == "list"
    assert [job["id"] for job in listed["data"]] == [second["id"], first["id"]]
    for job in (first, second):
        until(client, job, "succeeded")


def test_a_job_that_fails_says_why(client: TestClient) -> None:
    job = submit(client, sampler="none")
    failed = until(client, job, "failed")
    assert "sampler" in failed["error"]
    refused(client.get(f"/v1/jobs/{job['id']}/result"), 409, "sampler")


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({}, 400, "kind must be generation or edit"),
        ({"kind": "drawing", "request": {}}, 400, "kind must be"),
        ({"kind": ["edit"], "request": {}}, 400, "kind must be"),
        ({"kind": "generation"}, 400, "request"),
        ({"kind": "generation", "request": {"n": 0}}, 422, "request.n"),
        ({"kind": "generation", "request": {"image": "AAAA"}}, 400, "request.image is no field"),
        ({"kind": "generation", "request": {"stream": True}}, 400, "leave out request.stream"),
        ({"kind": "generation", "request": {"model": "nothing"}}, 404, "unknown model"),
        ({"kind": "generation", "request": REQUEST, "more": 1}, 400, "more is no field"),
        ({"kind": "edit", "request": REQUEST}, 400, "request.image"),
        ({"kind": "edit", "request": {**REQUEST, "image": "http://a/b"}}, 400, "fetches none"),
    ],
)
def test_jobs_that_are_none(
    client: TestClient, body: dict[str, Any], status: int, words: str
) -> None:
    refused(client.post("/v1/jobs", json=body), status, words)
    assert answered(client.get("/v1/jobs"))["data"] == []


def test_there_is_no_such_job(client: TestClient) -> None:
    for identity in ("0" * 32, "..", "%2e%2e%2fjob.json", "x" * 500):
        refused(client.get(f"/v1/jobs/{identity}"), 404)
        refused(client.delete(f"/v1/jobs/{identity}"), 404)
        refused(client.get(f"/v1/jobs/{identity}/result"), 404)
