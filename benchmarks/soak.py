"""A hundred thousand requests from 64 clients, while models are unloaded and loaded again.

Every answer is compared with its own: requests ask for one to four rows, and rows whose answers
could be taken for one another are left out. A request that gets no answer is lost; one that is
told to come again does so, and is counted. After each thousand the memory of the server's largest
process is read; what the first tenth of these have is set beside what the last tenth have.

In each thousand one of the models is unloaded and loaded again while the clients go on asking.

A thousand is kept when it is done, and the command given again goes on with the rest, on another
server. When all are done the table is set aside, so that the next command begins anew.
"""

from __future__ import annotations

import asyncio
import collections
import dataclasses
import itertools
import secrets
import statistics
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

import zoo
from benchmarks.bodies import Body, OpenInference, alike, apart
from benchmarks.http_load import Connection, ask, message
from benchmarks.measure import Row
from benchmarks.points import read_points, set_aside, write_points
from benchmarks.servers import running, zoo_serve
from benchmarks.serving import MODELS, OURS, examples
from zoo import paths
from zoo.cards import Card

CLIENTS = 64
PART = 1000
_PARTS, _QUICK_PARTS = 100, 2
# Rows of a request, so that those of several come together in ever other ways.
_MOST_ROWS = 4
# How far apart answers must be that are told apart, in what runtimes may differ by.
_DISTINCT = 10.0
# Seconds that a client waits, and how often it comes again.
_PATIENCE, _TRIES = 60.0, 20


@dataclasses.dataclass(frozen=True)
class Question:
    """A request and what must come back.

    Args:
        request: As it goes over the wire.
        body: How its answer is read.
        expected: The answer.
    """

    request: bytes
    body: Body
    expected: np.ndarray


@dataclasses.dataclass(frozen=True)
class Point:
    """A thousand requests, as a line of the table of points.

    Args:
        part: The first is 0.
        began: When the server was started, in seconds since 1970, which tells servers apart.
        requests: How many were asked.
        wrong: Of these got another answer than theirs.
        lost: Of these got none.
        refused: How often one was told to come again.
        seconds: From the first request to the last answer.
        memory: Of the server's largest process afterwards, in MB.
    """

    part: int
    began: int
    requests: int
    wrong: int
    lost: int
    refused: int
    seconds: float
    memory: float


def rows(quick: bool) -> list[Row]:
    """What was wrong, lost and refused, how fast it went, and the memory at the ends."""
    name = "soak-quick" if quick else "soak"
    table = paths.home() / "benchmarks" / f"{name}.csv"
    points = measured(table, _QUICK_PARTS if quick else _PARTS)
    print(f"points in {set_aside(table)}", file=sys.stderr)
    return summary(points)


def measured(table: Path, parts: int) -> list[Point]:
    """Returns all points: those in the table as they are, the others measured and added.

    Args:
        table: Where points are kept.
        parts: How many thousands of requests.
    """
    done = read_points(table, Point)
    if len(done) >= parts:
        return done
    cards = [zoo.card(model) for model in MODELS]
    of_each = [list(questions(card)) for card in cards]
    asked = [one for together in zip(*of_each, strict=False) for one in together]
    key = secrets.token_urlsafe(24)
    surrounding = {"ZOO_SERVE_ADMIN_KEY": key, "ZOO_SERVE_ACCESS_LOG": "off"}
    with running(zoo_serve(*MODELS), environment=surrounding) as server:
        began = int(time.time())
        for part in range(len(done), parts):
            model = MODELS[part % len(MODELS)]
            before = time.perf_counter()
            counts = asyncio.run(soak(server.port, asked, PART, reload=(model, key)))
            # Never 0, of which there is no speed.
            seconds = max(round(time.perf_counter() - before, 3), 0.001)
            point = Point(part, began, PART, *counts, seconds, round(server.memory(), 2))
            done.append(point)
            write_points(table, done)
            print(_said(point), file=sys.stderr)
    return done


