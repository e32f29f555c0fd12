"""Around every request: its id, its count, and one shape for whatever error comes out.

BentoML and Starlette answer errors in shapes of their own: plain text, arrays, masked objects.
The envelope holds back the body of an error and, unless it has the one shape, writes it anew.
"""

from __future__ import annotations

import json
import re
import time
import uuid
from typing import Any

from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.errors import REQUEST_ID, ClientGoneError, describe, error_body, type_of
from serving.metrics import Metrics

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")
_PLAIN_ROUTES = {"/livez", "/readyz", "/healthz", "/schema.json", "/classify", "/generate"}
_KEPT_HEADERS = {b"retry-after", b"allow", b"www-authenticate"}


class Envelope:
    """ASGI middleware; the outermost one of this project.

    Args:
        app: What is inside.
        metrics: Where requests are counted.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = _request_id(scope)
        REQUEST_ID.set(request_id)
        answer = _Answer(scope, send, request_id)
        started = time.perf_counter()
        try:
            await self.app(scope, receive, answer.send)
        except Exception as error:
            if answer.started:
                # Half an answer is out: breaking the connection is all that still tells of it.
                raise
            await answer.fail(error)
        finally:
            seconds = time.perf_counter() - started
            self._metrics.request(scope["method"], _route(scope), answer.status, seconds)


class Catch:
    """ASGI middleware inside the app: exceptions that no handler knows become answers there.

    Starlette would answer them too, and then raise them again to whoever runs the app.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def note(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self.app(scope, receive, note)
        except ClientDisconnect:
            status, content, headers = describe(ClientGoneError("the client left"))
        except Exception as error:
            if started or scope["type"] != "http":
                raise
            status, content, headers = describe(error)
        else:
            return
        await JSONResponse({"error": content}, status, headers)(scope, receive, send)


class _Answer:
    """Passes a good answer through; collects a bad one and gives it the one shape."""

    def __init__(self, scope: Scope, send: Send, request_id: str) -> None:
        self.status = ClientGoneError.status
        self.started = False
        self._head = scope["method"] == "HEAD"
        self._send = send
        self._request_id = request_id
        self._held: Message | None = None
        self._body = b""

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            if self.status >= 400:
                self._held = message
                return
            self.started = True
            headers = [*message["headers"], (b"x-request-id", self._request_id.encode())]
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
        await self._write(status, content, pairs)

    async def _finish(self, start: Message) -> None:
        content = _content(start["status"], self._body)
        kept = [(name, value) for name, value in start["headers"] if name in _KEPT_HEADERS]
        await self._write(start["status"], content, kept)

    async def _write(
        self, status: int, content: dict[str, Any], headers: list[tuple[bytes, bytes]]
    ) -> None:
        self.status, self.started = status, True
        body = error_body(content, self._request_id)
        own = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"x-request-id", self._request_id.encode()),
        ]
        await self._send(
            {"type": "http.response.start", "status": status, "headers": [*headers, *own]}
        )
        await self._send({"type": "http.response.body", "body": b"" if self._head else body})


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


def _request_id(scope: Scope) -> str:
    """Returns the client's id if it is a sane one, else a new one."""
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
            return value.decode()
    return uuid.uuid4().hex


def _route(scope: Scope) -> str:
    """Returns the template of the route that answered; one label for all that none did."""
    template = getattr(scope.get("route"), "path", None)
    if template:
        return template
    return scope["path"] if scope["path"] in _PLAIN_ROUTES else "unmatched"
