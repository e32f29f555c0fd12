"""One line of JSON for every request, on stderr: who asked for what, and where its time went.

A path is written as the template of its route, so nothing that a client makes up, and no key, is in
the log.
"""

from __future__ import annotations

import contextvars
import dataclasses
import json
import logging
import sys
from datetime import UTC, datetime

logger = logging.getLogger("serving.access")


@dataclasses.dataclass
class Record:
    """What the inside of the service notes about the request that it answers.

    Args:
        model: `name@version` of the model that was asked last.
        rows: Rows that models were given.
        queue_seconds: How long these waited for their turn.
    """

    model: str | None = None
    rows: int = 0
    queue_seconds: float = 0.0


RECORD: contextvars.ContextVar[Record | None] = contextvars.ContextVar("record", default=None)


def note(model: str, rows: int, queue_seconds: float) -> None:
    """Adds a model's work to the record of the current request, if there is one."""
    record = RECORD.get()
    if record is not None:
        record.model = model
        record.rows += rows
        record.queue_seconds += queue_seconds


def write(
    record: Record,
    *,
    request_id: str,
    trace_id: str | None,
    client: str | None,
    method: str,
    route: str,
    status: int,
    error: str | None,
    sent: int,
    seconds: float,
) -> None:
    """Logs one answered request.

    Args:
        record: What the inside noted.
        request_id: Its id.
        trace_id: That of its span, when there is one.
        client: Address of the other end of the connection.
        method: Such as `POST`.
        route: The template of the path.
        status: What was answered; 499 when the client had left.
        error: Type of the error that was answered.
        sent: Bytes of the answer's body.
        seconds: From the request's head to the answer's last byte.
    """
    fields = {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "id": request_id,
        "trace": trace_id,
        "client": client,
        "method": method,
        "route": route,
        "status": status,
        "error": error,
        "bytes": sent,
        "ms": round(seconds * 1000, 2),
        "model": record.model,
        "rows": record.rows or None,
        "queue_ms": round(record.queue_seconds * 1000, 2) if record.model else None,
    }
    logger.info(json.dumps({key: value for key, value in fields.items() if value is not None}))


class _Stderr(logging.Handler):
    """Writes bare lines to what is stderr when they come."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            sys.stderr.write(f"{record.getMessage()}\n")
        except OSError:
            self.handleError(record)


def open_log() -> None:
    """Sends the log to stderr, apart from all other messages. Once is enough, twice no harm."""
    if not logger.handlers:
        logger.addHandler(_Stderr())
        logger.setLevel(logging.INFO)
        logger.propagate = False
