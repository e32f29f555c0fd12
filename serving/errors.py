"""One shape for every error, and the status of each.

{"error": {"type": "unknown_model", "message": "…", "request_id": "…", "near": ["…"]}}
"""

from __future__ import annotations

import contextvars
import http
import json
import logging
from typing import Any

from zoo.errors import InvalidInputError, UnknownModelError, ZooError

logger = logging.getLogger("serving")

# The id of the request that is being answered, for the log.
REQUEST_ID: contextvars.ContextVar[str] = contextvars.ContextVar("request_id", default="-")

# What is left of a body is not read, and nothing more is taken on this connection.
_LAST = {"Connection": "close"}

MASKED = "the server could not answer; its log has the cause under this request id"


class RequestError(ZooError):
    """A request that is refused before any model sees it."""

    status = 400
    type = "malformed_request"

    def __init__(self, message: str, near: list[str] | None = None) -> None:
        super().__init__(message)
        self.near = near or []
        self.headers: dict[str, str] = {}


class MalformedRequestError(RequestError):
    """A body that cannot be read as what it claims to be, or lacks a field."""


class UnauthorizedError(RequestError):
    """A request without a key, or with one that is not known."""

    status = 401
    type = "unauthorized"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.headers = {"WWW-Authenticate": "Bearer"}


class ForbiddenError(RequestError):
    """What takes another key than the one that came, or that this server does not do."""

    status = 403
    type = "forbidden"


class UnknownJobError(RequestError):
    """A job that is not here, or no more."""

    status = 404
    type = "unknown_job"


class SlowBodyError(RequestError):
    """A body that did not come in time."""

    status = 408
    type = "request_timeout"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.headers = _LAST


class ConflictError(RequestError):
    """What cannot be done in the state that something is in."""

    status = 409
    type = "conflict"


class JobStateError(ConflictError):
    """A result of a job that has none, or none yet."""


class BodyTooLargeError(RequestError):
    """A body over the limit."""

    status = 413
    type = "body_too_large"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.headers = _LAST


class UnsupportedMediaTypeError(RequestError):
    """A content type that the path does not take."""

    status = 415
    type = "unsupported_media_type"


class ClientGoneError(RequestError):
    """The client closed the connection; nobody reads this answer, the log does."""

    status = 499
    type = "client_gone"


class BusyError(RequestError):
    """A full queue."""

    status = 503
    type = "busy"

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.headers = {"Retry-After": str(retry_after)}


class StoppingError(RequestError):
    """A request to a server that ends; another one, or the next, will answer it."""

    status = 503
    type = "service_unavailable"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.headers = {**_LAST, "Retry-After": "1"}


class DeadlineError(RequestError):
    """A request that took too long and was given up."""

    status = 504
    type = "deadline_exceeded"


def status_of(error: Exception) -> int:
    """Returns the HTTP status of an error."""
    if isinstance(error, RequestError):
        return error.status
    if isinstance(error, UnknownModelError):
        return 404
    return 422 if isinstance(error, InvalidInputError) else 500


def type_of(status: int) -> str:
    """Returns the error type of a bare status: 405 is `method_not_allowed`."""
    names = {400: MalformedRequestError.type, 413: BodyTooLargeError.type, 422: "invalid_input"}
    if status in names:
        return names[status]
    try:
        return http.HTTPStatus(status).phrase.lower().replace(" ", "_")
    except ValueError:
        return "error"


def describe(error: Exception) -> tuple[int, dict[str, Any], dict[str, str]]:
    """Returns status, the inner error object without its request id, and headers.

    What is not the client's doing is logged with its traceback and masked.
    """
    status = status_of(error)
    near = list(getattr(error, "near", []))
    if isinstance(error, RequestError):
        kind, headers = error.type, error.headers
    else:
        kind = "unknown_model" if status == 404 else type_of(status)
        headers = {}
    if status == 500:
        logger.error("request %s failed: %s", REQUEST_ID.get(), error, exc_info=error)
        return 500, {"type": "internal_server_error", "message": MASKED, "near": []}, {}
    # One line, and no half of a surrogate pair, which JSON lets in and UTF-8 does not let out.
    message = " ".join(str(error).encode("utf-8", "replace").decode().split())
    return status, {"type": kind, "message": message, "near": near}, headers


def error_body(content: dict[str, Any], request_id: str) -> bytes:
    """Encodes the one shape."""
    ordered = {
        "type": content["type"],
        "message": content["message"],
        "request_id": request_id,
        "near": content.get("near", []),
    }
    return json.dumps({"error": ordered}, ensure_ascii=False).encode()
