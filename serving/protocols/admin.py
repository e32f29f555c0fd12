"""What administers the models in memory and the names of their versions; needs the admin key."""

from __future__ import annotations

from enum import Enum

from fastapi import FastAPI, Request

from serving.bodies import read_json
from serving.core import Core
from serving.keys import check_admin
from serving.protocols.documents import READING, SENDING, body, errors, names
from serving.protocols.models import NAME
from serving.schemas import ModelEntry
from serving.schemas.admin import LabelsAnswer, LabelsRequest

_TAGS: list[str | Enum] = ["admin"]


def add_routes(app: FastAPI, core: Core) -> None:
    """Adds the paths."""

    @app.post(
        "/v1/admin/models/{name}/load",
        tags=_TAGS,
        summary="Load a model",
        responses=errors(403, 503, *READING),
        openapi_extra=names(name=NAME),
    )
    async def load(request: Request) -> ModelEntry:
        """Answers when it is in memory and warm."""
        check_admin(request, core.settings)
        return await core.load(request.path_params["name"])

    @app.post(
        "/v1/admin/models/{name}/unload",
        tags=_TAGS,
        summary="Free a model's memory",
        responses=errors(403, *READING),
        openapi_extra=names(name=f"{NAME}; of a bare name all versions"),
    )
    async def unload(request: Request) -> ModelEntry:
        """What waits for it is answered before; its next request loads it again."""
        check_admin(request, core.settings)
        return await core.unload(request.path_params["name"])

    @app.get(
        "/v1/admin/models/{name}/labels",
        tags=_TAGS,
        summary="The names of a model's versions",
        responses=errors(403, *READING),
        openapi_extra=names(name="A model's name"),
    )
    async def show_labels(request: Request) -> LabelsAnswer:
        """Labels, and the shares of requests that go to them."""
        check_admin(request, core.settings)
        return _labels(core, request.path_params["name"])

    @app.put(
        "/v1/admin/models/{name}/labels",
        tags=_TAGS,
        summary="Name a model's versions",
        responses=errors(403, *SENDING),
        openapi_extra={**names(name="A model's name"), **body(LabelsRequest)},
    )
    async def set_labels(request: Request) -> LabelsAnswer:
        """Such as `stable` and `canary`, and how requests that name no version are shared out.

        Versions that get requests from now on are loaded before this answers.
        """
        check_admin(request, core.settings)
        fields = await read_json(request, LabelsRequest)
        name = request.path_params["name"]
        await core.set_labels(name, fields.labels, fields.weights or None)
        return _labels(core, name)


def _labels(core: Core, name: str) -> LabelsAnswer:
    # Of a model that is there, and by its name alone.
    name = core.models.card(name).name
    versions = core.models.labels.of(name)
    return LabelsAnswer(model=name, labels=dict(versions.labels), weights=dict(versions.weights))
