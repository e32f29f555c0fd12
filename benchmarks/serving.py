"""MLPerf's scenarios over HTTP: one client, arrivals by chance, and batches of 32.

They are those of Reddi et al. 2020 ("MLPerf Inference Benchmark", section III-C), each asked of
one server after the other, in turns, with the very same rows:

- single stream: one client asks for one image, again and again; median and 90th percentile.
- server: single images at times of a Poisson process; the most requests a second of which 99% are
  answered within 50 ms, counted from when each was due, and within 5% of where they no longer are.
- offline: batches of 32, four of them on their way at a time; images a second.

Beside this project's server stand a loop over the same function in one process, without HTTP; the
BentoML service that one would write first; and LitServe, where it is installed, around the same
function, with one request in a call and with up to 32. Servers run as they come, on the same cores
as the client. Each answer that counts is a 200, and before anything is timed a side has answered
all rows right, alone and in batches.

A turn of a side is kept when it is done, and the command given again goes on with the rest. When
all are done the table is set aside, so that the next command begins anew.
"""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import importlib.util
import math
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import zoo
from benchmarks.bodies import Body, LitServeBody, NaiveBody, OpenInference, alike
from benchmarks.http_load import ask, closed_loop, keeps, open_loop
from benchmarks.measure import Row
from benchmarks.points import key_of, read_points, set_aside, write_points
from benchmarks.requests import test_images
from benchmarks.servers import bentoml_serve, running, zoo_serve
from zoo import paths
from zoo.cards import Card

# The table has a column for each.
SIDE_BY_SIDE = True
MODELS = ("resnet20.fashion_mnist", "dcgan.fashion_mnist")
# Seconds within which 99% of the answers must come in the server scenario.
BOUND = 0.05
BATCH = 32
# Batches on their way at a time: one is computed while others are read, written and sent.
CLIENTS = 4
LOOP = "a loop without HTTP"
OURS = "zoo serve"
NAIVE = "BentoML, written first"
LITSERVE = "LitServe"
LITSERVE_BATCHES = "LitServe, up to 32 requests a call"
_TURNS = 3
_SECONDS = 10.0
_EXAMPLES = 256
_PRECISION = 1.05


@dataclasses.dataclass(frozen=True)
class Side:
    """A server that is measured.

    Args:
        command: What starts it.
        body: What it is sent and how it answers.
        ready: A path that answers 200 when it is ready.
        environment: Variables that it reads.
    """

    command: Sequence[str]
    body: Body
    ready: str = "/readyz"
    environment: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Point:
    """One turn of a side, as a line of the table of points.

    Args:
        model: `name@version`.
        side: Whose it is.
        turn: The first is 0.
        median: Of single stream, in ms.
        percentile: The 90th, of single stream, in ms.
        rate: Of the server scenario, requests a second; not a number for what is no server.
        offline: Images a second.
        first: Seconds from the start of the server to its first answer.
        memory: Of its largest process, in MB.
    """

    model: str
    side: str
    turn: int
    median: float = math.nan
    percentile: float = math.nan
    rate: float = math.nan
    offline: float = math.nan
    first: float = math.nan
    memory: float = math.nan


# What a line of the report is called, with its unit.
_LINES = {
    "median": ("single stream, median", "ms"),
    "percentile": ("single stream, 90th percentile", "ms"),
    "rate": ("server, 99% within 50 ms", "requests/s"),
    "offline": ("offline, batches of 32", "images/s"),
    "first": ("from start to first answer", "s"),
    "memory": ("memory of the largest process", "MB"),
}


def rows(quick: bool) -> list[Row]:
    """Every scenario of both models, on each side."""
    name = "serving-quick" if quick else "serving"
    table = paths.home() / "benchmarks" / f"{name}.csv"
    points = measured(table, MODELS, 1 if quick else _TURNS, 1.0 if quick else _SECONDS)
    print(f"points in {set_aside(table)}", file=sys.stderr)
    return summary(points)


def measured(table: Path, models: Iterable[str], turns: int, seconds: float) -> list[Point]:
    """Returns all points: those in the table as they are, the others measured and added.

    Args:
        table: Where points are kept.
        models: Names of stored models.
        turns: How often each side is measured.
        seconds: For how long it is asked in each scenario, and at each rate.
    """
    done = {key_of(point): point for point in read_points(table, Point)}
    cards = [zoo.card(model) for model in models]
    for turn in range(turns):
        for card in cards:
            for side in (LOOP, *sides(card)):
                key = (f"{card.name}@{card.version}", side, turn)
                if key in done:
                    continue
                found = measure(card, side, seconds)
                rounded: dict[str, Any] = {name: round(found[name], 4) for name in found}
                done[key] = Point(*key, **rounded)
                write_points(table, done.values())
                print(_said(done[key]), file=sys.stderr)
    return list(done.values())


def sides(card: Card) -> dict[str, Side]:
    """Returns the servers that a model is measured on, by name."""
    model = f"{card.name}@{card.version}"
    found = {
        OURS: Side(zoo_serve(card.name), OpenInference(card.name, card.input["name"])),
        NAIVE: Side(
            bentoml_serve("benchmarks.naive_service:Naive"),
            NaiveBody(card.task),
            environment={"NAIVE_MODEL": model},
        ),
    }
    if not _has_litserve():
        return found
    for side, largest in ((LITSERVE, 1), (LITSERVE_BATCHES, BATCH)):
        command = [sys.executable, "-m", "benchmarks.litserve_service", model, str(largest)]
        found[side] = Side([*command, "{port}"], LitServeBody(), "/health")
    return found


