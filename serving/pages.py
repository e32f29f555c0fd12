"""The pages: a playground at `/` and the documentation at `/docs`, from files in `static/`."""

from __future__ import annotations

import hashlib
import mimetypes
from collections.abc import Callable
from pathlib import Path

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

_FOLDER = Path(__file__).resolve().parent / "static"
_PAGES = {"/": "index.html", "/docs": "docs.html", "/favicon.ico": "icon.svg"}

# Nothing but this server's own files, so a page cannot load or send anything elsewhere.
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
        "connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


def add_pages(app: FastAPI) -> None:
    """Adds a route for each page and each file; no path is made from what a client sends."""
    files = {f"/static/{path.name}": path for path in sorted(_FOLDER.iterdir()) if path.is_file()}
    files.update({address: _FOLDER / name for address, name in _PAGES.items()})
    for address, path in files.items():
        app.add_api_route(
            address, _file(path), methods=["GET", "HEAD"], include_in_schema=False, name=path.name
        )

    @app.get("/docs.json", include_in_schema=False)
    def docs_json() -> JSONResponse:
        """The same as `/openapi.json`, where BentoML's clients look for it."""
        return JSONResponse(app.openapi())


def _file(path: Path) -> Callable[[Request], Response]:
    content = path.read_bytes()
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    etag = f'"{hashlib.sha256(content).hexdigest()[:20]}"'

    def serve(request: Request) -> Response:
        headers = {**_HEADERS, "ETag": etag}
        if request.headers.get("if-none-match") == etag:
            return Response(status_code=304, headers=headers)
        return Response(content, media_type=kind, headers=headers)

    return serve
