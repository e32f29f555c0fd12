"""OpenAI's paths for models, and the pictures of a model."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tests.serving.asking import answered, png, refused
from tests.serving.fakes import LABELS, FakeSource
from zoo import store


def test_models_are_openais_list_without_what_cannot_be_served(client: TestClient) -> None:
    answer = answered(client.get("/v1/models"))
    assert answer["object"] == "list"
    assert {model["id"] for model in answer["data"]} == {
        "levels.grey",
        "levels.other",
        "patches.grey",
        "broken.grey",
        "styles.a_b",
    }
    model = next(model for model in answer["data"] if model["id"] == "levels.grey")
    assert model["object"] == "model"
    assert model["version"] == 2 and model["versions"] == [1, 2]
    assert model["task"] == "classification" and model["labels"] == LABELS
    assert model["abilities"] == ["classify"] and model["state"] == "available"
    assert model["input"]["shape"] == [8, 8, 1]
    assert model["metrics"] == [{"name": "accuracy", "value": 0.5, "split": "test", "n": 100}]
    assert model["created"] == 1767323045  # 2026-01-02T03:04:05Z


def test_a_model_is_its_card_and_a_version_can_be_named(
    client: TestClient, source: FakeSource
) -> None:
    newest = answered(client.get("/v1/models/levels.grey"))
    assert newest["card"] == json.loads(source.cards["levels.grey@2"].to_json())
    first = answered(client.get("/v1/models/levels.grey@1"))
    assert first["id"] == "levels.grey@1" and first["card"]["version"] == 1
    assert refused(client.get("/v1/models/levels.gray"), 404)["near"][0] == "levels.grey"


def test_a_model_that_was_asked_is_ready(client: TestClient) -> None:
    body = {"model": "levels.grey", "image": [[1, 2], [3, 4]]}
    answered(client.post("/v1/classify", json=body))
    assert answered(client.get("/v1/models/levels.grey"))["state"] == "ready"
    assert answered(client.get("/v1/models/levels.grey@1"))["state"] == "available"


def test_pictures_are_those_of_the_card_and_no_other_file(
    client: TestClient, source: FakeSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "levels.grey" / "2"
    folder.mkdir(parents=True)
    for name in ("samples.png", "hidden.png", "card.json"):
        (folder / name).write_bytes(png(7))
    card = source.cards["levels.grey@2"]
    named = {"samples.png": "0" * 64, "card.json": "0" * 64, "network.keras": "0" * 64}
    source.cards["levels.grey@2"] = dataclasses.replace(card, sha256=named)
    found = []

    def find(reference: str) -> Path:
        found.append(reference)
        return folder

    monkeypatch.setattr(store, "find", find)
    path = "/v1/models/levels.grey"
    assert answered(client.get(path))["pictures"] == ["samples.png"]
    picture = client.get(f"{path}/files/samples.png")
    assert picture.status_code == 200 and picture.content == png(7)
    assert picture.headers["content-type"] == "image/png"
    assert found == ["levels.grey@2"]
    for name in ("hidden.png", "card.json", "network.keras", "..%2Fcard.json", "%2Fetc%2Fpasswd"):
        refused(client.get(f"{path}/files/{name}"), 404)
    refused(client.get("/v1/models/nothing/files/samples.png"), 404, "unknown model")
    assert found == ["levels.grey@2"]
