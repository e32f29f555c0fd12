"""TensorFlow Serving's REST API."""

from __future__ import annotations

from typing import Any

import httpx2
import numpy as np
import pytest
from starlette.testclient import TestClient

from tests.serving.asking import answered, refused_abroad

MODEL = "/v1/models/levels.grey"
LEVELS = (10, 130, 250)
ROWS = np.stack([np.full((8, 8, 1), level) for level in LEVELS]).tolist()


def predict(client: TestClient, body: dict[str, Any], model: str = MODEL) -> httpx2.Response:
    return client.post(f"{model}:predict", json=body)


def input_of(client: TestClient) -> str:
    (given,) = answered(client.get("/v2/models/levels.grey"))["inputs"]
    return str(given["name"])


def test_rows_come_as_instances_or_as_one_tensor(client: TestClient) -> None:
    name = input_of(client)
    (predictions,) = answered(predict(client, {"instances": ROWS})).values()
    assert np.argmax(predictions, axis=1).tolist() == [0, 5, 9]
    np.testing.assert_allclose(np.sum(predictions, axis=1), 1, atol=1e-6)
    for body in (
        {"instances": [{name: row} for row in ROWS]},
        {"instances": ROWS, "signature_name": "serving_default"},
        {"instances": ROWS, "signature_name": "scores"},
    ):
        assert answered(predict(client, body)) == {"predictions": predictions}
    for inputs in (ROWS, {name: ROWS}):
        assert answered(predict(client, {"inputs": inputs})) == {"outputs": predictions}


def test_it_computes_what_the_open_inference_protocol_does(client: TestClient) -> None:
    tensor = {"name": input_of(client), "shape": [3, 8, 8, 1], "datatype": "FP32", "data": ROWS}
    answer = client.post("/v2/models/levels.grey/infer", json={"inputs": [tensor]})
    scores = np.reshape(answered(answer)["outputs"][0]["data"], (3, 10))
    found = answered(predict(client, {"instances": ROWS}))["predictions"]
    np.testing.assert_array_equal(np.float32(found), np.float32(scores))


def test_versions_and_their_states(client: TestClient) -> None:
    body = {"instances": ROWS}
    answered(predict(client, body, f"{MODEL}/versions/1"))
    refused_abroad(predict(client, body, f"{MODEL}/versions/7"), 404, "levels.grey@7")
    refused_abroad(predict(client, body, f"{MODEL}/labels/stable"), 404, "levels.grey@stable")
    refused_abroad(client.get(f"{MODEL}/versions/7"), 404, "levels.grey@7")
    for version in ("1", "2"):
        (status,) = answered(client.get(f"{MODEL}/versions/{version}"))["model_version_status"]
        assert status["version"] == version and status["state"] == "AVAILABLE"
        assert status["status"] == {"error_code": "OK", "error_message": ""}
    # The model itself is ours, also as an error.
    assert answered(client.get(MODEL))["id"] == "levels.grey"
    assert "message" in answered(client.get("/v1/models/nothing"), 404)["error"]


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({}, 400, "exactly one"),
        ({"instances": ROWS, "inputs": ROWS}, 400, "exactly one"),
        ({"instances": []}, 422, "instances"),
        ({"instances": "rows"}, 400, "instances"),
        ({"instances": [[1, 2], [3]]}, 422, "equal lengths"),
        ({"instances": [["a"]]}, 422, "numbers"),
        ({"instances": [[{"b64": "AAAA"}]]}, 422, "numbers"),
        ({"instances": [{"other": ROWS[0]}]}, 422, "takes one input"),
        ({"instances": [{}]}, 422, "takes one input"),
        ({"instances": [ROWS[0], {"other": 1}]}, 422, "takes one input"),
        ({"instances": ROWS[0]}, 422, "takes rows"),
        ({"instances": [[[[1e300]] * 8] * 8]}, 422, "finite"),
        ({"instances": ROWS * 22}, 422, "64 rows"),
        ({"instances": ROWS, "signature_name": "other"}, 422, "scores"),
        ({"instances": ROWS, "signature_name": 1}, 400, "signature_name"),
    ],
)
def test_requests_that_are_none(
    client: TestClient, body: dict[str, Any], status: int, words: str
) -> None:
    refused_abroad(predict(client, body), status, words)


def test_what_is_no_json(client: TestClient) -> None:
    refused_abroad(client.post(f"{MODEL}:predict", content=b"{"), 400, "not JSON")
    refused_abroad(client.get(f"{MODEL}:predict"), 404)
    refused_abroad(client.post("/v1/models/nothing:predict", json={"instances": ROWS}), 404)
