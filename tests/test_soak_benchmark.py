"""The soak: what is wrong, lost and refused is counted, and what is done is kept."""

from __future__ import annotations

import asyncio
import collections
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import runtimes, soak
from benchmarks.bodies import LitServeBody, packed, unpacked
from benchmarks.points import read_points
from benchmarks.serving import MODELS
from tests.answering import answering, response

BODY = LitServeBody()


def question(value: float) -> soak.Question:
    """Asks for twice a number."""
    rows = np.full((1, 2), value, np.float32)
    return soak.Question(BODY.request(rows), BODY, 2 * rows)


def test_every_answer_is_compared_with_its_own() -> None:
    """Of 40 requests those for 3 get 4's answer, those for 5 none, those for 7 wait a moment."""
    seen: collections.Counter[float] = collections.Counter()

    async def handle(content: bytes) -> bytes | None:
        rows = unpacked(json.loads(content))
        value = float(rows[0, 0])
        seen[value] += 1
        if value == 5:
            return None
        if value == 7 and seen[value] % 2:
            return response(b"", 503, "Retry-After: 0")
        wrong = np.full_like(rows, 4)
        answer = 2 * (wrong if value == 3 else rows)
        return response(json.dumps(packed(answer)).encode())

    async def load() -> tuple[int, int, int]:
        async with answering(handle) as port:
            asked = [question(value) for value in range(1, 9)]
            return await soak.soak(port, asked, count=40, clients=4)

    assert asyncio.run(load()) == (5, 5, 5)
    assert seen[1] == 5 and seen[7] == 10


def test_a_model_is_unloaded_and_loaded_while_clients_ask() -> None:
    calls: list[bytes] = []

    async def handle(content: bytes) -> bytes:
        if content == b"{}":
            calls.append(content)
            return response(b"{}")
        return response(json.dumps(packed(2 * unpacked(json.loads(content)))).encode())

    async def load() -> tuple[int, int, int]:
        async with answering(handle) as port:
            return await soak.soak(port, [question(1)], 8, clients=2, reload=("m", "k" * 16))

    assert asyncio.run(load()) == (0, 0, 0)
    assert len(calls) == 2


def test_answers_that_could_be_taken_for_another_are_left_out() -> None:
    scores = np.array([[1, 0], [0.999, 0.001], [0.5, 0.5], [0, 1], [0.5, 0.5]], np.float32)
    assert soak.distinct(scores).tolist() == [0, 2, 3]


def test_finished_thousands_are_not_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, str]] = []

    class Running:
        port = 1

        def __enter__(self) -> Running:
            return self

        def __exit__(self, *_: Any) -> None:
            pass

        def memory(self) -> float:
            return 100.0 + len(asked)

    async def ask(_: int, __: Any, count: int, reload: tuple[str, str]) -> tuple[int, int, int]:
        if len(asked) == 3:
            raise KeyboardInterrupt
        asked.append(reload)
        return (1, 0, 2)

    def questions(_: Any) -> Iterator[soak.Question]:
        yield question(1)

    monkeypatch.setattr(soak, "soak", ask)
    monkeypatch.setattr(soak, "questions", questions)
    monkeypatch.setattr(soak, "running", lambda *_, **__: Running())
    table = tmp_path / "points.csv"
    with pytest.raises(KeyboardInterrupt):
        soak.measured(table, parts=4)
    assert [model for model, _ in asked] == [MODELS[0], MODELS[1], MODELS[0]]
    assert len(read_points(table, soak.Point)) == 3
    asked.clear()
    points = soak.measured(table, parts=4)
    assert [model for model, _ in asked] == [MODELS[1]] and len(points) == 4
    found = {row.what.rpartition(": ")[2]: row.value for row in soak.summary(points)}
    assert found["requests"] == 4 and found["wrong"] == 4 and found["refused"] == 8
    assert found["lost"] == 0


def test_memory_is_that_of_the_server_that_ran_longest() -> None:
    counts: dict[str, Any] = {"requests": 1000, "wrong": 0, "lost": 0, "refused": 0, "seconds": 2.0}
    short = [soak.Point(part, 1, memory=900.0, **counts) for part in range(5)]
    long = [soak.Point(part, 2, memory=200.0 + part, **counts) for part in range(5, 25)]
    found = {row.what.rpartition(": ")[2]: row.value for row in soak.summary([*short, *long])}
    assert found["memory, first tenth"] == 205.5
    assert found["memory, last tenth"] == 223.5
    assert found["speed"] == 500


def test_runtimes_that_are_not_installed_are_left_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(runtimes._NEEDS, "openvino", "no_such_package")
    assert "openvino" not in runtimes.installed() and "keras" in runtimes.installed()
    assert "openvino is left out: no_such_package is not installed" in capsys.readouterr().err


def test_rows_for_runtimes_are_such_as_the_models_take() -> None:
    import zoo

    for name in runtimes.SERVED:
        card = zoo.card(name)
        given = runtimes.example(card, 3)
        assert given.shape == (3, *card.input["shape"]) and given.dtype == np.float32
        assert (given.min() < 0) == (card.task == "generation")