def questions(card: Card) -> Iterator[Question]:
    """Yields requests for one to four rows of a model, each with its answer in Keras."""
    given, expected = examples(card)
    kept = distinct(expected)
    body = OpenInference(card.name, card.input["name"])
    for start in range(len(kept)):
        places = np.take(kept, range(start, start + 1 + start % _MOST_ROWS), mode="wrap")
        yield Question(body.request(given[places]), body, expected[places])


def distinct(answers: np.ndarray) -> np.ndarray:
    """Returns the places of answers of which none can be taken for another one, in order."""
    kept: list[int] = []
    for place, answer in enumerate(answers):
        if all(apart(answer, answers[other]) > _DISTINCT for other in kept):
            kept.append(place)
    return np.asarray(kept)


async def soak(
    port: int,
    asked: Sequence[Question],
    count: int,
    clients: int = CLIENTS,
    reload: tuple[str, str] | None = None,
) -> tuple[int, int, int]:
    """Has clients ask questions, in turn, each the next one as soon as it was answered.

    Args:
        port: Of the server, on this machine.
        asked: The questions.
        count: How many are asked in all.
        clients: How many ask at a time, each over a connection of its own.
        reload: A model that is unloaded and loaded again meanwhile, and the key for that.

    Returns:
        How many answers were wrong, how many never came, and how often one had to come again.

    Raises:
        RuntimeError: when the model cannot be unloaded or loaded.
    """
    turn = itertools.islice(itertools.cycle(asked), count)
    counts: collections.Counter[str] = collections.Counter()

    async def client() -> None:
        connection = Connection(port)
        try:
            for question in turn:
                counts.update(await _outcome(connection, question))
        finally:
            connection.close()

    work = [client() for _ in range(clients)]
    if reload is not None:
        work.append(_reload(port, *reload))
    await asyncio.gather(*work)
    return counts["wrong"], counts["lost"], counts["refused"]


async def _outcome(connection: Connection, question: Question) -> dict[str, int]:
    for refused in range(_TRIES):
        try:
            answer = await asyncio.wait_for(connection.ask(question.request), _PATIENCE)
        except OSError:  # Of which TimeoutError is one.
            return {"lost": 1, "refused": refused}
        if answer.status != 503:
            right = answer.status == 200 and alike(question.body.answers(answer), question.expected)
            return {"wrong": int(not right), "refused": refused}
        await asyncio.sleep(float(answer.header("Retry-After") or 1))
    return {"lost": 1, "refused": _TRIES}


async def _reload(port: int, model: str, key: str) -> None:
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    for what in ("unload", "load"):
        path = f"/v2/repository/models/{model}/{what}"
        (await ask(port, message(path, b"{}", headers))).require_ok()


def summary(points: Iterable[Point]) -> list[Row]:
    """Rows of what came out, memory of the server that ran longest."""
    points = list(points)
    servers: dict[int, list[Point]] = {}
    for point in points:
        servers.setdefault(point.began, []).append(point)
    longest = max(servers.values(), key=len)
    tenth = max(1, len(longest) // 10)
    count = sum(point.requests for point in points)
    speeds = [point.requests / point.seconds for point in points]
    spread = (max(speeds) - min(speeds)) / 2
    what = f"soak, {CLIENTS} clients, with reloads"
    found = [
        Row(f"{what}: requests", OURS, count / 1000, "thousand", 0.0),
        Row(f"{what}: speed", OURS, statistics.median(speeds), "requests/s", spread),
    ]
    for name in ("wrong", "lost", "refused"):
        total = sum(getattr(point, name) for point in points)
        found.append(Row(f"{what}: {name}", OURS, total, "requests", 0.0))
    for end, some in (("first", longest[:tenth]), ("last", longest[-tenth:])):
        memories = [point.memory for point in some]
        half = (max(memories) - min(memories)) / 2
        found.append(
            Row(f"{what}: memory, {end} tenth", OURS, statistics.median(memories), "MB", half)
        )
    return found


def _said(point: Point) -> str:
    return (
        f"part {point.part + 1}: {point.wrong} wrong, {point.lost} lost, {point.refused} refused, "
        f"{point.requests / point.seconds:.4g} requests/s, {point.memory:.0f} MB"
    )
