"""Bodies: how long one may be, how long one may take and, for BentoML's methods, of what type."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.errors import (
    BodyTooLargeError,
    RequestError,
    SlowBodyError,
    UnsupportedMediaTypeError,
)


class BodyLimit:
    """Refuses bodies that are long, by their declared length or by their bytes, or slow.

    Args:
        app: What is inside.
        limit: Bytes.
        seconds: From the first reading to the last byte.
    """

    def __init__(self, app: ASGIApp, limit: int, seconds: float) -> None:
        self.app = app
        self.limit = limit
        self.seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        too_large = BodyTooLargeError(f"a body may have {self.limit} bytes")
        length = _header(scope, b"content-length")
        # Digits beyond any length are not worth turning into a number.
        if length.isdigit() and (len(length) > 20 or int(length) > self.limit):
            raise too_large
        refusal: RequestError | None = None
        received, complete, end = 0, False, 0.0

        async def count() -> Message:
            nonlocal refusal, received, complete, end
            if complete:
                # From now on only the end of the connection is waited for.
                return await receive()
            end = end or asyncio.get_running_loop().time() + self.seconds
            try:
                async with asyncio.timeout_at(end):
                    message = await receive()
            except TimeoutError:
                refusal = SlowBodyError(f"the body did not come within {self.seconds:g} seconds")
            else:
                received += len(message.get("body", b""))
                complete = not message.get("more_body", False)
                if received > self.limit:
                    refusal = too_large
            if refusal is not None:
                # Of a kind that frameworks let through to their handlers, wherever they read.
                raise HTTPException(refusal.status, str(refusal))
            return message

        async def watch(message: Message) -> None:
            # A framework may have made a 400 or 500 of the exception; the reason is this one.
            if refusal is None:
                await send(message)

        try:
            await self.app(scope, count, watch)
        except Exception:
            if refusal is None:
                raise
        if refusal is not None:
            raise refusal


class JsonOnly:
    """Refuses other types of body than JSON on some paths.

    BentoML reads an unknown type as JSON, and its multipart reader has features, fetching files
    from URLs among them, that this service does without.

    Args:
        app: What is inside.
        paths: Where it applies.
    """

    def __init__(self, app: ASGIApp, paths: Collection[str]) -> None:
        self.app = app
        self.paths = frozenset(paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "POST" and scope["path"] in self.paths:
            kind = _header(scope, b"content-type").partition(b";")[0].strip().lower()
            if kind != b"application/json":
                shown = kind.decode("latin-1")[:100] or "no content type"
                raise UnsupportedMediaTypeError(f"expected application/json, got {shown}")
        await self.app(scope, receive, send)


def _header(scope: Scope, name: bytes) -> bytes:
    return next((value for key, value in scope["headers"] if key == name), b"")
