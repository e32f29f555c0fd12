"""Hugging Face's image-classification task: an image in, `[{label, score}]` out."""

from __future__ import annotations

from enum import Enum

from fastapi import FastAPI, Request

from serving.bodies import is_json, media_type, parse, read_body, validate
from serving.core import Core
from serving.decoding import read_field
from serving.errors import MalformedRequestError, UnsupportedMediaTypeError
from serving.patience import answer_in_time
from serving.protocols.documents import ASKING, BINARY, body, errors, names
from serving.requests import ClassifyInput, Image
from serving.schemas import ForeignError, Label
from serving.schemas.hugging_face import ImageParameters, ImageRequest

# As many labels as Hugging Face answers with.
_TOP_K = 5
_BYTES = "application/octet-stream"
_QUERY = {
    "name": "top_k",
    "in": "query",
    "schema": {"type": "integer", "minimum": 1},
    "description": "Labels; by default 5, or all when there are fewer.",
}

_TAGS: list[str | Enum] = ["hugging face"]


def add_routes(app: FastAPI, core: Core) -> None:
    """Adds the path, if the service classifies."""
    if "classification" not in core.models.tasks:
        return
    asked = {
        **body(ImageRequest, others={"image/*": BINARY, _BYTES: BINARY}),
        "parameters": [*names(name="A model's name")["parameters"], _QUERY],
    }

    @app.post(
        "/models/{name}",
        tags=_TAGS,
        summary="Label an image",
        responses=errors(*ASKING, model=ForeignError),
        openapi_extra=asked,
    )
    async def classify(request: Request) -> list[Label]:
        """The body is the image itself, or JSON with it as base64."""
        image, parameters = await _read(request)
        name = request.path_params["name"]
        top_k = parameters.top_k
        if top_k is None:
            top_k = min(_TOP_K, len(core.models.card(name).labels)) or None
        work = core.classify(ClassifyInput([image], name, top_k))
        answer = await answer_in_time(work, core.settings.deadline, request)
        return answer.predictions[0]


async def _read(request: Request) -> tuple[Image, ImageParameters]:
    kind = media_type(request)
    if is_json(kind):
        fields = parse(await read_body(request), ImageRequest)
        return read_field(fields.inputs, "inputs"), fields.parameters
    if kind and kind != _BYTES and not kind.startswith("image/"):
        raise UnsupportedMediaTypeError(
            f"expected image/*, {_BYTES} or application/json, got {kind[:100]}"
        )
    content = await read_body(request)
    if not content:
        raise MalformedRequestError("the body is empty; it must be an image")
    return content, _query(request)


def _query(request: Request) -> ImageParameters:
    text = request.query_params.get("top_k")
    if text is None:
        return ImageParameters()
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise MalformedRequestError(f"top_k must be a whole number, got {text[:40]!r}")
    return validate({"top_k": int(text)}, ImageParameters)
