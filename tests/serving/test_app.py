"""Paths and answers of the app: models, classification, generation, operations."""

from __future__ import annotations

import base64
import concurrent.futures
import io
import json
from typing import Any

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from serving.app import create_app
from serving.core import Core
from tests.serving.fakes import LABELS, FakeGenerator, FakeSource, make_card


def png(level: int, size: tuple[int, int] = (8, 8)) -> bytes:
    buffer = io.BytesIO()
    Image.new("L", size, level).save(buffer, format="PNG")
    return buffer.getvalue()


def text(content: bytes) -> str:
    return base64.b64encode(content).decode()


def pixels(item: dict[str, Any]) -> np.ndarray:
    picture = Image.open(io.BytesIO(base64.b64decode(item["b64_json"])))
    assert picture.format == "PNG"
    return np.asarray(picture)


def classify(client: TestClient, **fields: Any) -> dict[str, Any]:
    answer = client.post("/v1/classify", json={"model": "levels.grey", **fields})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def generate(client: TestClient, **fields: Any) -> dict[str, Any]:
    answer = client.post("/v1/images/generations", json=fields)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def best(answer: dict[str, Any]) -> list[str]:
    return [labels[0]["label"] for labels in answer["predictions"]]


def test_models_are_openais_list_without_what_cannot_be_served(client: TestClient) -> None:
    answer = client.get("/v1/models").json()
    assert answer["object"] == "list"
    assert {model["id"] for model in answer["data"]} == {
        "levels.grey",
        "levels.other",
        "patches.grey",
        "broken.grey",
    }
    model = next(model for model in answer["data"] if model["id"] == "levels.grey")
    assert model["object"] == "model"
    assert model["version"] == 2 and model["versions"] == [1, 2]
    assert model["task"] == "classification" and model["labels"] == LABELS
    assert model["input"]["shape"] == [8, 8, 1]
    assert model["metrics"] == [{"name": "accuracy", "value": 0.5, "split": "test", "n": 100}]
    assert model["created"] == 1767323045  # 2026-01-02T03:04:05Z


def test_a_model_is_its_card_and_a_version_can_be_named(
    client: TestClient, source: FakeSource
) -> None:
    newest = client.get("/v1/models/levels.grey").json()
    assert newest["card"] == json.loads(source.cards["levels.grey@2"].to_json())
    first = client.get("/v1/models/levels.grey@1").json()
    assert first["id"] == "levels.grey@1" and first["card"]["version"] == 1


@pytest.mark.parametrize(
    "form",
    [
        lambda level: text(png(level)),
        lambda level: "data:image/png;base64," + text(png(level)),
        lambda level: base64.encodebytes(png(level, (50, 50))).decode(),
        lambda level: np.full((8, 8), level).tolist(),
        lambda level: np.full((8, 8, 1), float(level)).tolist(),
        lambda level: np.full((8, 8, 3), level / 255).tolist(),
        lambda level: text(png(level, (40, 30))),
    ],
    ids=[
        "base64",
        "data url",
        "base64 in lines",
        "rank 2",
        "rank 3",
        "colour 0 to 1",
        "another size",
    ],
)
def test_every_form_of_image_is_read_alike(client: TestClient, form: Any) -> None:
    answer = classify(client, images=[form(40), form(200)], top_k=2)
    assert answer["model"] == "levels.grey@2"
    assert best(answer) == ["level 1", "level 7"]
    for labels in answer["predictions"]:
        assert len(labels) == 2
        assert labels[0]["score"] >= labels[1]["score"]


def test_one_image_and_all_labels_sum_to_one(client: TestClient) -> None:
    (labels,) = classify(client, image=text(png(120)), top_k=10)["predictions"]
    assert labels[0]["label"] == "level 4"
    assert sum(label["score"] for label in labels) == pytest.approx(1, abs=1e-6)
    assert len(classify(client, image=text(png(120)))["predictions"][0]) == 3


def test_a_form_with_files(client: TestClient) -> None:
    files = [("file", ("a.png", png(10), "image/png")), ("file", ("b.png", png(250), "image/png"))]
    answer = client.post("/v1/classify", files=files, data={"model": "levels.grey@1", "top_k": "1"})
    assert answer.status_code == 200, answer.text
    assert answer.json()["model"] == "levels.grey@1"
    assert best(answer.json()) == ["level 0", "level 9"]


def test_a_model_is_loaded_and_warmed_once(client: TestClient, source: FakeSource) -> None:
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: classify(client, image=[[1, 2], [3, 4]]), range(3)))
    assert source.loads == ["levels.grey@2"]
    assert source.pipelines["levels.grey@2"].warmed == (1, 32)


