"""Pictures for requests, and what answers hold."""

from __future__ import annotations

import base64
import io
import json
from typing import Any

import httpx2
import numpy as np
from PIL import Image


def png(level: int, size: tuple[int, int] = (8, 8)) -> bytes:
    """A grey picture."""
    return encoded(Image.new("L", size, level))


def encoded(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG")
    return buffer.getvalue()


def text(content: bytes) -> str:
    return base64.b64encode(content).decode()


def pixels(item: dict[str, Any]) -> np.ndarray:
    """What an answered image shows."""
    picture = Image.open(io.BytesIO(base64.b64decode(item["b64_json"])))
    assert picture.format == "PNG"
    return np.asarray(picture)


def answered(answer: httpx2.Response, status: int = 200) -> Any:
    """The JSON of an answer of this status."""
    assert answer.status_code == status, answer.text
    return answer.json()


def refused(answer: httpx2.Response, status: int, words: str = "") -> dict[str, Any]:
    """Checks an error of our own shape, and returns its inside."""
    error: dict[str, Any] = answered(answer, status)["error"]
    assert set(error) == {"type", "message", "request_id", "near"}
    assert words in error["message"], error["message"]
    return error


def refused_abroad(answer: httpx2.Response, status: int, words: str = "") -> None:
    """Checks an error of another protocol's shape; our request's id is in the header."""
    (name, message), *more = answered(answer, status).items()
    assert name == "error" and not more
    assert words in message, message
    assert answer.headers["x-request-id"]


def events(answer: httpx2.Response) -> list[tuple[str, dict[str, Any]]]:
    """The names and data of server-sent events, as the HTML standard says to read them."""
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/event-stream")
    found = []
    for block in answer.text.split("\n\n")[:-1]:
        fields = dict(line.split(": ", 1) for line in block.split("\n"))
        assert set(fields) == {"event", "data"}
        found.append((fields["event"], json.loads(fields["data"])))
    return found
