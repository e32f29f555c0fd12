"""Images as server-sent events while they appear, in the shapes that OpenAI's clients read."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import time
from collections.abc import AsyncGenerator, Callable, Coroutine
from typing import Any

import numpy as np
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from serving.errors import REQUEST_ID, describe, error_body
from serving.patience import answer_in_time
from serving.pictures import encoded
from serving.schemas import GenerateAnswer
from serving.schemas.events import CompletedEvent, PartialImageEvent
from serving.watching import Watch

Draw = Callable[[Watch], Coroutine[Any, Any, GenerateAnswer]]


@dataclasses.dataclass(frozen=True)
class _Step:
    """What a request's images are expected to be after some of their steps."""

    number: int
    total: int
    preview: np.ndarray


class EventStream(StreamingResponse):
    """An answer that is sent while it is made. Who makes it watches the connection."""

    media_type = "text/event-stream"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        events = self.body_iterator
        assert isinstance(events, AsyncGenerator)
        # Left early, by a client that is gone, the events end here and not when memory is tidied.
        async with contextlib.aclosing(events):
            await self.stream_response(send)


async def stream_events(
    request: Request, deadline: float, kind: str, partial_images: int, draw: Draw
) -> EventStream:
    """Begins to draw, and returns the answer once its first event is there.

    What goes wrong until then is raised, so that it has a status of its own; after that it is an
    event `error` with the one shape of errors.

    Args:
        request: Its connection is watched; when the client leaves, the work is given up.
        deadline: Seconds for all of it.
        kind: What the types of events begin with.
        partial_images: How many times the images are sent before they are finished.
        draw: Draws, and tells the watch of its steps.

    Raises:
        ZooError: as `draw` and `answer_in_time` do.
    """
    events = _events(request, deadline, kind, partial_images, draw)
    first = await anext(events)
    headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
    return EventStream(_safely(first, events), headers=headers)


async def _safely(first: bytes, events: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    async with contextlib.aclosing(events):
        yield first
        try:
            async for event in events:
                yield event
        except Exception as error:  # noqa: BLE001 - the status is out: an event is all that tells
            _, content, _ = describe(error)
            yield _event("error", error_body(content, REQUEST_ID.get()))


async def _events(
    request: Request, deadline: float, kind: str, partial_images: int, draw: Draw
) -> AsyncGenerator[bytes]:
    loop = asyncio.get_running_loop()
    steps: asyncio.Queue[_Step | None] = asyncio.Queue()

    def on_step(number: int, total: int, preview: np.ndarray | None) -> None:
        if preview is not None:
            # The loop is closed only when the process ends.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(steps.put_nowait, _Step(number, total, preview))

    watch = Watch(previews=partial_images, on_step=on_step)
    work = asyncio.ensure_future(answer_in_time(draw(watch), deadline, request))

    def finish(done: asyncio.Future[GenerateAnswer]) -> None:
        if not done.cancelled():
            # Looked at, also where nobody waits for it any more.
            done.exception()
        steps.put_nowait(None)

    work.add_done_callback(finish)
    try:
        index = 0
        while (step := await steps.get()) is not None:
            for event in await _partial(kind, index, step):
                yield _event(event.type, event.model_dump_json(exclude_none=True).encode())
            index += 1
        for completed in _completed(kind, await work):
            yield _event(completed.type, completed.model_dump_json(exclude_none=True).encode())
    finally:
        work.cancel()


async def _partial(kind: str, index: int, step: _Step) -> list[PartialImageEvent]:
    height, width = step.preview.shape[1:3]
    return [
        PartialImageEvent.model_validate(
            {
                "type": f"{kind}.partial_image",
                "b64_json": text,
                "created_at": int(time.time()),
                "size": f"{width}x{height}",
                "image_index": number,
                "partial_image_index": index,
                "step": step.number,
                "total": step.total,
            }
        )
        for number, text in enumerate(await asyncio.to_thread(encoded, step.preview))
    ]


def _completed(kind: str, answer: GenerateAnswer) -> list[CompletedEvent]:
    return [
        CompletedEvent.model_validate(
            {
                "type": f"{kind}.completed",
                **image.model_dump(),
                "created_at": answer.created,
                "size": answer.size,
                "image_index": number,
                "model": answer.model,
            }
        )
        for number, image in enumerate(answer.data)
    ]


def _event(name: str, data: bytes) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name.encode(), data)
