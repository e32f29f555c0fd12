"""HTTP requests a second against a real server, beside a raw loop over the same function."""

from __future__ import annotations

import http.client
import json
import threading

import numpy as np

import zoo
from benchmarks.measure import Row, interleave, rates
from benchmarks.servers import running, zoo_serve
from zoo.data import is_prepared, load
from zoo.pipelines import Classifier

MODEL = "resnet20.fashion_mnist"


def rows(quick: bool) -> list[Row]:
    """One image a request as a nested list, from 1 and from 16 clients."""
    count = 64 if quick else 512
    classifier = zoo.load(MODEL)
    assert isinstance(classifier, Classifier)
    images = test_images(count)
    bodies = [
        json.dumps({"model": MODEL, "images": [image[..., 0].tolist()]}).encode()
        for image in images
    ]
    given = classifier.rows(images)

    def raw_loop() -> None:
        for row in given:
            classifier.run(row[None])

    with running(zoo_serve(MODEL)) as server:
        sides = {
            "raw loop, one image a call": raw_loop,
            "HTTP, 1 client": lambda: _send(server.port, bodies, clients=1),
            "HTTP, 16 clients": lambda: _send(server.port, bodies, clients=16),
        }
        seconds = interleave(sides, repeats=3 if quick else 5)
    return rates(f"classify, {MODEL}", seconds, count, "requests/s")


def test_images(count: int) -> np.ndarray:
    """Returns test images of fashion_mnist, uint8 (n, 28, 28, 1); noise where there are none."""
    if is_prepared("fashion_mnist"):
        return load("fashion_mnist", "test")["image"][:count]
    return np.random.default_rng(0).integers(0, 256, (count, 28, 28, 1)).astype("uint8")


def _send(port: int, bodies: list[bytes], clients: int) -> None:
    """Sends every body once, shared among clients with one connection each."""
    failures: list[str] = []

    def client(part: list[bytes]) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        for body in part:
            connection.request("POST", "/v1/classify", body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            text = answer.read()
            if answer.status != 200:
                failures.append(f"{answer.status} {text[:200]!r}")
        connection.close()

    threads = [threading.Thread(target=client, args=(bodies[i::clients],)) for i in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise RuntimeError(f"{len(failures)} requests failed, the first with {failures[0]}")