def measure(card: Card, side: str, seconds: float) -> dict[str, float]:
    """Measures one turn of a side; the names are those of `Point`.

    Raises:
        RuntimeError: when a server does not start, answers an error, or answers wrong.
    """
    given, expected = examples(card)
    if side == LOOP:
        return measure_loop(f"{card.name}@{card.version}", given, seconds)
    server = sides(card)[side]
    return measure_server(server, given, expected, seconds)


def examples(card: Card) -> tuple[np.ndarray, np.ndarray]:
    """Returns rows that a model takes, and what it makes of them in Keras."""
    pipeline: Any = zoo.load(f"{card.name}@{card.version}")
    of_generator = card.task == "generation"
    given = pipeline.rows(_EXAMPLES if of_generator else test_images(_EXAMPLES))
    return given, pipeline.run(given)


def measure_loop(model: str, given: np.ndarray, seconds: float) -> dict[str, float]:
    """Measures a loop over the function that the server calls, in this process."""
    run = zoo.load(model, runtime="auto").run
    single = list(given[:, None])
    batches = np.split(given, len(given) // BATCH)
    for some in (single[0], *batches):
        run(some)
    took = _looped(run, single, seconds)
    together = _looped(run, batches, seconds)
    return {
        **_stream(took),
        "rate": math.nan,
        "offline": BATCH * len(together) / sum(together),
    }


def measure_server(
    side: Side, given: np.ndarray, expected: np.ndarray, seconds: float
) -> dict[str, float]:
    """Starts a server, has it answer all rows, then measures each scenario.

    Args:
        side: The server.
        given: Rows (n, …), n a multiple of 32.
        expected: What it must answer to them, as `alike` compares them.
        seconds: As for `measured`.

    Raises:
        RuntimeError: as for `measure`.
    """
    single = [side.body.request(row) for row in given[:, None]]
    parts = len(given) // BATCH
    batches = [side.body.request(part) for part in np.split(given, parts)]
    with running(side.command, side.ready, side.environment) as server:
        answer = asyncio.run(ask(server.port, single[0]))
        answer.require_ok()
        first = time.perf_counter() - server.began
        asyncio.run(check(server.port, side.body, single, expected[:, None]))
        asyncio.run(check(server.port, side.body, batches, np.split(expected, parts)))
        took, _ = asyncio.run(closed_loop(server.port, single, 1, seconds))

        def holds(rate: float) -> bool:
            return asyncio.run(_holds(server.port, single, rate, seconds))

        rate = largest_rate(holds, 0.5 / statistics.median(took))
        done, wall = asyncio.run(closed_loop(server.port, batches, CLIENTS, seconds))
        return {
            **_stream(took),
            "rate": rate,
            "offline": BATCH * len(done) / wall,
            "first": first,
            "memory": server.memory(),
        }


async def check(
    port: int, body: Body, requests: Sequence[bytes], expected: Iterable[np.ndarray]
) -> None:
    """Has a server answer requests one by one.

    Raises:
        RuntimeError: for an answer that is not the one expected.
    """
    for index, (request, wanted) in enumerate(zip(requests, expected, strict=True)):
        answer = await ask(port, request)
        answer.require_ok()
        if not alike(body.answers(answer), wanted):
            raise RuntimeError(f"the answer to request {index} is wrong: {answer.body[:200]!r}")


def largest_rate(holds: Callable[[float], bool], start: float) -> float:
    """Finds the largest rate that holds, at most 5% below where it no longer does.

    Args:
        holds: Whether a rate does, in requests a second.
        start: Where the search begins, by doubling or halving.

    Returns:
        The rate; 0 when none of 1/s or more holds.
    """
    low = start
    if holds(low):
        while holds(2 * low):
            low *= 2
        high = 2 * low
    else:
        high, low = low, low / 2
        while not holds(low):
            high, low = low, low / 2
            if high < 1:
                return 0.0
    while high / low > _PRECISION:
        middle = math.sqrt(low * high)
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


def summary(points: Iterable[Point]) -> list[Row]:
    """Rows of each scenario: the median of the turns, and half of what lies between them."""
    groups: dict[tuple[str, str], list[Point]] = {}
    for point in points:
        groups.setdefault((point.model, point.side), []).append(point)
    found = []
    for name, (what, unit) in _LINES.items():
        for (model, side), turns in groups.items():
            values = [value for turn in turns if not math.isnan(value := getattr(turn, name))]
            if values:
                half = (max(values) - min(values)) / 2
                title = f"{model}: {what}"
                found.append(Row(title, side, statistics.median(values), unit, half))
    return sorted(found, key=lambda row: row.what.partition(":")[0])


@functools.cache
def _has_litserve() -> bool:
    found = importlib.util.find_spec("litserve") is not None
    if not found:
        print("LitServe is left out: it is not installed", file=sys.stderr)
    return found


async def _holds(port: int, requests: Sequence[bytes], rate: float, seconds: float) -> bool:
    # What an overload has left in its queues is none of the next rate's business.
    while (await ask(port, requests[0])).status != 200:
        await asyncio.sleep(0.1)
    return keeps(await open_loop(port, requests, rate, seconds, BOUND), BOUND)


def _looped(
    run: Callable[[np.ndarray], Any], given: Sequence[np.ndarray], seconds: float
) -> list[float]:
    took: list[float] = []
    began = before = time.perf_counter()
    while before - began < seconds:
        run(given[len(took) % len(given)])
        now = time.perf_counter()
        took.append(now - before)
        before = now
    return took


def _stream(took: Sequence[float]) -> dict[str, float]:
    median, percentile = np.quantile(took, [0.5, 0.9])
    return {"median": 1000 * float(median), "percentile": 1000 * float(percentile)}


def _said(point: Point) -> str:
    return (
        f"{point.model}, {point.side}, turn {point.turn + 1}: {point.median:.3g} ms, "
        f"{point.rate:.4g} requests/s, {point.offline:.4g} images/s"
    )
