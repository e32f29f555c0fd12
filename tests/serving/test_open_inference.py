"""The Open Inference Protocol, JSON and bytes both ways, by hand; its own client is elsewhere."""

from __future__ import annotations

import json
import struct
from typing import Any

import httpx2
import numpy as np
import pytest
from starlette.testclient import TestClient

from tests.serving.asking import answered, refused_abroad
from tests.serving.fakes import LABELS

MODEL = "/v2/models/levels.grey"
LENGTH = "Inference-Header-Content-Length"
LEVELS = (10, 130, 250)


def rows(levels: tuple[int, ...] = LEVELS) -> np.ndarray:
    """One evenly grey image each; the fake's label is `level` grey // 25.6."""
    return np.stack([np.full((8, 8, 1), level, np.float32) for level in levels])


def input_of(client: TestClient, model: str = MODEL) -> str:
    (given,) = answered(client.get(model))["inputs"]
    return str(given["name"])


def tensor(client: TestClient, values: np.ndarray, **more: Any) -> dict[str, Any]:
    datatype = {"float32": "FP32", "uint8": "UINT8"}[values.dtype.name]
    found = {"name": input_of(client), "shape": list(values.shape), "datatype": datatype}
    return {**found, "data": values.ravel().tolist(), **more}


def infer(client: TestClient, body: dict[str, Any], model: str = MODEL) -> httpx2.Response:
    return client.post(f"{model}/infer", json=body)


def send(
    client: TestClient, head: dict[str, Any], rest: bytes, length: int | str | None = None
) -> httpx2.Response:
    """Sends a request with bytes after the JSON."""
    content = json.dumps(head).encode()
    headers = {LENGTH: str(len(content) if length is None else length)}
    return client.post(f"{MODEL}/infer", content=content + rest, headers=headers)


def binary(client: TestClient, values: np.ndarray) -> dict[str, Any]:
    described = tensor(client, values, parameters={"binary_data_size": values.nbytes})
    del described["data"]
    return described


def read(answer: httpx2.Response) -> dict[str, tuple[dict[str, Any], Any]]:
    """Reads an answer, whose outputs may be JSON or bytes: `{name: (description, values)}`."""
    assert answer.status_code == 200, answer.text
    length = answer.headers.get(LENGTH)
    kind = "application/json" if length is None else "application/octet-stream"
    assert answer.headers["content-type"] == kind
    head = json.loads(answer.content[: None if length is None else int(length)])
    position = len(answer.content) if length is None else int(length)
    found = {}
    for output in head["outputs"]:
        size = output.get("parameters", {}).get("binary_data_size")
        if size is None:
            values: Any = output["data"]
        else:
            values = answer.content[position : position + size]
            position += size
        found[output["name"]] = (output, values)
    assert position == len(answer.content)
    return found


def test_the_server_and_its_health(client: TestClient) -> None:
    about = answered(client.get("/v2"))
    assert about["name"] == "keras-model-zoo" and "binary_tensor_data" in about["extensions"]
    assert answered(client.get("/v2/health/live")) == {"live": True}
    assert answered(client.get("/v2/health/ready")) == {"ready": True}


def test_metadata_and_configuration_are_those_of_the_card(client: TestClient) -> None:
    about = answered(client.get(MODEL))
    assert about["name"] == "levels.grey" and about["versions"] == ["1", "2"]
    (given,), (found,) = about["inputs"], about["outputs"]
    assert given["datatype"] == "FP32" and given["shape"] == [-1, 8, 8, 1]
    assert found == {"name": "scores", "datatype": "FP32", "shape": [-1, 10]}
    config = answered(client.get(f"{MODEL}/config"))
    assert config["max_batch_size"] == 64
    assert config["input"][0]["dims"] == [8, 8, 1]
    assert config["output"] == [{"name": "scores", "data_type": "TYPE_FP32", "dims": [10]}]
    drawn = answered(client.get("/v2/models/patches.grey"))["outputs"]
    assert drawn == [{"name": "images", "datatype": "UINT8", "shape": [-1, 8, 8, 1]}]


