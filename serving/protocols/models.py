"""OpenAI's paths for models, and the pictures that are stored with one."""

from __future__ import annotations

import asyncio
from enum import Enum

from fastapi import FastAPI, Request, Response

from serving.core import Core
from serving.protocols.documents import BINARY, READING, errors, names
from serving.schemas import ModelCard, ModelList
from zoo import store
from zoo.errors import UnknownModelError

NAME = "`name`, `name@version` or a label such as `name@stable`"

_TAGS: list[str | Enum] = ["models"]


def add_routes(app: FastAPI, core: Core) -> None:
    """Adds the paths."""

    @app.get(
        "/v1/models",
        tags=_TAGS,
        summary="The served models",
        responses=errors(401, 500),
    )
    async def list_models() -> ModelList:
        """OpenAI's list, with task, state, labels and measured metrics of each model."""
        return await core.list_models()

    @app.get(
        "/v1/models/{name}",
        tags=_TAGS,
        summary="A model and its card",
        responses=errors(*READING),
        openapi_extra=names(name=NAME),
    )
    async def show_model(request: Request) -> ModelCard:
        """A bare name is its newest version."""
        return await core.show_model(request.path_params["name"])

    @app.get(
        "/v1/models/{name}/files/{file}",
        tags=_TAGS,
        summary="A picture of a model",
        response_class=Response,
        responses={
            200: {
                "description": "A PNG",
                "content": {"image/png": {"schema": BINARY}},
            },
            **errors(*READING),
        },
        openapi_extra=names(name=NAME, file="One of the model's `pictures`"),
    )
    async def show_picture(request: Request) -> Response:
        """Such as `samples.png`."""
        found = await core.show_model(request.path_params["name"])
        file = request.path_params["file"]
        # Only what the card names; nothing that a client sends becomes a path.
        if file not in found.pictures:
            raise UnknownModelError(file[:100], found.pictures, kind="picture")
        folder = store.find(f"{found.card['name']}@{found.version}")
        content = await asyncio.to_thread((folder / file).read_bytes)
        return Response(
            content, media_type="image/png", headers={"Cache-Control": "private, max-age=300"}
        )
