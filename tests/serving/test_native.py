"""Our own paths that take images: classification, translation, reconstruction."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from serving.app import create_app
from serving.core import Core
from serving.settings import Settings
from tests.serving.asking import answered, pixels, png, refused, text
from tests.serving.fakes import FakeSource, make_card


@pytest.fixture
def pictures() -> Iterator[TestClient]:
    """A service with a translator and an autoencoder."""
    source = FakeSource(make_card("quarters.grey", "reconstruction"))
    with TestClient(create_app(Core(settings=Settings(deadline=15), source=source))) as made:
        yield made


def classify(client: TestClient, **fields: Any) -> dict[str, Any]:
    answer = client.post("/v1/classify", json={"model": "levels.grey", **fields})
    found: dict[str, Any] = answered(answer)
    return found


def best(answer: dict[str, Any]) -> list[str]:
    return [labels[0]["label"] for labels in answer["predictions"]]


@pytest.mark.parametrize(
    "form",
    [
        lambda level: text(png(level)),
        lambda level: "data:image/png;base64," + text(png(level)),
        lambda level: text(png(level, (50, 50)))[:40] + "\n" + text(png(level, (50, 50)))[40:],
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


@pytest.mark.parametrize("field", ["file", "image", "images", "image[]"])
def test_a_form_with_files(client: TestClient, field: str) -> None:
    files = [(field, ("a.png", png(10), "image/png")), (field, ("b.png", png(250), "image/png"))]
    data = {"model": "levels.grey@1", "top_k": "1"}
    answer = answered(client.post("/v1/classify", files=files, data=data))
    assert answer["model"] == "levels.grey@1"
    assert best(answer) == ["level 0", "level 9"]


def test_a_model_is_loaded_once(client: TestClient, source: FakeSource) -> None:
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: classify(client, image=[[1, 2], [3, 4]]), range(3)))
    assert source.loads == ["levels.grey@2"]


def test_a_model_stored_later_is_served_without_a_restart(
    client: TestClient, source: FakeSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.catalogue._LISTING_SECONDS", 0)
    refused(client.get("/v1/models/levels.new"), 404)
    source.cards["levels.new@1"] = make_card("levels.new", "classification")
    answered(client.get("/v1/models/levels.new"))
    source.cards["levels.grey@3"] = make_card("levels.grey", "classification", 3)
    assert classify(client, image=[[1, 2], [3, 4]])["model"] == "levels.grey@3"


def test_translation_goes_the_way_that_is_named(pictures: TestClient) -> None:
    # The only translator needs no name, and its first direction makes negatives.
    body: dict[str, Any] = {"images": [text(png(10)), text(png(200))]}
    first = answered(pictures.post("/v1/translate", json=body))
    assert first["model"] == "styles.a_b@1" and first["size"] == "8x8"
    assert first["direction"] == "a_to_b"
    negatives = [pixels(item) for item in first["data"]]
    assert [image.shape for image in negatives] == [(8, 8), (8, 8)]
    for image, level in zip(negatives, (245, 55), strict=True):
        assert np.abs(image.astype(int) - level).max() <= 1
    back = answered(pictures.post("/v1/translate", json={**body, "direction": "b_to_a"}))
    assert back["direction"] == "b_to_a"
    for item, level in zip(back["data"], (10, 200), strict=True):
        assert np.abs(pixels(item).astype(int) - level).max() <= 1
    files = {"file": ("a.png", png(10), "image/png")}
    form = pictures.post("/v1/translate", files=files, data={"direction": "b_to_a"})
    assert answered(form)["data"] == back["data"][:1]
    refused(pictures.post("/v1/translate", json={**body, "direction": "up"}), 422, "a_to_b")
    refused(pictures.post("/v1/translate", json={"model": "levels.grey", **body}), 422, "styles")


def test_reconstruction_goes_through_the_code(pictures: TestClient) -> None:
    left = np.zeros((8, 8), int)
    left[:, :4] = 200
    body = {"image": left.tolist()}
    answer = answered(pictures.post("/v1/reconstruct", json=body))
    assert answer["model"] == "quarters.grey@1" and answer.get("direction") is None
    (item,) = answer["data"]
    # Its quarters are even, so that their means are all there is to know.
    assert np.abs(pixels(item).astype(int) - left).max() <= 1
    files = {"image": ("a.png", png(77), "image/png")}
    (even,) = answered(pictures.post("/v1/reconstruct", files=files))["data"]
    assert np.abs(pixels(even).astype(int) - 77).max() <= 1
    refused(pictures.post("/v1/reconstruct", json={"model": "styles.a_b", **body}), 422, "quarters")
    refused(pictures.post("/v1/reconstruct", json={**body, "top_k": 1}), 400, "top_k is no field")


def test_a_body_is_taken_as_it_is(client: TestClient) -> None:
    for kind in ("application/json", "multipart/form-data; boundary=b"):
        headers = {"Content-Type": kind, "Content-Encoding": "gzip"}
        answer = client.post("/v1/classify", content=b"x", headers=headers)
        refused(answer, 415, "Content-Encoding")


def test_half_of_a_pair_of_surrogates_is_no_character(client: TestClient) -> None:
    headers = {"Content-Type": "application/json"}
    for content in (
        rb'{"model": "\ud800", "image": [[1]]}',
        rb'{"\uDFFF": 1}',
        b'{"\xed\xa0\x80": 1}',
    ):
        refused(client.post("/v1/classify", content=content, headers=headers), 400, "not JSON")
    whole = rb'{"model": "\ud83d\ude00", "image": [[1]]}'
    refused(client.post("/v1/classify", content=whole, headers=headers), 404, "unknown model")