def test_a_model_is_ready_once_it_was_asked(client: TestClient) -> None:
    refused_abroad(client.get(f"{MODEL}/ready"), 409, "available")
    answered(infer(client, {"inputs": [tensor(client, rows())]}))
    assert answered(client.get(f"{MODEL}/ready")) == {"name": "levels.grey", "ready": True}
    index = answered(client.post("/v2/repository/index"))
    states = {(entry["name"], entry["version"]): entry["state"] for entry in index}
    assert states["levels.grey", "2"] == "READY" and states["levels.grey", "1"] == "UNAVAILABLE"
    (only,) = answered(client.post("/v2/repository/index", json={"ready": True}))
    assert (only["name"], only["version"]) == ("levels.grey", "2")


def test_json_both_ways(client: TestClient) -> None:
    body = {"id": "mine", "inputs": [tensor(client, rows())]}
    answer = infer(client, body)
    head = answered(answer)
    assert (head["model_name"], head["model_version"], head["id"]) == ("levels.grey", "2", "mine")
    output, values = read(answer)["scores"]
    assert output["datatype"] == "FP32" and output["shape"] == [3, 10]
    scores = np.reshape(values, (3, 10))
    np.testing.assert_allclose(scores.sum(axis=1), 1, atol=1e-6)
    assert scores.argmax(axis=1).tolist() == [0, 5, 9]
    nested = {**tensor(client, rows()), "data": rows().tolist()}
    assert read(infer(client, {"inputs": [nested]})) == {"scores": (output, values)}
    whole = tensor(client, rows().astype(np.uint8))
    assert read(infer(client, {"inputs": [whole]})) == {"scores": (output, values)}


def test_bytes_both_ways_are_the_numbers_of_json(client: TestClient) -> None:
    expected = read(infer(client, {"inputs": [tensor(client, rows())]}))["scores"][1]
    for values in (rows(), rows().astype(np.uint8)):
        head = {
            "inputs": [binary(client, values)],
            "outputs": [{"name": "scores", "parameters": {"binary_data": True}}],
        }
        output, content = read(send(client, head, values.tobytes()))["scores"]
        assert "data" not in output and output["shape"] == [3, 10]
        np.testing.assert_array_equal(np.frombuffer(content, "<f4"), np.float32(expected))
    # All outputs as bytes, but those that say otherwise.
    every: dict[str, Any] = {
        "inputs": [binary(client, rows())],
        "parameters": {"binary_data_output": True},
    }
    assert isinstance(read(send(client, every, rows().tobytes()))["scores"][1], bytes)
    every["outputs"] = [{"name": "scores", "parameters": {"binary_data": False}}]
    assert read(send(client, every, rows().tobytes()))["scores"][1] == expected


def test_a_body_without_json_is_rows(client: TestClient) -> None:
    answer = client.post(f"{MODEL}/infer", content=rows().tobytes(), headers={LENGTH: "0"})
    _, content = read(answer)["scores"]
    assert np.frombuffer(content, "<f4").reshape(3, 10).argmax(axis=1).tolist() == [0, 5, 9]


def test_classes_in_place_of_scores(client: TestClient) -> None:
    asked = {"name": "scores", "parameters": {"classification": 2}}
    body = {"inputs": [tensor(client, rows((10,)))], "outputs": [asked]}
    output, values = read(infer(client, body))["scores"]
    assert output["datatype"] == "BYTES" and output["shape"] == [1, 2]
    assert [text.split(":", 1)[1] for text in values] == [f"0:{LABELS[0]}", f"1:{LABELS[1]}"]
    assert float(values[0].split(":")[0]) > float(values[1].split(":")[0])
    asked["parameters"] = {"classification": 1, "binary_data": True}
    _, content = read(infer(client, body))["scores"]
    (length,) = struct.unpack("<I", content[:4])
    assert content[4:].decode() == values[0] and len(content) == 4 + length


def test_a_version_in_the_path(client: TestClient) -> None:
    body = {"inputs": [tensor(client, rows())]}
    head = answered(infer(client, body, f"{MODEL}/versions/1"))
    assert head["model_version"] == "1"
    refused_abroad(infer(client, body, f"{MODEL}/versions/3"), 404, "levels.grey@3")
    refused_abroad(client.get("/v2/models/nothing"), 404, "unknown model")
    refused_abroad(client.get("/v2/nothing"), 404, "no such path")


