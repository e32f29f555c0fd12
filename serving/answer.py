"""What goes out to a client, and the one shape of whatever error does.

BentoML and Starlette answer errors in shapes of their own: plain text, arrays, masked objects. The
body of an error is held back and, unless it has the shape of its path, written anew. Under the path
of a foreign protocol that is the protocol's own.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any

from starlette.types import Message, Scope, Send

from serving.errors import ClientGoneError, describe, error_body, type_of
from serving.protocols.foreign import foreign_error, is_foreign

_KEPT_HEADERS = {b"retry-after", b"allow", b"www-authenticate", b"connection"}


class Answer:
    """Passes a good answer through; collects a bad one and gives it the shape of its path.

    Args:
        scope: Of the request.
        send: To the client.
        request_id: Of the request.
        seconds: That the client has to take in a part of the answer.

    Attributes:
        status: What was answered; 499 until something is.
        error: Type of the error that was answered, None for a good answer.
        started: Whether something is out.
        broken: Whether the client did not take it in.
        sent: Bytes of the body.
    """

    def __init__(self, scope: Scope, send: Send, request_id: str, seconds: float) -> None:
        self.request_id = request_id
        self.status = ClientGoneError.status
        self.error: str | None = ClientGoneError.type
        self.started = False
        self.broken = False
        self.sent = 0
        self._head = scope["method"] == "HEAD"
        self._foreign = is_foreign(scope["path"])
        self._seconds = seconds
        self._to_client = send
        self._held: Message | None = None
        self._body = b""

    async def send(self, message: Message) -> None:
        """Takes a message of the app inside."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            if self.status >= 400:
                self._held = message
                return
            self.started, self.error = True, None
            headers = [*message["headers"], (b"x-request-id", self.request_id.encode())]
            await self._send({**message, "headers": headers})
        elif self._held is not None and message["type"] == "http.response.body":
            self._body += message.get("body", b"")
            if not message.get("more_body", False):
                await self._finish(self._held)
        else:
            await self._send(message)

    async def fail(self, error: Exception) -> None:
        """Answers an exception that nothing inside answered."""
        status, content, headers = describe(error)
        pairs = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        # A client that does not even take an error in has been given up already.
        with contextlib.suppress(ClientGoneError):
            await self._write(status, content, pairs)

    async def _finish(self, start: Message) -> None:
        content = _content(start["status"], self._body)
        kept = [(name, value) for name, value in start["headers"] if name in _KEPT_HEADERS]
        await self._write(start["status"], content, kept)

    async def _write(
        self, status: int, content: dict[str, Any], headers: list[tuple[bytes, bytes]]
    ) -> None:
        self.status, self.error, self.started = status, content["type"], True
        message = str(content["message"])
        body = foreign_error(message) if self._foreign else error_body(content, self.request_id)
        own = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"x-request-id", self.request_id.encode()),
        ]
        await self._send(
            {"type": "http.response.start", "status": status, "headers": [*headers, *own]}
        )
        await self._send({"type": "http.response.body", "body": b"" if self._head else body})

    async def _send(self, message: Message) -> None:
        """Sends a part of the answer to a client that takes it in within its time.

        Raises:
            ClientGoneError: for one that does not; its connection is given up.
        """
        try:
            async with asyncio.timeout(self._seconds):
                await self._to_client(message)
        except TimeoutError as error:
            self.broken = True
            self.status, self.error = ClientGoneError.status, ClientGoneError.type
            raise ClientGoneError("the client does not read its answer") from error
        self.sent += len(message.get("body", b""))


def _content(status: int, body: bytes) -> dict[str, Any]:
    """Finds type, message and near names in the body of an error, whoever wrote it."""
    try:
        found = json.loads(body)
    except ValueError:
        found = body.decode("utf-8", "replace").strip()[:300]
    if isinstance(found, list) and found:
        found = found[0]
    detail = None
    if isinstance(found, dict):
        detail = found.get("detail")
        found = found.get("error", detail)
    if isinstance(found, dict) and {"type", "message"} <= set(found):
        return found
    message = found if isinstance(found, str) and found else type_of(status).replace("_", " ")
    if isinstance(detail, list) and detail and isinstance(detail[0], dict):
        place = ".".join(str(part) for part in detail[0].get("loc", []))
        message = f"{place}: {detail[0].get('msg', message)}"
    return {"type": type_of(status), "message": message, "near": []}
