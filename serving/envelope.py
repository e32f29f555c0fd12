"""Around every request: its id, its count, its span, its line in the log, and its way out."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
import uuid
from typing import TYPE_CHECKING

from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving import access_log, tracing
from serving.answer import Answer
from serving.draining import Draining
from serving.errors import REQUEST_ID, ClientGoneError, StoppingError, describe
from serving.metrics import Metrics
from serving.settings import Settings

if TYPE_CHECKING:
    from opentelemetry.trace import Span

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")
# BentoML's own, which have no template.
_PLAIN_ROUTES = {
    "/livez",
    "/readyz",
    "/healthz",
    "/schema.json",
    "/classify",
    "/generate",
    "/translate",
}
# What still answers while the server finishes: it is alive, and its last numbers are wanted.
_TO_THE_END = {"/livez", "/healthz", "/v2/health/live", "/metrics"}


class Envelope:
    """ASGI middleware; the outermost one of this project.

    Args:
        app: What is inside.
        settings: Whether there is a log, and how much patience.
        metrics: Where requests are counted.
    """

    def __init__(self, app: ASGIApp, settings: Settings, metrics: Metrics) -> None:
        self.app = app
        self.draining = Draining(settings.drain_seconds)
        self._settings = settings
        self._metrics = metrics
        self._tracing = tracing.from_environment()
        if settings.access_log:
            access_log.open_log()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            self.draining.listen()
            await self.app(scope, receive, self._closing(send))
        elif scope["type"] == "http":
            await self._serve(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = _request_id(scope)
        REQUEST_ID.set(request_id)
        record = access_log.Record()
        access_log.RECORD.set(record)
        answer = Answer(scope, send, request_id, self._settings.body_seconds)
        started = time.perf_counter()
        self._metrics.running(1)
        with contextlib.ExitStack() as stack:
            span = stack.enter_context(self._tracing.request(scope)) if self._tracing else None
            try:
                with self.draining.running():
                    await self._answer(scope, receive, answer)
            finally:
                self._metrics.running(-1)
                self._tell(scope, answer, record, time.perf_counter() - started, span)

    async def _answer(self, scope: Scope, receive: Receive, answer: Answer) -> None:
        try:
            if self.draining.stopping and scope["path"] not in _TO_THE_END:
                raise StoppingError("this server is stopping; ask again")
            await self.app(scope, receive, answer.send)
        except asyncio.CancelledError:
            if not self.draining.over:
                raise
            # Half an answer that ends here breaks the connection, which tells as much.
            if not answer.started:
                await answer.fail(StoppingError("this server stopped before the answer was there"))
        except Exception as error:
            if answer.broken:
                # The client reads no more, and nothing can be said to it.
                return
            if answer.started:
                # Half an answer is out: breaking the connection is all that still tells of it.
                raise
            await answer.fail(error)

    def _tell(
        self,
        scope: Scope,
        answer: Answer,
        record: access_log.Record,
        seconds: float,
        span: Span | None,
    ) -> None:
        """Counts, logs and traces one answered request."""
        method, route, status = scope["method"][:20], _route(scope), answer.status
        self._metrics.request(method, route, status, seconds)
        if answer.error is not None:
            self._metrics.refused(answer.error)
        if span is not None:
            tracing.describe(span, record, method, route, status)
        if self._settings.access_log:
            client = scope.get("client")
            access_log.write(
                record,
                request_id=answer.request_id,
                trace_id=None if span is None else tracing.trace_id(span),
                client=client[0] if client else None,
                method=method,
                route=route,
                status=status,
                error=answer.error,
                sent=answer.sent,
                seconds=seconds,
            )

    def _closing(self, send: Send) -> Send:
        """Sends the last spans before the server hears that all is closed, and ends."""

        async def close(message: Message) -> None:
            if message["type"].startswith("lifespan.shutdown") and self._tracing is not None:
                await asyncio.to_thread(self._tracing.close)
            await send(message)

        return close


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
