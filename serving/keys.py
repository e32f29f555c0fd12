"""Keys: who may ask, and who may change what is served.

A key comes as `Authorization: Bearer KEY`, as OpenAI's clients and most others send it. Without any
in the settings everybody may ask. The admin key opens what keys open, and alone what
`check_admin` guards.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Collection

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from serving.errors import ForbiddenError, UnauthorizedError
from serving.settings import Settings

# Probes, the scraper and the pages themselves; what a page asks for takes a key.
_OPEN = {
    "/",
    "/docs",
    "/docs.json",
    "/openapi.json",
    "/favicon.ico",
    "/livez",
    "/readyz",
    "/healthz",
    "/metrics",
    "/v2/health/live",
    "/v2/health/ready",
}
_OPEN_FOLDER = "/static/"


class Keys:
    """ASGI middleware that refuses requests without a known key, before their body is read.

    Args:
        app: What is inside.
        settings: Which keys there are.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self._keys = _digests(settings.keys)
        if self._keys and settings.admin_key is not None:
            self._keys += _digests([settings.admin_key])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and self._keys and not _is_open(scope["path"]):
            given = _key_of(scope)
            if given is None:
                raise UnauthorizedError("this server asks for a key: Authorization: Bearer KEY")
            if not _is_one_of(given, self._keys):
                raise UnauthorizedError("this key is not known here")
        await self.app(scope, receive, send)


def check_admin(request: Request, settings: Settings) -> None:
    """Lets a request pass that has the admin key.

    Raises:
        UnauthorizedError: when it has no key.
        ForbiddenError: when it has another, or this server takes no such requests at all.
    """
    if settings.admin_key is None:
        raise ForbiddenError(
            "this server takes no admin calls; start it with ZOO_SERVE_ADMIN_KEY or "
            "ZOO_SERVE_ADMIN_KEY_FILE set to allow them"
        )
    given = _key_of(request.scope)
    if given is None:
        raise UnauthorizedError("this call takes the admin key: Authorization: Bearer KEY")
    if not _is_one_of(given, _digests([settings.admin_key])):
        raise ForbiddenError("this call takes the admin key, and another one came")


def _is_open(path: str) -> bool:
    return path in _OPEN or path.startswith(_OPEN_FOLDER)


def _key_of(scope: Scope) -> bytes | None:
    for name, value in scope["headers"]:
        if name == b"authorization":
            kind, _, key = value.strip().partition(b" ")
            return key.strip() if kind.lower() == b"bearer" else None
    return None


def _digests(keys: Collection[str]) -> list[bytes]:
    return [hashlib.sha256(key.encode("ascii")).digest() for key in keys]


def _is_one_of(given: bytes, digests: list[bytes]) -> bool:
    """Compares with every key, in the same time whichever it is and however it differs.

    Digests are of one length, and the comparison tells the length of what it is given.
    """
    digest = hashlib.sha256(given).digest()
    found = False
    for known in digests:
        found |= hmac.compare_digest(digest, known)
    return found
