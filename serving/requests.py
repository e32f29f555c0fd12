"""From the bytes of a request to its fields: JSON or multipart, with errors worth reading."""

from __future__ import annotations

import dataclasses
import json
from typing import Any, TypeVar

import numpy as np
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request

from serving.decoding import read_field
from serving.errors import MalformedRequestError, UnsupportedMediaTypeError
from serving.schemas import ClassifyRequest
from serving.settings import Settings
from zoo.errors import InvalidInputError, ZooError

Body = TypeVar("Body", bound=BaseModel)

# What pydantic calls a value of the right kind that is out of bounds; anything else is malformed.
_BOUNDS = {"greater_than_equal", "less_than_equal", "too_long", "too_short", "string_too_long"}
_FILES = ("file", "image", "images")


@dataclasses.dataclass(frozen=True)
class ClassifyInput:
    """A classify request, read: images are encoded bytes or finite float32 pixels."""

    images: list[bytes | np.ndarray]
    model: str | None = None
    top_k: int | None = None


async def read_json(request: Request, body: type[Body]) -> Body:
    """Reads a JSON body.

    Raises:
        UnsupportedMediaTypeError: for another content type.
        MalformedRequestError: for what is no JSON object or has fields of the wrong kind.
        InvalidInputError: for NaN, infinities and values out of bounds.
    """
    kind = media_type(request)
    if kind != "application/json" and not kind.endswith("+json"):
        raise UnsupportedMediaTypeError(
            f"expected a body of application/json, got {kind or 'no content type'}"
        )
    return parse(await request.body(), body)


def parse(content: bytes, body: type[Body]) -> Body:
    """Reads the bytes of a JSON object; raises as `read_json`."""
    try:
        fields = json.loads(content, parse_constant=_not_a_number)
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else error
        raise MalformedRequestError(f"the body is not JSON: {reason}") from error
    if not isinstance(fields, dict):
        raise MalformedRequestError("the body must be a JSON object")
    return validate(fields, body)


def validate(fields: dict[str, Any], body: type[Body]) -> Body:
    """Checks fields against a body's schema; raises as `read_json`."""
    try:
        return body.model_validate(fields)
    except ValidationError as error:
        raise _readable(error) from error


async def read_classify(request: Request, settings: Settings) -> ClassifyInput:
    """Reads a classify request, JSON or multipart; raises as `read_json`."""
    if media_type(request) == "multipart/form-data":
        return await _read_multipart(request, settings)
    kind = media_type(request)
    if kind != "application/json" and not kind.endswith("+json"):
        raise UnsupportedMediaTypeError(
            f"expected application/json or multipart/form-data, got {kind or 'no content type'}"
        )
    return classify_input(await read_json(request, ClassifyRequest))


def classify_input(body: ClassifyRequest) -> ClassifyInput:
    """Decodes the image fields of a JSON body."""
    if (body.image is None) == (body.images is None):
        raise MalformedRequestError("give exactly one of image and images")
    if body.images is None:
        images = [read_field(body.image, "image")]
    else:
        images = [read_field(image, f"images[{i}]") for i, image in enumerate(body.images)]
    return ClassifyInput(images, body.model, body.top_k)


async def _read_multipart(request: Request, settings: Settings) -> ClassifyInput:
    contents: list[bytes | np.ndarray] = []
    fields: dict[str, Any] = {}
    try:
        async with request.form(max_files=settings.max_images, max_fields=8) as form:
            for name, value in form.multi_items():
                if name in _FILES and not isinstance(value, str):
                    contents.append(await value.read())
                elif name in ("model", "top_k") and isinstance(value, str):
                    fields[name] = value
                else:
                    raise MalformedRequestError(
                        f"form fields are file (an image), model and top_k, got {name[:40]!r}"
                    )
    except HTTPException as error:
        if error.status_code != 400:
            raise
        raise MalformedRequestError(f"the form cannot be read: {error.detail}") from error
    if not contents:
        raise MalformedRequestError("the form has no file")
    if not all(contents):
        raise MalformedRequestError("a file of the form is empty")
    if "top_k" in fields:
        try:
            fields["top_k"] = int(fields["top_k"])
        except ValueError as error:
            raise MalformedRequestError("top_k must be an integer") from error
    body = validate(fields, ClassifyRequest)
    return ClassifyInput(contents, body.model, body.top_k)


def media_type(request: Request) -> str:
    """Returns the content type without its parameters, in lower case."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _not_a_number(constant: str) -> float:
    raise InvalidInputError(f"{constant} is no JSON and no pixel; numbers must be finite")


def _readable(error: ValidationError) -> ZooError:
    """Turns pydantic's list into one line, about the first thing that is wrong."""
    details = error.errors(include_url=False, include_context=False, include_input=False)
    # A union reports one error a member, with the member's name at the end of the place.
    place = ".".join(str(part) for part in details[0]["loc"] if "[" not in str(part)) or "body"
    message = f"{place}: {details[0]['msg'][0].lower()}{details[0]['msg'][1:]}"
    if all(detail["type"] in _BOUNDS for detail in details):
        return InvalidInputError(message)
    if details[0]["type"] == "extra_forbidden":
        message = f"{place} is no field of this request"
    return MalformedRequestError(message)
