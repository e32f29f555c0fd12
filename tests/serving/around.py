"""A tiny app inside the layers of the real one, and requests made byte by byte."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, cast

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Message

from serving import access_log
from serving.layers import layers
from serving.metrics import Metrics
from serving.settings import Settings

Headers = Iterable[tuple[bytes, bytes]]


async def count(request: Request) -> JSONResponse:
    """Answers with the length of the body, and notes a model's work."""
    body = await request.body()
    access_log.note("toy@1", 3, 0.25)
    return JSONResponse({"length": len(body)})


async def alive(_: Request) -> PlainTextResponse:
    return PlainTextResponse("\n")


async def secret(_: Request) -> PlainTextResponse:
    raise RuntimeError("secret detail")


def small_app(settings: Settings, metrics: Metrics | None = None, **routes: Any) -> Starlette:
    """An app with the layers around it; `routes` are further paths by their names."""
    paths = {"/v1/things/{name}": count, "/livez": alive, "/metrics": alive, "/secret": secret}
    paths |= {f"/{name}": endpoint for name, endpoint in routes.items()}
    return Starlette(
        routes=[Route(path, end, methods=["GET", "POST"]) for path, end in paths.items()],
        middleware=[
            Middleware(cast(Any, layer), **options)
            for layer, options in layers(settings, metrics or Metrics(), ("/typed",))
        ],
    )


def client_of(settings: Settings, metrics: Metrics | None = None) -> TestClient:
    return TestClient(small_app(settings, metrics), raise_server_exceptions=False)


def log_lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """The lines of the log since it was last asked for."""
    lines = capsys.readouterr().err.splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")]


def scope_of(path: str, method: str = "POST", headers: Headers = ()) -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "scheme": "http",
        "server": ("127.0.0.1", 3000),
        "client": ("192.0.2.7", 5),
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": list(headers),
    }


class Conversation:
    """One request, whose body comes as slowly as a test likes.

    Args:
        app: What answers.
        path: Of the request.
        body: Its parts, and seconds to wait before each; afterwards the client stays.
        headers: Of the request.
    """

    def __init__(
        self,
        app: ASGIApp,
        path: str,
        body: Iterable[tuple[bytes, float]] = ((b"", 0),),
        headers: Headers = (),
    ) -> None:
        self.sent: list[Message] = []
        self._app = app
        self._scope = scope_of(path, headers=headers)
        self._parts = list(body)
        self._left = len(self._parts)

    async def run(self, take: Callable[[Message], Awaitable[None]] | None = None) -> None:
        """Makes the request; `take` is how the client takes in each part of the answer."""

        async def receive() -> Message:
            if not self._left:
                await asyncio.sleep(60)
                return {"type": "http.disconnect"}
            part, seconds = self._parts[-self._left]
            await asyncio.sleep(seconds)
            self._left -= 1
            return {"type": "http.request", "body": part, "more_body": self._left > 0}

        async def send(message: Message) -> None:
            if take is not None:
                await take(message)
            self.sent.append(message)

        await self._app(self._scope, receive, send)

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])

    @property
    def headers(self) -> dict[bytes, bytes]:
        return dict(self.sent[0]["headers"])

    @property
    def text(self) -> str:
        return b"".join(message.get("body", b"") for message in self.sent).decode()
