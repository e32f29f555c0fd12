"""Hugging Face's image-classification task."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from tests.serving.asking import answered, png, refused_abroad, text

MODEL = "/models/levels.grey"


@pytest.mark.parametrize("kind", ["image/png", "image/jpeg", "application/octet-stream", ""])
def test_an_image_is_the_body(client: TestClient, kind: str) -> None:
    answer = client.post(MODEL, content=png(130), headers={"Content-Type": kind})
    labels = answered(answer)
    assert len(labels) == 5 and set(labels[0]) == {"label", "score"}
    assert labels[0]["label"] == "level 5"
    scores = [label["score"] for label in labels]
    assert scores == sorted(scores, reverse=True)


def test_an_image_in_json_and_how_many_labels(client: TestClient) -> None:
    expected = answered(client.post(MODEL, content=png(40)))
    for image in (text(png(40)), "data:image/png;base64," + text(png(40))):
        assert answered(client.post(MODEL, json={"inputs": image})) == expected
        body = {"inputs": image, "parameters": {"top_k": 2, "function_to_apply": "softmax"}}
        assert answered(client.post(MODEL, json=body)) == expected[:2]
    assert answered(client.post(f"{MODEL}?top_k=1", content=png(40))) == expected[:1]
    assert len(answered(client.post(f"{MODEL}?top_k=10", content=png(40)))) == 10
    assert answered(client.post(f"{MODEL}@1?top_k=1", content=png(40))) == expected[:1]


def test_what_is_refused(client: TestClient) -> None:
    refused_abroad(client.post(MODEL, content=b""), 400, "empty")
    refused_abroad(client.post(MODEL, content=b"words"), 422, "no PNG")
    plain = {"Content-Type": "text/plain"}
    refused_abroad(client.post(MODEL, content=png(1), headers=plain), 415, "text/plain")
    refused_abroad(client.post(MODEL, json={"inputs": "http://a/b.png"}), 400, "fetches none")
    refused_abroad(client.post(MODEL, json={}), 400, "inputs")
    for parameters, status in (({"top_k": 0}, 422), ({"function_to_apply": "none"}, 400)):
        body = {"inputs": text(png(1)), "parameters": parameters}
        refused_abroad(client.post(MODEL, json=body), status, next(iter(parameters)))
    for query, status in (("many", 400), ("-1", 400), ("0", 422), ("11", 422)):
        answer = client.post(f"{MODEL}?top_k={query}", content=png(1))
        refused_abroad(answer, status, "top_k")
    refused_abroad(client.post("/models/nothing", content=png(1)), 404, "unknown model")
    refused_abroad(client.post("/models/patches.grey", content=png(1)), 422, "levels.grey")
