"""The training process: `python -m tuning.trial_child FD`, started by `tuning.trial_process`.

Orders come on the standard input, what is to be said goes to the file descriptor FD, each a line
of JSON. The process ends with its parent, however that ends: the standard input is then closed.
"""

from __future__ import annotations

import dataclasses
import gc
import json
import os
import queue
import resource
import signal
import sys
import threading
from pathlib import Path
from typing import IO, Any

from tuning.orders import Answer, Order, Outcome, Trainer, failed, perform
from zoo.errors import ZooError
from zoo.registry import load_object

_LINUX_MEMORY = Path("/proc/self/statm")


class Line:
    """The two directions to the parent."""

    def __init__(self, orders: IO[str], answers: IO[str]) -> None:
        self._heard: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._answers = answers
        threading.Thread(target=self._listen, args=(orders,), daemon=True).start()

    def hear(self) -> dict[str, Any]:
        """Waits for the parent's next message."""
        return self._heard.get()

    def say(self, **message: Any) -> None:
        """Tells the parent something."""
        try:
            self._answers.write(json.dumps(message) + "\n")
            self._answers.flush()
        except BrokenPipeError:
            os._exit(1)

    def tell(self, message: dict[str, Any]) -> Answer:
        """Tells the parent how a training goes, and waits for what it says to that."""
        self.say(**message)
        return self.hear()["answer"]

    def _listen(self, orders: IO[str]) -> None:
        # In a thread of its own, so that a parent's end is heard in the middle of an epoch too.
        for line in orders:
            self._heard.put(json.loads(line))
        os._exit(1)


def main(descriptor: int) -> None:
    """Makes a trainer as the first message says, and obeys one order after the other."""
    # Ctrl-C reaches every process of a terminal; the parent decides what becomes of this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    line = Line(sys.stdin, os.fdopen(descriptor, "w", encoding="utf-8"))
    setup = line.hear()
    try:
        trainer: Trainer = load_object(setup["factory"])(**setup["options"])
    except Exception as error:  # noqa: BLE001  Whatever it is, the parent is told.
        line.say(kind="broken", **_described(error))
        return
    line.say(kind="ready")
    while True:
        message = line.hear()
        try:
            if message["kind"] == "check":
                trainer.check(message["recipe"])
                line.say(kind="checked")
                continue
            outcome = perform(trainer, Order(**message["order"]), line.tell)
        except (OSError, ZooError) as error:
            line.say(kind="broken", **_described(error))
            continue
        except Exception as error:  # noqa: BLE001  A check may meet what a training would.
            outcome = failed(error)
            line.say(kind="broken", error="ZooError", reason=outcome.reason)
            continue
        line.say(kind="outcome", outcome=dataclasses.asdict(outcome), memory=memory())


def memory() -> int:
    """Returns the bytes of memory that this process holds."""
    gc.collect()
    if _LINUX_MEMORY.is_file():
        pages = int(_LINUX_MEMORY.read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")
    # The most it ever held, in bytes; Linux alone counts kilobytes.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _described(error: BaseException) -> dict[str, Any]:
    """Returns the class of an error, if it is one of `zoo.errors`, and its one line."""
    outcome: Outcome = failed(error)
    name = type(error).__name__ if isinstance(error, ZooError) else "ZooError"
    reason = str(error) if isinstance(error, OSError) else outcome.reason
    return {"error": name, "reason": reason}


if __name__ == "__main__":
    main(int(sys.argv[1]))
