"""The mounted app: paths, documented by OpenAPI, over a core."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse
from starlette.exceptions import HTTPException

from serving import pages
from serving.core import Core
from serving.envelope import Catch, Envelope
from serving.errors import describe, type_of
from serving.limits import BodyLimit
from serving.patience import answer_in_time
from serving.requests import read_classify, read_json
from serving.schemas import (
    ClassifyAnswer,
    ClassifyRequest,
    ErrorAnswer,
    GenerateAnswer,
    GenerateRequest,
    ModelCard,
    ModelList,
)
from zoo import __version__
from zoo.errors import ZooError

_DESCRIPTION = """Keras reference models behind HTTP.

Every error is `{"error": {"type", "message", "request_id", "near"}}`. `X-Request-Id` is echoed, or
made. No URL in a request is ever fetched."""

_NAME = {"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}

_FORM = {
    "type": "object",
    "required": ["file"],
    "properties": {
        "file": {
            "type": "array",
            "items": {"type": "string", "format": "binary"},
            "description": "Encoded images; the field is repeated for several.",
        },
        "model": {"type": "string"},
        "top_k": {"type": "integer", "minimum": 1},
    },
}


def create_app(core: Core, standalone: bool = True) -> FastAPI:
    """Makes the app.

    Args:
        core: What answers.
        standalone: Whether the app starts and closes the core and has its own envelope. Inside a
            BentoML service the service does both, for BentoML's paths too.
    """

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        core.start()
        yield
        core.close()

    app = FastAPI(
        title="keras-model-zoo",
        version=__version__,
        description=_DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan if standalone else None,
    )
    _handle_errors(app)
    app.add_middleware(Catch)
    if standalone:
        app.add_middleware(BodyLimit, limit=core.settings.max_body)
        app.add_middleware(Envelope, metrics=core.metrics)
    _add_models(app, core)
    if "classification" in core.models.tasks:
        _add_classify(app, core)
    if "generation" in core.models.tasks:
        _add_generate(app, core)
    _add_operations(app, core)
    pages.add_pages(app)
    return app


def _add_models(app: FastAPI, core: Core) -> None:
    @app.get("/v1/models", tags=["models"], summary="The served models", responses=_errors(500))
    def list_models() -> ModelList:
        """OpenAI's list, with task, labels and measured metrics of each model."""
        return core.list_models()

    @app.get(
        "/v1/models/{name}",
        tags=["models"],
        summary="A model and its card",
        responses=_errors(404, 500),
        # Written out: FastAPI gives every declared parameter a validation error of another shape.
        openapi_extra={"parameters": [_NAME]},
    )
    def show_model(request: Request) -> ModelCard:
        """`name` is its newest version, `name@2` the second."""
        return core.show_model(request.path_params["name"])


def _add_classify(app: FastAPI, core: Core) -> None:
    @app.post(
        "/v1/classify",
        tags=["inference"],
        summary="Label images",
        responses=_errors(400, 404, 413, 415, 422, 500, 503, 504),
        openapi_extra=_body(ClassifyRequest, {"multipart/form-data": {"schema": _FORM}}),
    )
    async def classify(request: Request) -> ClassifyAnswer:
        """Takes JSON, or a form with the field `file` once for each image."""
        fields = await read_classify(request, core.settings)
        return await answer_in_time(core.classify(fields), core.settings.deadline, request)


def _add_generate(app: FastAPI, core: Core) -> None:
    @app.post(
        "/v1/images/generations",
        tags=["inference"],
        summary="Draw images",
        responses=_errors(400, 404, 413, 415, 422, 500, 503, 504),
        response_model_exclude_none=True,
        openapi_extra=_body(GenerateRequest),
    )
    async def generate(request: Request) -> GenerateAnswer:
        """OpenAI's images request with a seed. The same seed gives the same bytes."""
        fields = await read_json(request, GenerateRequest)
        return await answer_in_time(core.generate(fields), core.settings.deadline, request)


def _add_operations(app: FastAPI, core: Core) -> None:
    @app.get("/livez", tags=["operations"], summary="Liveness", response_class=PlainTextResponse)
    def livez() -> str:
        """200 while the process answers."""
        return "\n"

    @app.get(
        "/readyz",
        tags=["operations"],
        summary="Readiness",
        response_class=PlainTextResponse,
        responses=_errors(503),
    )
    def readyz() -> str:
        """200 when requests are taken."""
        if not core.ready:
            raise HTTPException(503, "the service is starting")
        return "\n"

    @app.get("/metrics", tags=["operations"], summary="Metrics", response_class=PlainTextResponse)
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


def _errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    meanings = {
        400: "The body cannot be read, or lacks a field",
        404: "Unknown model; `near` has close names",
        413: "The body is over 16 MiB",
        415: "A content type that is not taken",
        422: "Values out of bounds, not finite, or of a wrong shape",
        500: "The server's fault; its log has the cause",
        503: "Busy or starting; try again after `Retry-After` seconds",
        504: "Given up after the deadline",
    }
    return {status: {"model": ErrorAnswer, "description": meanings[status]} for status in statuses}


def _body(model: type[Any], others: dict[str, Any] | None = None) -> dict[str, Any]:
    """Documents a body that the handler reads itself, so that its errors can be worth reading."""
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    # FastAPI knows nothing of this body's parts, so they are written in place.
    parts = schema.pop("$defs", {})
    for field in schema["properties"].values():
        options = field.get("anyOf", [])
        field.update(
            {"anyOf": [parts.get(o.get("$ref", "").rpartition("/")[2], o) for o in options]}
            if options
            else {}
        )
    content = {"application/json": {"schema": schema}, **(others or {})}
    return {"requestBody": {"required": True, "content": content}}
