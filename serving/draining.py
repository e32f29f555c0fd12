"""Stopping without losing an answer.

The first signal to stop comes here: the server goes on listening, new work is refused with 503, as
is the probe of readiness, and what runs has its time to finish. Then the web server gets the
signal.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

logger = logging.getLogger("serving")

_Handler = Callable[[int, FrameType | None], Any]


class Draining:
    """Counts what runs, and waits for it when the process is to stop.

    Args:
        seconds: How long it waits; what still runs then is cancelled.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.stopping = False
        self.over = False
        self._running: set[asyncio.Task[Any]] = set()
        self._waiting: asyncio.Task[None] | None = None

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Counts the current task as one that is waited for."""
        task = asyncio.current_task()
        assert task is not None, "only a coroutine can be waited for"
        self._running.add(task)
        try:
            yield
        finally:
            self._running.discard(task)

    def listen(self) -> None:
        """Steps in front of the signal handlers of the web server, where there is one.

        To be called when the server starts, in its loop. In a thread, as under a test's client, no
        signal arrives.
        """
        if threading.current_thread() is not threading.main_thread():
            return
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            server = signal.getsignal(number)
            # Python's own handlers end the process, and nobody would then wait for anything.
            if callable(server) and server is not signal.default_int_handler:
                signal.signal(number, functools.partial(self._signalled, loop, server))

    def begin(self, stop: Callable[[], Any]) -> None:
        """Refuses new work from now on, and calls `stop` when none is left or the time is over."""
        self.stopping = True
        self._waiting = asyncio.ensure_future(self._finish(stop))

    def _signalled(
        self,
        loop: asyncio.AbstractEventLoop,
        server: _Handler,
        number: int,
        frame: FrameType | None,
    ) -> None:
        if not self.stopping:
            self.stopping = True
            # The handler runs between any two instructions; the loop's own turn is the safe place.
            loop.call_soon_threadsafe(self.begin, functools.partial(server, number, frame))
        elif number == signal.SIGINT:
            # Ctrl-C again, by somebody who does not want to wait. TERM often follows INT by itself.
            self.over = True
            server(number, frame)

    async def _finish(self, stop: Callable[[], Any]) -> None:
        logger.info("stopping; %d requests have %g s", len(self._running), self.seconds)
        end = time.monotonic() + self.seconds
        while self._running and (left := end - time.monotonic()) > 0:
            await asyncio.wait(set(self._running), timeout=left)
        self.over = True
        for task in self._running:
            task.cancel()
        stop()
