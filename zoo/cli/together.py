"""Training in several processes: what the command line does around one of them.

When process 0 vanishes, the runtime of the others aborts them from C++ with a stack trace, before
Python could say anything. So each trains in a child, whose last words are read by its parent.
"""

from __future__ import annotations

import logging
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable

from zoo.errors import InvalidInputError, ZooError

# How the lines begin that the runtime's logger writes when the connection to process 0 breaks.
_BROKEN = re.compile(rb"[EF]\d{4} .*(coordination_service|client\.h)|F\d{4} ")


def check(coordinator: str, processes: int, process: int) -> None:
    """Raises `InvalidInputError` unless the three name one of several processes."""
    host, _, port = coordinator.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 2**16:
        raise InvalidInputError(f"--coordinator is host:port, got {coordinator!r}")
    if not 0 <= process < processes:
        raise InvalidInputError(
            f"--process is 0 to {processes - 1} of --processes {processes}, got {process}"
        )


def train(work: Callable[[], int], coordinator: str) -> int:
    """Does the work in a child process, waits for its end, and says in one line why it broke off.

    Args:
        work: Joins the other processes, trains, and returns an exit code.
        coordinator: `host:port` of process 0, for the message.

    Returns:
        The exit code.
    """
    read, write = os.pipe()
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        os.close(read)
        os.dup2(write, 2)
        threading.Thread(target=_end_with, args=[parent], daemon=True).start()
        _leave(work)
    os.close(write)
    signal.signal(signal.SIGTERM, lambda *_: os.kill(child, signal.SIGTERM))
    # Ctrl-C reaches the child, too, which says what is kept.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _pass_on(read)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code >= 0:
        return code
    if code == -signal.SIGABRT:
        print(
            f"zoo: process 0 at {coordinator} is gone; it keeps its last epoch; "
            "start all processes again with --resume",
            file=sys.stderr,
        )
        return 2
    return 128 - code


def _leave(work: Callable[[], int]) -> None:
    """Ends this process with the work's code, at once: a usual exit would wait for all others."""
    code = 1
    try:
        code = work()
    except (ZooError, OSError) as error:
        logging.getLogger("zoo").debug("the training failed", exc_info=True)
        print(f"zoo: {error}", file=sys.stderr)
        code = 2
    except KeyboardInterrupt:
        print("\nzoo: stopped", file=sys.stderr)
        code = 130
    except BaseException:
        # Whatever it is, os._exit would end the process without a word of it.
        logging.getLogger("zoo").exception("the training failed")
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _end_with(parent: int) -> None:
    """Ends this process soon after its parent: whoever kills the one means both."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def _pass_on(source: int) -> None:
    """Copies the child's error output to this one's until the runtime begins to break down."""
    withheld: list[bytes] = []
    with os.fdopen(source, "rb") as lines:
        for line in lines:
            if line.startswith(b"zoo: ") or not (withheld or _BROKEN.match(line)):
                sys.stderr.buffer.write(line)
                sys.stderr.flush()
            else:
                withheld.append(line)
    logging.getLogger("zoo").debug("%s", b"".join(withheld).decode(errors="replace"))