def test_latents_are_drawn_as_they_are(client: TestClient) -> None:
    (given,) = answered(client.get("/v2/models/patches.grey"))["inputs"]
    values = {"name": given["name"], "shape": [1, 4], "datatype": "FP32", "data": [0, 0, 0, 0]}
    answer = infer(client, {"inputs": [values]}, "/v2/models/patches.grey")
    output, drawn = read(answer)["images"]
    assert output["datatype"] == "UINT8" and output["shape"] == [1, 8, 8, 1]
    # Grey where the latent is 0, in every patch alike.
    assert len(set(drawn)) == 1
    refused_abroad(
        infer(client, {"inputs": [{**values, "datatype": "UINT8"}]}, "/v2/models/patches.grey"), 422
    )


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        ({"datatype": "FP64"}, 422, "FP32 or UINT8"),
        ({"shape": [3, 8, 8]}, 422, "takes rows"),
        ({"shape": [4, 8, 8, 1]}, 422, "numbers for shape"),
        ({"shape": [-1, 8, 8, 1]}, 422, "shape"),
        ({"shape": "3"}, 400, "shape"),
        ({"name": "other"}, 422, "takes one input"),
        ({"data": None}, 400, "binary_data_size"),
        ({"data": ["a"] * 192}, 422, "FP32"),
        ({"data": [[1], [2, 3]]}, 422, "equal lengths"),
        ({"datatype": "UINT8", "data": [300] * 192}, 422, "0 to 255"),
        ({"datatype": "UINT8", "data": [0.5] * 192}, 422, "UINT8"),
        ({"data": [1e300] * 192}, 422, "finite"),
        ({"parameters": {"binary_data_size": 768}}, 400, "one of them"),
    ],
)
def test_inputs_that_are_none(
    client: TestClient, change: dict[str, Any], status: int, words: str
) -> None:
    body = {"inputs": [{**tensor(client, rows()), **change}]}
    refused_abroad(infer(client, body), status, words)


def test_requests_that_are_none(client: TestClient) -> None:
    given = tensor(client, rows())
    for body, status, words in (
        ({}, 400, "inputs"),
        ({"inputs": []}, 422, "inputs"),
        ({"inputs": [given, given]}, 400, "twice"),
        ({"inputs": [given], "outputs": [{"name": "nothing"}]}, 422, "scores"),
        ({"inputs": [given], "outputs": [{"name": "scores"}] * 2}, 400, "twice"),
    ):
        refused_abroad(infer(client, body), status, words)
    many = np.zeros((65, 8, 8, 1), np.float32)
    refused_abroad(infer(client, {"inputs": [tensor(client, many)]}), 422, "64 rows")
    refused_abroad(client.post(f"{MODEL}/infer", content=b"{"), 400, "not JSON")


def test_bytes_that_do_not_fit(client: TestClient) -> None:
    values = rows()
    head = {"inputs": [binary(client, values)]}
    whole = values.tobytes()
    refused_abroad(send(client, head, whole[:-1]), 400, "are left")
    refused_abroad(send(client, head, whole + b"1"), 400, "follow the JSON")
    for length in ("9" * 9, "-1", "much", "1e3"):
        refused_abroad(send(client, head, whole, length), 400, LENGTH)
    head["inputs"][0]["shape"] = [2, 8, 8, 1]
    refused_abroad(send(client, head, whole), 422, "bytes")
    odd = client.post(f"{MODEL}/infer", content=whole[:-1], headers={LENGTH: "0"})
    refused_abroad(odd, 422, "256 bytes")
    packed = client.post(f"{MODEL}/infer", content=b"x", headers={"Content-Encoding": "gzip"})
    refused_abroad(packed, 415, "Content-Encoding")


def test_admin_calls_take_the_admin_key(client: TestClient) -> None:
    for call in ("load", "unload"):
        answer = client.post(f"/v2/repository/models/levels.grey/{call}")
        refused_abroad(answer, 403, "ZOO_SERVE_ADMIN_KEY")
