"""What all paths have in common: which there are, probes, metrics, pages, the document."""

from __future__ import annotations

from typing import Any

from starlette.testclient import TestClient

from serving.app import create_app
from serving.core import Core
from tests.serving.asking import answered, refused, refused_abroad
from tests.serving.fakes import FakeSource

IMAGE = [[1, 2], [3, 4]]


def client_of(core: Core) -> TestClient:
    return TestClient(create_app(core, standalone=False), raise_server_exceptions=False)


def test_a_service_of_one_task_has_nothing_of_the_others(source: FakeSource) -> None:
    core = Core(["generation"], source=source)
    core.ready = True
    client = client_of(core)
    assert [model["id"] for model in client.get("/v1/models").json()["data"]] == ["patches.grey"]
    for path in ("/v1/classify", "/v1/translate", "/models/levels.grey"):
        assert client.post(path, json={}).status_code == 404, path
    paths = client.get("/openapi.json").json()["paths"]
    assert "/v1/images/generations" in paths and "/v1/jobs" in paths
    assert not {"/v1/classify", "/v1/translate", "/models/{name}"} & set(paths)
    core.close()
    core = Core(["classification"], source=source)
    paths = client_of(core).get("/openapi.json").json()["paths"]
    assert "/v1/classify" in paths and "/v2/models/{name}/infer" in paths
    assert not any(path.startswith(("/v1/images", "/v1/jobs")) for path in paths)
    core.close()


def test_readiness_and_liveness(client: TestClient, core: Core) -> None:
    for path in ("/livez", "/readyz", "/v2/health/live", "/v2/health/ready"):
        assert client.get(path).status_code == 200, path
    core.ready = False
    refused(client.get("/readyz"), 503, "starting")
    refused_abroad(client.get("/v2/health/ready"), 503, "starting")
    for path in ("/livez", "/v2/health/live"):
        assert client.get(path).status_code == 200, path


def test_an_error_has_the_shape_of_the_protocol_whose_path_it_is(client: TestClient) -> None:
    for path in ("/nothing", "/v1/nothing", "/v1/models/nothing", "/v1/jobs/nothing"):
        refused(client.get(path), 404)
    for path in ("/v2/nothing", "/v2/models/a/b", "/models/a/b", "/v1/models/a/versions/1/b"):
        refused_abroad(client.get(path), 404)
    refused_abroad(client.delete("/v2/models/levels.grey"), 405, "no DELETE here")
    refused(client.delete("/v1/models/levels.grey"), 405, "no DELETE here")
    # A slash too many is another path, and nobody is sent elsewhere.
    refused(client.get("/v1/models/"), 404)


def test_metrics_count_by_template_and_unknown_paths_add_nothing(client: TestClient) -> None:
    body = {"model": "levels.grey", "images": [IMAGE] * 3}
    answered(client.post("/v1/classify", json=body))

    def wander(number: int) -> None:
        client.get(f"/unknown/{number}")
        client.get(f"/v1/models/unknown.{number}")
        client.get(f"/v2/models/unknown.{number}/versions/{number}")
        client.post("/v1/classify", json={"model": f"unknown.{number}", "image": [[1]]})
        client.request(f"MADE{number}", "/v1/models")
        client.get("/metrics")

    wander(0)
    before = client.get("/metrics").text
    for number in range(1, 31):
        wander(number)
    after = client.get("/metrics").text

    def series(exposition: str) -> set[str]:
        return {line.rpartition(" ")[0] for line in exposition.splitlines() if line[0] != "#"}

    assert series(after) == series(before)
    assert 'zoo_requests_total{method="GET",route="unmatched",status="404"} 31.0' in after
    assert 'route="/v1/models/{name}",status="404"} 31.0' in after
    assert 'route="/v2/models/{name}/versions/{version}",status="404"} 31.0' in after
    assert 'zoo_batch_rows_sum{model="levels.grey@2"} 3.0' in after


def test_the_pages_are_complete_and_load_nothing_from_elsewhere(client: TestClient) -> None:
    for address in ("/", "/docs"):
        page = client.get(address)
        assert page.status_code == 200 and page.headers["content-type"].startswith("text/html")
        assert "default-src 'none'" in page.headers["content-security-policy"]
        for name in ("src=", "href="):
            for part in page.text.split(name)[1:]:
                link = part.split('"')[1]
                assert not link.startswith(("http:", "https:", "//")), link
                if link.startswith("/"):
                    assert client.get(link).status_code == 200, link
    etag = client.get("/").headers["etag"]
    assert client.get("/", headers={"If-None-Match": etag}).status_code == 304


def references(part: Any) -> set[str]:
    """All `$ref` within a part of a document."""
    if isinstance(part, dict):
        own = {part["$ref"]} if isinstance(part.get("$ref"), str) else set()
        return own.union(*(references(value) for value in part.values()))
    if isinstance(part, list):
        return set().union(*(references(value) for value in part))
    return set()


def test_the_document_is_the_same_each_time_and_whole(
    client: TestClient, source: FakeSource
) -> None:
    answer = client.get("/openapi.json")
    core = Core(source=source)
    assert client_of(core).get("/openapi.json").content == answer.content
    core.close()
    document = answer.json()
    assert client.get("/docs.json").json() == document
    schemas = document["components"]["schemas"]
    assert {found.rpartition("/")[2] for found in references(document)} <= set(schemas)
    assert "HTTPValidationError" not in schemas


def test_the_document_describes_bodies_and_errors(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    paths, schemas = document["paths"], document["components"]["schemas"]

    def content(path: str) -> dict[str, Any]:
        found: dict[str, Any] = paths[path]["post"]["requestBody"]["content"]
        return found

    assert set(content("/v1/classify")) == {"application/json", "multipart/form-data"}
    assert set(content("/v1/images/edits")) == {"application/json", "multipart/form-data"}
    infer = content("/v2/models/{name}/versions/{version}/infer")
    assert set(infer) == {"application/json", "application/octet-stream"}
    assert len(content("/v1/jobs")["application/json"]["schema"]["oneOf"]) == 2
    (reference,) = content("/v1/images/generations")["application/json"]["schema"].values()
    fields = schemas[reference.rpartition("/")[2]]["properties"]
    assert {"seed", "n", "interpolate", "label", "guidance_scale", "stream"} <= set(fields)
    for path in ("/v1/classify", "/v1/images/generations", "/v1/models/{name}:predict"):
        statuses = set(paths[path]["post"]["responses"])
        assert {"200", "400", "401", "404", "408", "413", "415", "422", "503", "504"} <= statuses
    ours = paths["/v1/models/{name}"]["get"]["responses"]["404"]["content"]["application/json"]
    theirs = paths["/v2/models/{name}"]["get"]["responses"]["404"]["content"]["application/json"]
    assert ours["schema"]["$ref"].endswith("/ErrorAnswer")
    assert theirs["schema"]["$ref"].endswith("/ForeignError")
    for path, operations in paths.items():
        for verb, about in operations.items():
            assert about["summary"] and about["description"] and about["tags"], (path, verb)
            named = {part["name"] for part in about.get("parameters", []) if part["in"] == "path"}
            assert named == {part.partition("}")[0] for part in path.split("{")[1:]}, path
