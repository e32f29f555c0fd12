"""Requests with images, JSON or multipart, as the core takes them."""

from __future__ import annotations

import dataclasses
from typing import TypeVar

import numpy as np
from starlette.requests import Request

from serving.bodies import media_type, read_json, require_json, require_plain, validate_text
from serving.decoding import read_field
from serving.errors import MalformedRequestError
from serving.forms import read_form
from serving.schemas import ClassifyRequest, EditRequest, ReconstructRequest, TranslateRequest
from serving.settings import Settings
from zoo.errors import InvalidInputError

ImagesBody = TypeVar("ImagesBody", ClassifyRequest, TranslateRequest, ReconstructRequest)
# Encoded bytes, or finite float32 pixels.
Image = bytes | np.ndarray

FORM = "multipart/form-data"
# Names under which clients send the files of images; OpenAI's sends several with brackets.
_IMAGES = ("file", "image", "images", "image[]")
_EDITED = ("image", "image[]", "mask")


@dataclasses.dataclass(frozen=True)
class ClassifyInput:
    """A classify request, read."""

    images: list[Image]
    model: str | None = None
    top_k: int | None = None


@dataclasses.dataclass(frozen=True)
class TranslateInput:
    """A translate request, read."""

    images: list[Image]
    model: str | None = None
    direction: str | None = None


@dataclasses.dataclass(frozen=True)
class ReconstructInput:
    """A reconstruct request, read."""

    images: list[Image]
    model: str | None = None


@dataclasses.dataclass(frozen=True)
class EditInput:
    """An edit request, read.

    Args:
        fields: All other fields; its own `image` and `mask` are what came, and done with.
        image: To begin from.
        mask: As `EditRequest` has it: transparent, or white without an alpha channel, is painted.
    """

    fields: EditRequest
    image: Image
    mask: Image | None = None


async def read_classify(request: Request, settings: Settings) -> ClassifyInput:
    """Reads a classify request, JSON or multipart; raises as `read_json`."""
    body, images = await _read_images(request, ClassifyRequest, settings)
    return ClassifyInput(images, body.model, body.top_k)


async def read_translate(request: Request, settings: Settings) -> TranslateInput:
    """Reads a translate request, JSON or multipart; raises as `read_json`."""
    body, images = await _read_images(request, TranslateRequest, settings)
    return TranslateInput(images, body.model, body.direction)


async def read_reconstruct(request: Request, settings: Settings) -> ReconstructInput:
    """Reads a reconstruct request, JSON or multipart; raises as `read_json`."""
    body, images = await _read_images(request, ReconstructRequest, settings)
    return ReconstructInput(images, body.model)


async def read_edit(request: Request) -> EditInput:
    """Reads an edit request, JSON or as OpenAI's client sends it; raises as `read_json`."""
    if media_type(request) != FORM:
        require_json(request, f" or {FORM}")
        return edit_input(await read_json(request, EditRequest))
    require_plain(request)
    # One more than an edit takes, so that the message about several images is ours.
    files, fields = await read_form(request, _EDITED, set(EditRequest.model_fields), 3)
    images = [content for name, content in files if name != "mask"]
    masks = [content for name, content in files if name == "mask"]
    if len(images) != 1 or len(masks) > 1:
        raise MalformedRequestError(
            f"an edit takes one image and at most one mask, got {len(images)} and {len(masks)}"
        )
    # The text stands for the file, which the schema cannot hold.
    edit = validate_text({**fields, "image": "file"}, EditRequest)
    return EditInput(edit, images[0], masks[0] if masks else None)


def classify_input(body: ClassifyRequest, settings: Settings) -> ClassifyInput:
    """Decodes the image fields of a JSON body; raises as `read_json`."""
    return ClassifyInput(_images_of(body, settings), body.model, body.top_k)


def translate_input(body: TranslateRequest, settings: Settings) -> TranslateInput:
    """Decodes the image fields of a JSON body; raises as `read_json`."""
    return TranslateInput(_images_of(body, settings), body.model, body.direction)


def edit_input(body: EditRequest) -> EditInput:
    """Decodes the image fields of a JSON body; raises as `read_json`."""
    mask = None if body.mask is None else read_field(body.mask, "mask")
    return EditInput(body, read_field(body.image, "image"), mask)


async def _read_images(
    request: Request, kind: type[ImagesBody], settings: Settings
) -> tuple[ImagesBody, list[Image]]:
    if media_type(request) != FORM:
        require_json(request, f" or {FORM}")
        body = await read_json(request, kind)
        return body, _images_of(body, settings)
    require_plain(request)
    texts = set(kind.model_fields) - {"image", "images"}
    files, fields = await read_form(request, _IMAGES, texts, settings.max_images)
    if not files:
        raise MalformedRequestError("the form has no file")
    return validate_text(fields, kind), [content for _, content in files]


def _images_of(
    body: ClassifyRequest | TranslateRequest | ReconstructRequest, settings: Settings
) -> list[Image]:
    if (body.image is None) == (body.images is None):
        raise MalformedRequestError("give exactly one of image and images")
    if body.images is None:
        return [read_field(body.image, "image")]
    if len(body.images) > settings.max_images:
        raise InvalidInputError(
            f"images: a request may have {settings.max_images}, got {len(body.images)}"
        )
    return [read_field(image, f"images[{i}]") for i, image in enumerate(body.images)]
