"""Deadlines and clients that leave: the work behind them is withdrawn."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest
from starlette.requests import Request

from serving.batching import Batcher
from serving.errors import ClientGoneError, DeadlineError
from serving.patience import answer_in_time


def request_that_leaves(after: float) -> Request:
    async def receive() -> dict[str, Any]:
        await asyncio.sleep(after)
        return {"type": "http.disconnect"}

    return Request({"type": "http", "headers": []}, receive)


async def never(cancelled: list[bool]) -> None:
    try:
        await asyncio.sleep(30)
    except asyncio.CancelledError:
        cancelled.append(True)
        raise


def test_an_answer_in_time_is_returned() -> None:
    async def work() -> int:
        return 7

    assert asyncio.run(answer_in_time(work(), 5, request_that_leaves(30))) == 7


def test_an_error_of_the_work_is_raised() -> None:
    async def work() -> int:
        raise KeyError("inside")

    with pytest.raises(KeyError, match="inside"):
        asyncio.run(answer_in_time(work(), 5))


@pytest.mark.parametrize(
    ("deadline", "leaves", "error"), [(0.05, 30, DeadlineError), (30, 0.05, ClientGoneError)]
)
def test_what_nobody_waits_for_is_cancelled(
    deadline: float, leaves: float, error: type[Exception]
) -> None:
    cancelled: list[bool] = []

    async def run() -> None:
        with pytest.raises(error):
            await answer_in_time(never(cancelled), deadline, request_that_leaves(leaves))
        await asyncio.sleep(0)

    asyncio.run(run())
    assert cancelled == [True]


def test_a_client_that_leaves_takes_its_rows_out_of_the_queue() -> None:
    seen: list[float] = []

    async def run() -> None:
        hold = asyncio.Event()
        loop = asyncio.get_running_loop()

        def function(rows: np.ndarray) -> np.ndarray:
            asyncio.run_coroutine_threadsafe(hold.wait(), loop).result(20)
            seen.extend(rows[:, 0].tolist())
            return rows

        batcher = Batcher("toy", function, max_batch=4, max_waiting=8)

        async def ask(value: float) -> np.ndarray:
            return await asyncio.wrap_future(batcher.submit(np.full((1, 1), value, np.float32)))

        first = asyncio.create_task(ask(1))
        await asyncio.sleep(0.05)
        with pytest.raises(ClientGoneError):
            await answer_in_time(ask(2), 10, request_that_leaves(0.05))
        third = asyncio.create_task(ask(3))
        await asyncio.sleep(0.05)
        hold.set()
        await asyncio.gather(first, third)
        batcher.close()

    asyncio.run(run())
    assert seen == [1, 3]
