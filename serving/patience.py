"""Waiting for an answer no longer than somebody wants it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.requests import Request

from serving.errors import ClientGoneError, DeadlineError

Answer = TypeVar("Answer")


async def answer_in_time(
    work: Coroutine[Any, Any, Answer], deadline: float, request: Request | None = None
) -> Answer:
    """Returns what `work` returns; cancels it at the deadline or when the client leaves.

    Args:
        work: The coroutine; cancelling it takes its rows out of the queue, or stops their sampling
            at its next step.
        deadline: Seconds.
        request: The request whose connection is watched. Its body must have been read.

    Raises:
        DeadlineError, ClientGoneError.
    """
    task = asyncio.ensure_future(work)
    waits: set[asyncio.Future[Any]] = {task}
    if request is not None:
        waits.add(asyncio.ensure_future(_disconnect(request)))
    try:
        done, _ = await asyncio.wait(waits, timeout=deadline, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
    if task in done:
        return task.result()
    if done:
        raise ClientGoneError("the client closed the connection")
    raise DeadlineError(f"no answer within {deadline:g} seconds; the request was given up")


async def _disconnect(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        continue