def test_a_model_stored_later_is_served_without_a_restart(
    client: TestClient, source: FakeSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.manager._LISTING_SECONDS", 0)
    assert client.get("/v1/models/levels.new").status_code == 404
    source.cards["levels.new@1"] = make_card("levels.new", "classification")
    assert client.get("/v1/models/levels.new").status_code == 200
    source.cards["levels.grey@3"] = make_card("levels.grey", "classification", 3)
    assert classify(client, image=[[1, 2], [3, 4]])["model"] == "levels.grey@3"


def test_generation_has_openais_shape_and_counts_seeds(client: TestClient) -> None:
    answer = generate(
        client, model="patches.grey", prompt="ignored", n=3, seed=7, size="8x8", user="me"
    )
    assert answer["model"] == "patches.grey@1" and answer["size"] == "8x8"
    assert [item["seed"] for item in answer["data"]] == [7, 8, 9]
    assert all(pixels(item).shape == (8, 8) for item in answer["data"])
    alone = generate(client, seed=9)  # the only generator needs no name
    assert alone["data"][0]["b64_json"] == answer["data"][2]["b64_json"]


def test_without_a_seed_the_answer_says_which_it_was(client: TestClient) -> None:
    first = generate(client)["data"][0]
    assert generate(client, seed=first["seed"])["data"][0] == first
    assert generate(client)["data"][0]["seed"] != first["seed"]


def test_the_way_between_two_seeds_begins_and_ends_at_them(client: TestClient) -> None:
    way = generate(client, seed=3, interpolate={"to_seed": 11, "steps": 5})["data"]
    assert [item["position"] for item in way] == [0, 0.25, 0.5, 0.75, 1]
    assert all("seed" not in item for item in way)
    assert way[0]["b64_json"] == generate(client, seed=3)["data"][0]["b64_json"]
    assert way[-1]["b64_json"] == generate(client, seed=11)["data"][0]["b64_json"]


def test_a_seed_gives_the_same_bytes_in_any_company(client: TestClient, source: FakeSource) -> None:
    alone = [generate(client, seed=seed)["data"][0]["b64_json"] for seed in range(20)]

    def draw(seed: int) -> list[str]:
        sizes = min(1 + seed % 3, 20 - seed)
        return [item["b64_json"] for item in generate(client, seed=seed, n=sizes)["data"]]

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for seed, images in enumerate(pool.map(draw, range(20))):
            assert images == alone[seed : seed + len(images)]
    # The fake's answers depend on the size of a call; this is why they did not show it.
    fake: FakeGenerator = source.pipelines["patches.grey@1"]
    assert set(fake.calls) == {8}


def test_a_service_of_one_task_has_nothing_of_the_other(source: FakeSource) -> None:
    core = Core(["generation"], source=source)
    core.ready = True
    with_lifespan = create_app(core, standalone=False)
    client = TestClient(with_lifespan, raise_server_exceptions=False)
    assert [model["id"] for model in client.get("/v1/models").json()["data"]] == ["patches.grey"]
    assert client.post("/v1/classify", json={}).status_code == 404
    assert "/v1/classify" not in client.get("/openapi.json").json()["paths"]
    core.close()


def test_readiness_and_liveness(client: TestClient, core: Core) -> None:
    assert client.get("/livez").status_code == 200
    assert client.get("/readyz").status_code == 200
    core.ready = False
    assert client.get("/readyz").status_code == 503
    assert client.get("/livez").status_code == 200


def test_metrics_count_by_template_and_unknown_paths_add_nothing(client: TestClient) -> None:
    classify(client, images=[[[1, 2], [3, 4]]] * 3)

    def wander(number: int) -> None:
        client.get(f"/unknown/{number}")
        client.get(f"/v1/models/unknown.{number}")
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


def test_openapi_is_the_same_each_time_and_describes_the_bodies(
    client: TestClient, source: FakeSource
) -> None:
    document = client.get("/openapi.json")
    again = TestClient(create_app(Core(source=source), standalone=False)).get("/openapi.json")
    assert document.content == again.content
    assert client.get("/docs.json").json() == document.json()
    paths = document.json()["paths"]
    body = paths["/v1/classify"]["post"]["requestBody"]["content"]
    assert set(body) == {"application/json", "multipart/form-data"}
    fields = paths["/v1/images/generations"]["post"]["requestBody"]["content"]["application/json"]
    assert {"seed", "n", "interpolate"} <= set(fields["schema"]["properties"])
    for path in ("/v1/classify", "/v1/images/generations"):
        assert {"200", "400", "404", "413", "415", "422", "503"} <= set(
            paths[path]["post"]["responses"]
        )
    assert "HTTPValidationError" not in document.text
