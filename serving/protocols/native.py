"""Our own paths that take images: to label them, translate them, send them through their codes."""

from __future__ import annotations

from enum import Enum
from typing import Any

from fastapi import FastAPI, Request
from pydantic import BaseModel

from serving.core import Core
from serving.patience import answer_in_time
from serving.protocols.documents import ASKING, BINARY, body, errors
from serving.requests import FORM, read_classify, read_reconstruct, read_translate
from serving.schemas import (
    ClassifyAnswer,
    ClassifyRequest,
    PicturesAnswer,
    ReconstructRequest,
    TranslateRequest,
)

_TAGS: list[str | Enum] = ["inference"]


def add_routes(app: FastAPI, core: Core) -> None:
    """Adds the paths that the service's tasks need."""
    tasks = core.models.tasks
    if "classification" in tasks:
        _add_classify(app, core)
    if "translation" in tasks:
        _add_translate(app, core)
    # A generator with an encoder reconstructs, too.
    if "reconstruction" in tasks or "generation" in tasks:
        _add_reconstruct(app, core)


def _add_classify(app: FastAPI, core: Core) -> None:
    @app.post(
        "/v1/classify",
        tags=_TAGS,
        summary="Label images",
        responses=errors(*ASKING),
        openapi_extra=_images(ClassifyRequest, top_k={"type": "integer", "minimum": 1}),
    )
    async def classify(request: Request) -> ClassifyAnswer:
        """Takes JSON, or a form with the field `file` once for each image."""
        fields = await read_classify(request, core.settings)
        return await answer_in_time(core.classify(fields), core.settings.deadline, request)


def _add_translate(app: FastAPI, core: Core) -> None:
    @app.post(
        "/v1/translate",
        tags=_TAGS,
        summary="Turn images of one domain into images of another",
        responses=errors(*ASKING),
        openapi_extra=_images(TranslateRequest, direction={"type": "string"}),
    )
    async def translate(request: Request) -> PicturesAnswer:
        """Takes JSON, or a form with the field `file` once for each image."""
        fields = await read_translate(request, core.settings)
        return await answer_in_time(core.translate(fields), core.settings.deadline, request)


def _add_reconstruct(app: FastAPI, core: Core) -> None:
    @app.post(
        "/v1/reconstruct",
        tags=_TAGS,
        summary="Send images through an autoencoder",
        responses=errors(*ASKING),
        openapi_extra=_images(ReconstructRequest),
    )
    async def reconstruct(request: Request) -> PicturesAnswer:
        """Takes JSON, or a form with the field `file` once for each image."""
        fields = await read_reconstruct(request, core.settings)
        return await answer_in_time(core.reconstruct(fields), core.settings.deadline, request)


def _images(model: type[BaseModel], **fields: dict[str, Any]) -> dict[str, Any]:
    """Documents images in JSON or in a form, which has further fields as texts."""
    files: dict[str, Any] = {
        "type": "array",
        "minItems": 1,
        "items": BINARY,
        "description": "Encoded images; the field is repeated for several.",
    }
    form: dict[str, Any] = {
        "type": "object",
        "required": ["file"],
        "additionalProperties": False,
        "properties": {"file": files, "model": {"type": "string"}, **fields},
    }
    return body(model, others={FORM: form})
