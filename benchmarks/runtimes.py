"""What each runtime costs: milliseconds a batch, the server's start, and its memory.

Batches are timed in one process, in turns. For the rest the server is started on each runtime with
five models, and every one of them is asked once: how long it takes from the start to the first
answer, and what its largest process holds after the last. One start that does not count comes
first: it makes exports, and on `auto` the measurement that chooses. A runtime that is not installed
is left out.
"""

from __future__ import annotations

import asyncio
import importlib.util
import statistics
import sys
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

import zoo
from benchmarks.bodies import OpenInference
from benchmarks.http_load import ask
from benchmarks.measure import Row, durations, interleave
from benchmarks.servers import running, zoo_serve
from zoo.cards import Card
from zoo.errors import InvalidInputError

# The table has a column for each.
SIDE_BY_SIDE = True
TIMED = ("resnet20.fashion_mnist", "dcgan.fashion_mnist")
# Those that the server has in memory at a time.
SERVED = (
    "resnet20.fashion_mnist",
    "speednet.fashion_mnist",
    "lenet5.mnist",
    "dcgan.fashion_mnist",
    "gan.mnist",
)
BATCHES = (1, 8, 32)
# Each needs one package beside the project's own.
_NEEDS = {
    "keras": "keras",
    "saved_model": "tensorflow",
    "onnx": "onnxruntime",
    "openvino": "openvino",
    "auto": "keras",
}
_INT8 = "openvino, int8"


def rows(quick: bool) -> list[Row]:
    """Batches of both models on every runtime, then the server's start and memory on each."""
    runtimes = installed()
    found: list[Row] = []
    for name in TIMED:
        found += batch_rows(zoo.card(name), runtimes, repeats=5 if quick else 31)
    for runtime in runtimes:
        found += server_rows(runtime, repeats=1 if quick else 3)
    return found


def installed() -> list[str]:
    """Returns the runtimes whose packages are here."""
    found = [name for name, needs in _NEEDS.items() if importlib.util.find_spec(needs)]
    for name in _NEEDS.keys() - set(found):
        print(f"{name} is left out: {_NEEDS[name]} is not installed", file=sys.stderr)
    return found


def batch_rows(card: Card, runtimes: list[str], repeats: int) -> list[Row]:
    """Rows of milliseconds a batch, of each size on each runtime."""
    name = f"{card.name}@{card.version}"
    pipelines: dict[str, Any] = {one: zoo.load(name, runtime=one) for one in runtimes}
    if card.task == "classification" and "openvino" in runtimes:
        try:
            pipelines[_INT8] = zoo.load(name, runtime="openvino", precision="int8")
        except InvalidInputError as error:
            # Offered only where it loses little; the message says how much it does.
            print(f"{name}: {error}", file=sys.stderr)
    found = []
    for batch in BATCHES:
        given = example(card, batch)
        sides = {
            side: lambda pipeline=pipeline, given=given: pipeline.run(given)
            for side, pipeline in pipelines.items()
        }
        found += durations(f"{card.name}, batch {batch}", interleave(sides, repeats, warmups=3))
    return found


def server_rows(runtime: str, repeats: int) -> list[Row]:
    """Rows of the server's start and of its memory with all of `SERVED`, on one runtime."""
    served(runtime)
    firsts, memories = zip(*(served(runtime) for _ in range(repeats)), strict=True)
    return [
        Row(
            f"{len(SERVED)} models, {what}", runtime, statistics.median(values), unit, _half(values)
        )
        for what, values, unit in (
            ("from start to first answer", firsts, "s"),
            ("memory of the largest process", memories, "MB"),
        )
    ]


def served(runtime: str) -> tuple[float, float]:
    """Starts the server and asks each model once.

    Returns:
        Seconds to the first answer, and MB after the last.

    Raises:
        RuntimeError: when it does not start, or answers an error.
    """
    cards = [zoo.card(name) for name in SERVED]
    asked = [OpenInference(card.name, card.input["name"]).request(example(card)) for card in cards]
    # The start that does not count makes exports, which takes its time.
    surrounding = {"ZOO_SERVE_RUNTIME": runtime, "ZOO_SERVE_DEADLINE": "600"}
    with running(zoo_serve(*SERVED), environment=surrounding) as server:
        asyncio.run(ask(server.port, asked[0])).require_ok()
        first = time.perf_counter() - server.began
        for request in asked[1:]:
            asyncio.run(ask(server.port, request)).require_ok()
        return first, server.memory()


def example(card: Card, n: int = 1) -> np.ndarray:
    """Returns rows that a model takes, float32 (n, …): pixels, or latents."""
    rng = np.random.default_rng(0)
    shape = (n, *card.input["shape"])
    drawn = rng.standard_normal(shape) if card.task == "generation" else rng.uniform(0, 255, shape)
    return drawn.astype(np.float32)


def _half(values: Sequence[float]) -> float:
    return (max(values) - min(values)) / 2
