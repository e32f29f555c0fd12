"""OpenAI's paths for images: drawn from noise or from an image, at once or as they appear."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from enum import Enum
from typing import Any

from fastapi import FastAPI, Request

from serving.bodies import read_json
from serving.core import Core
from serving.patience import answer_in_time
from serving.protocols.documents import ASKING, BINARY, body, errors
from serving.protocols.events import stream_events
from serving.requests import FORM, read_edit
from serving.schemas import EditRequest, GenerateAnswer, GenerateRequest
from serving.watching import Watch
from zoo.errors import InvalidInputError

Draw = Callable[[Watch | None], Coroutine[Any, Any, GenerateAnswer]]

_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "All images at once or, as was asked with `stream`, events: "
        "`….partial_image` as often as `partial_images` says, then `….completed` for each image, "
        "or `error`.",
        "content": {"text/event-stream": {}},
    },
    **errors(*ASKING),
}

_TAGS: list[str | Enum] = ["inference"]


def add_routes(app: FastAPI, core: Core) -> None:
    """Adds the paths, if the service draws."""
    if "generation" not in core.models.tasks:
        return

    @app.post(
        "/v1/images/generations",
        tags=_TAGS,
        summary="Draw images",
        response_model=GenerateAnswer,
        responses=_ANSWERS,
        response_model_exclude_none=True,
        openapi_extra=body(GenerateRequest),
    )
    async def generate(request: Request) -> Any:
        """OpenAI's images request with a seed. The same seed gives the same bytes."""
        fields = await read_json(request, GenerateRequest)
        return await _drawn(
            request, core, fields, "image_generation", lambda watch: core.generate(fields, watch)
        )

    @app.post(
        "/v1/images/edits",
        tags=_TAGS,
        summary="Draw images that begin from an image",
        response_model=GenerateAnswer,
        responses=_ANSWERS,
        response_model_exclude_none=True,
        openapi_extra=body(EditRequest, others={FORM: _edit_form()}),
    )
    async def edit(request: Request) -> Any:
        """OpenAI's edit request, as a form or as JSON.

        With a mask only what it marks is painted: what is transparent in it or, where it has no
        alpha channel, what is white.
        """
        given = await read_edit(request)
        return await _drawn(
            request, core, given.fields, "image_edit", lambda watch: core.edit(given, watch)
        )


async def _drawn(
    request: Request, core: Core, fields: GenerateRequest | EditRequest, kind: str, draw: Draw
) -> Any:
    deadline = core.settings.deadline
    if fields.stream:
        return await stream_events(request, deadline, kind, fields.partial_images or 0, draw)
    if fields.partial_images:
        raise InvalidInputError("partial_images are events of a stream; ask for stream, too")
    return await answer_in_time(draw(None), deadline, request)


def _edit_form() -> dict[str, Any]:
    """Documents the form: files for the images, all other fields as JSON has them."""
    texts = {
        **dict.fromkeys(("model", "prompt", "label", "sampler", "negative_label"), "string"),
        **dict.fromkeys(("size", "response_format", "output_format"), "string"),
        **dict.fromkeys(("n", "seed", "num_inference_steps", "partial_images"), "integer"),
        **dict.fromkeys(("guidance_scale", "strength"), "number"),
        "stream": "boolean",
    }
    fields = {name: {"type": kind} for name, kind in texts.items()}
    return {
        "type": "object",
        "required": ["image"],
        "properties": {"image": BINARY, "mask": BINARY, **fields},
    }
