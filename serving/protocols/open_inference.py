"""The Open Inference Protocol, version 2, as KServe and Triton speak it.

https://github.com/kserve/open-inference-protocol, with Triton's extensions for binary tensors,
classification, the configuration of models and their repository.
"""

from __future__ import annotations

from enum import Enum
from typing import Any

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException

from serving.bodies import parse, read_body
from serving.core import Core
from serving.errors import ConflictError
from serving.keys import check_admin
from serving.patience import answer_in_time
from serving.protocols.documents import ASKING, BINARY, READING, body, errors, names
from serving.protocols.open_inference_binary import LENGTH_HEADER
from serving.protocols.open_inference_models import config_of, index_of, infer, metadata_of
from serving.schemas import ForeignError
from serving.schemas.open_inference import (
    IndexEntry,
    IndexRequest,
    InferAnswer,
    InferRequest,
    Live,
    ModelConfig,
    ModelMetadata,
    ModelReady,
    Ready,
    ServerMetadata,
)
from zoo import __version__

_TAGS: list[str | Enum] = ["open inference"]
_NAME, _VERSION = "A model's name", "Number of a version"
_LENGTH = {
    "name": LENGTH_HEADER,
    "in": "header",
    "schema": {"type": "integer", "minimum": 0},
    "description": "Bytes of the body that are JSON, where tensors follow it as bytes.",
}
_EXTENSIONS = ["binary_tensor_data", "classification", "model_configuration", "model_repository"]


def add_routes(app: FastAPI, core: Core) -> None:
    """Adds the paths of the server, of models, and of versions of models."""
    _add_server(app, core)
    _add_models(app, core, "/v2/models/{name}", names(name=_NAME))
    named = names(name=_NAME, version=_VERSION)
    _add_models(app, core, "/v2/models/{name}/versions/{version}", named)
    _add_repository(app, core)


def _add_server(app: FastAPI, core: Core) -> None:
    @app.get("/v2", tags=_TAGS, summary="What the server is", responses=_errors(401, 500))
    async def server() -> ServerMetadata:
        """Name, version and extensions."""
        return ServerMetadata(name=app.title, version=__version__, extensions=_EXTENSIONS)

    @app.get("/v2/health/live", tags=_TAGS, summary="Liveness")
    async def live() -> Live:
        """200 while the process answers."""
        return Live(live=True)

    @app.get("/v2/health/ready", tags=_TAGS, summary="Readiness", responses=_errors(503))
    async def ready() -> Ready:
        """200 when requests are taken."""
        if not core.ready:
            raise HTTPException(503, "the service is starting")
        return Ready(ready=True)


def _add_models(app: FastAPI, core: Core, path: str, named: dict[str, Any]) -> None:
    @app.get(
        path,
        tags=_TAGS,
        summary="A model's inputs and outputs",
        responses=_errors(*READING),
        openapi_extra=named,
    )
    async def metadata(request: Request) -> ModelMetadata:
        """Also its versions. A size of -1 is the number of rows."""
        card = core.models.card(_reference(request))
        return metadata_of(card, core.models.versions(card.name))

    @app.get(
        f"{path}/config",
        tags=_TAGS,
        summary="A model's configuration",
        responses=_errors(*READING),
        openapi_extra=named,
    )
    async def config(request: Request) -> ModelConfig:
        """What Triton's clients ask of it."""
        return config_of(core.models.card(_reference(request)), core.settings.max_images)

    @app.get(
        f"{path}/ready",
        tags=_TAGS,
        summary="Whether a model is in memory",
        responses=_errors(409, *READING),
        openapi_extra=named,
    )
    async def model_ready(request: Request) -> ModelReady:
        """200 when it is, and warm; what is not is loaded by its first request."""
        state = await core.state(_reference(request))
        if state != "ready":
            raise ConflictError(f"the model is {state}; its first request loads it")
        return ModelReady(name=request.path_params["name"], ready=True)

    @app.post(
        f"{path}/infer",
        tags=_TAGS,
        summary="Give rows to a model",
        response_model=InferAnswer,
        responses={
            200: {"content": {"application/octet-stream": {"schema": BINARY}}},
            **_errors(*ASKING),
        },
        openapi_extra={
            "parameters": [*named["parameters"], _LENGTH],
            **body(InferRequest, others={"application/octet-stream": BINARY}),
        },
    )
    async def model_infer(request: Request) -> Response:
        """Tensors in JSON, or as bytes behind it, both ways; of whatever content type."""
        content = await read_body(request)
        work = infer(core, _reference(request), content, request.headers.get(LENGTH_HEADER))
        return await answer_in_time(work, core.settings.deadline, request)


def _add_repository(app: FastAPI, core: Core) -> None:
    @app.post(
        "/v2/repository/index",
        tags=_TAGS,
        summary="All versions of all models",
        responses=_errors(400, 401, 408, 413, 415, 500, 503),
        openapi_extra=body(IndexRequest, required=False),
    )
    async def index(request: Request) -> list[IndexEntry]:
        """And which of them are in memory."""
        content = await read_body(request)
        asked = parse(content, IndexRequest) if content.strip() else IndexRequest()
        return await index_of(core, asked.ready)

    @app.post(
        "/v2/repository/models/{name}/load",
        tags=_TAGS,
        summary="Load a model",
        response_class=Response,
        responses=_errors(403, 503, *READING),
        openapi_extra=names(name=_NAME),
    )
    async def load(request: Request) -> Response:
        """Answers when it is in memory and warm. Takes the admin key."""
        check_admin(request, core.settings)
        await core.load(request.path_params["name"])
        return Response()

    @app.post(
        "/v2/repository/models/{name}/unload",
        tags=_TAGS,
        summary="Free a model's memory",
        response_class=Response,
        responses=_errors(403, *READING),
        openapi_extra=names(name=_NAME),
    )
    async def unload(request: Request) -> Response:
        """What waits for it is answered before. Takes the admin key."""
        check_admin(request, core.settings)
        await core.unload(request.path_params["name"])
        return Response()


def _reference(request: Request) -> str:
    name, version = request.path_params["name"], request.path_params.get("version")
    return name if version is None else f"{name}@{version}"


def _errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    return errors(*statuses, model=ForeignError)
