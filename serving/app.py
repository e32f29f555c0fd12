"""The app: all protocols over one core, documented by OpenAPI."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from enum import Enum

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse
from starlette.exceptions import HTTPException

from serving import pages
from serving.core import Core
from serving.envelope import Catch
from serving.errors import describe, type_of
from serving.layers import layers
from serving.protocols import (
    admin,
    hugging_face,
    images,
    jobs,
    models,
    native,
    open_inference,
    tf_serving,
)
from serving.protocols.documents import Documented, errors
from zoo import __version__
from zoo.errors import ZooError

_DESCRIPTION = """Keras reference models behind HTTP.

Every error is `{"error": {"type", "message", "request_id", "near"}}`, under the paths of other
protocols theirs, `{"error": message}`. `X-Request-Id` is echoed, or made. No URL in a request is
ever fetched."""

_PROTOCOLS = (models, native, images, jobs, open_inference, tf_serving, hugging_face, admin)

_TAGS: list[str | Enum] = ["operations"]


def create_app(core: Core, standalone: bool = True) -> FastAPI:
    """Makes the app.

    Args:
        core: What answers.
        standalone: Whether the app starts and closes the core and has its own layers of keys,
            limits and logs. Inside a BentoML service the service does both, for BentoML's paths
            too.
    """

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        core.start()
        yield
        core.close()

    app = Documented(
        title="keras-model-zoo",
        version=__version__,
        description=_DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        # A path with a slash too many is another path, and there is none.
        redirect_slashes=False,
        lifespan=lifespan if standalone else None,
    )
    _handle_errors(app)
    app.add_middleware(Catch)
    if standalone:
        for layer, options in reversed(layers(core.settings, core.metrics)):
            app.add_middleware(layer, **options)
    for protocol in _PROTOCOLS:
        protocol.add_routes(app, core)
    _add_operations(app, core)
    pages.add_pages(app)
    return app


def _add_operations(app: FastAPI, core: Core) -> None:
    @app.get("/livez", tags=_TAGS, summary="Liveness", response_class=PlainTextResponse)
    async def livez() -> str:
        """200 while the process answers."""
        return "\n"

    @app.get(
        "/readyz",
        tags=_TAGS,
        summary="Readiness",
        # Of no content type of its own: an error is JSON here, too.
        response_class=Response,
        responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, **errors(503)},
    )
    async def readyz() -> Response:
        """200 when requests are taken."""
        if not core.ready:
            raise HTTPException(503, "the service is starting")
        return PlainTextResponse("\n")

    @app.get("/metrics", tags=_TAGS, summary="Metrics", response_class=PlainTextResponse)
    def metrics() -> Response:
        """Counters in Prometheus' text format."""
        return Response(core.metrics.render(), media_type=core.metrics.content_type)


def _handle_errors(app: FastAPI) -> None:
    @app.exception_handler(ZooError)
    async def zoo_error(_: Request, error: ZooError) -> JSONResponse:
        status, content, headers = describe(error)
        return JSONResponse({"error": content}, status, headers)

    @app.exception_handler(HTTPException)
    async def http_error(request: Request, error: HTTPException) -> JSONResponse:
        message = str(error.detail)
        if error.status_code in (404, 405):
            there = "no such path" if error.status_code == 404 else f"no {request.method[:20]} here"
            message = f"there is {there}; /docs lists what there is"
        content = {"type": type_of(error.status_code), "message": message}
        return JSONResponse({"error": content}, error.status_code, error.headers)

    @app.exception_handler(RequestValidationError)
    async def validation_error(_: Request, error: RequestValidationError) -> JSONResponse:
        content = {"type": "malformed_request", "message": str(error.errors()[0]["msg"])}
        return JSONResponse({"error": content}, 400)
