"""Whose turn it is to compute: models share the cores one after the other."""

from __future__ import annotations

import collections
import threading
import time


class Turns:
    """A gate through which calls of models go, first come, first served.

    Each runtime uses all cores; two calls at once would only be in each other's way. A call that
    goes step by step lets the others pass between its steps, so that a long generation does not
    hold up what takes a millisecond.

    Args:
        count: Calls at once.
    """

    def __init__(self, count: int = 1) -> None:
        self._free = count
        self._lock = threading.Lock()
        self._waiting: collections.deque[threading.Event] = collections.deque()

    def __enter__(self) -> None:
        with self._lock:
            if self._free:
                self._free -= 1
                return
            turn = self._queue()
        turn.wait()

    def __exit__(self, *_: object) -> None:
        with self._lock:
            if self._waiting:
                # Handed over, so that nobody who comes just now gets it first.
                self._waiting.popleft().set()
            else:
                self._free += 1

    def pass_on(self) -> float:
        """Lets all who wait go first; called by who has a turn, and has one again after it.

        Returns:
            Seconds that it took.
        """
        with self._lock:
            if not self._waiting:
                return 0.0
            turn = self._queue()
            self._waiting.popleft().set()
        started = time.perf_counter()
        turn.wait()
        return time.perf_counter() - started

    def _queue(self) -> threading.Event:
        turn = threading.Event()
        self._waiting.append(turn)
        return turn
