"""Rows to requests and answers to rows, in the way of each server that is measured.

All that is measured sends rows as a network takes them, and each side the cheapest body that it
has: the Open Inference Protocol with its binary extension here, what BentoML's arrays are in JSON,
and base64 of the array's bytes in LitServe's JSON.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import math
from typing import Any, Protocol

import numpy as np

from benchmarks.http_load import Answer, message
from zoo.latents import to_pixels

# How far the scores of two runtimes may be apart; images may by the rounding to whole grey levels.
SCORES_APART, LEVELS_APART = 1e-3, 1.0

_JSON = {"Content-Type": "application/json"}
_BINARY = {"FP32": "<f4", "FP64": "<f8", "UINT8": "u1"}


class Body(Protocol):
    """What a side sends and gets."""

    def request(self, rows: np.ndarray) -> bytes:
        """Returns the request for float32 rows (n, …)."""

    def answers(self, answer: Answer) -> np.ndarray:
        """Returns scores (n, classes), or pixels, (n, height, width, channels), 0 to 255."""


@dataclasses.dataclass(frozen=True)
class OpenInference:
    """The Open Inference Protocol V2, rows and answers as bytes behind the JSON.

    Args:
        model: Name of the model.
        input: What its input is called.
    """

    model: str
    input: str

    def request(self, rows: np.ndarray) -> bytes:
        rows = rows.astype("<f4")
        given = {"name": self.input, "shape": list(rows.shape), "datatype": "FP32"}
        said = {
            "inputs": [{**given, "parameters": {"binary_data_size": rows.nbytes}}],
            "parameters": {"binary_data_output": True},
        }
        head = json.dumps(said).encode()
        headers = {
            "Content-Type": "application/octet-stream",
            "Inference-Header-Content-Length": str(len(head)),
        }
        return message(f"/v2/models/{self.model}/infer", head + rows.tobytes(), headers)

    def answers(self, answer: Answer) -> np.ndarray:
        length = int(answer.header("Inference-Header-Content-Length"))
        first = json.loads(answer.body[:length])["outputs"][0]
        shape, kind = first["shape"], _BINARY[first["datatype"]]
        values = np.frombuffer(answer.body, kind, math.prod(shape), offset=length)
        return values.reshape(shape)


@dataclasses.dataclass(frozen=True)
class NaiveBody:
    """BentoML's way with one array: nested lists in JSON, both ways.

    Args:
        task: Of the model. The service answers as the network does, with logits or with images in
            [-1, 1]; what is made of them here costs it nothing.
    """

    task: str

    def request(self, rows: np.ndarray) -> bytes:
        return message("/predict", json.dumps({"rows": rows.tolist()}).encode(), _JSON)

    def answers(self, answer: Answer) -> np.ndarray:
        outputs = np.asarray(json.loads(answer.body), np.float32)
        if self.task == "generation":
            return to_pixels(outputs)
        scores = np.exp(outputs - outputs.max(axis=-1, keepdims=True))
        return scores / scores.sum(axis=-1, keepdims=True)


class LitServeBody:
    """JSON of a shape and of base64 of the bytes, both ways."""

    def request(self, rows: np.ndarray) -> bytes:
        return message("/predict", json.dumps(packed(rows.astype("<f4"))).encode(), _JSON)

    def answers(self, answer: Answer) -> np.ndarray:
        return unpacked(json.loads(answer.body))


def packed(array: np.ndarray) -> dict[str, Any]:
    """Returns an array as JSON has it."""
    content = base64.b64encode(array.tobytes()).decode()
    return {"shape": list(array.shape), "dtype": array.dtype.str, "content": content}


def unpacked(said: dict[str, Any]) -> np.ndarray:
    """Returns the array of which `packed` made JSON."""
    content = base64.b64decode(said["content"])
    return np.frombuffer(content, said["dtype"]).reshape(said["shape"])


def apart(found: np.ndarray, expected: np.ndarray) -> float:
    """Returns how far apart answers are where they differ most, in what runtimes may differ by."""
    if found.shape != expected.shape:
        return math.inf
    allowed = LEVELS_APART if expected.dtype == np.uint8 else SCORES_APART
    return float(np.abs(found.astype("float32") - expected.astype("float32")).max()) / allowed


def alike(found: np.ndarray, expected: np.ndarray) -> bool:
    """Returns whether answers are those expected, as far as runtimes round differently."""
    return apart(found, expected) <= 1.0
