"""Bodies: how long one may be and, for BentoML's methods, of what type."""

from __future__ import annotations

from collections.abc import Collection

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.errors import BodyTooLargeError, UnsupportedMediaTypeError


class BodyLimit:
    """Refuses long bodies by their declared length, or when their bytes run over it.

    Args:
        app: What is inside.
        limit: Bytes.
    """

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self.app = app
        self.limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        refusal = BodyTooLargeError(f"a body may have {self.limit} bytes")
        length = _header(scope, b"content-length")
        if length.isdigit() and int(length) > self.limit:
            raise refusal
        received, over = 0, False

        async def count() -> Message:
            nonlocal received, over
            message = await receive()
            received += len(message.get("body", b""))
            if received > self.limit:
                over = True
                # Of a kind that frameworks let through to their handlers, wherever they read.
                raise HTTPException(413, str(refusal))
            return message

        async def watch(message: Message) -> None:
            # A framework may have made a 400 or 500 of the exception; the reason is the length.
            if not over:
                await send(message)

        try:
            await self.app(scope, count, watch)
        except Exception:
            if not over:
                raise
        if over:
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
