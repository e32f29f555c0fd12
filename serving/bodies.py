"""Bodies of requests: JSON, and texts of forms, with errors worth reading."""

from __future__ import annotations

import json
import re
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from serving.errors import MalformedRequestError, UnsupportedMediaTypeError
from zoo.errors import InvalidInputError, ZooError

Fields = TypeVar("Fields", bound=BaseModel)

# What pydantic calls a value of the right kind that is out of bounds; anything else is malformed.
_BOUNDS = {
    "finite_number",
    "greater_than",
    "greater_than_equal",
    "less_than_equal",
    "string_too_long",
    "too_long",
    "too_short",
}
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


async def read_json(request: Request, body: type[Fields]) -> Fields:
    """Reads a JSON body.

    Raises:
        UnsupportedMediaTypeError: for another content type.
        MalformedRequestError: for what is no JSON object or has fields of the wrong kind.
        InvalidInputError: for NaN, infinities and values out of bounds.
    """
    return validate(await read_object(request), body)


async def read_object(request: Request) -> dict[str, Any]:
    """Reads a JSON object of whatever fields; raises as `read_json`."""
    require_json(request)
    return load_object(await read_body(request))


async def read_body(request: Request) -> bytes:
    """Reads a body of whatever type; raises as `require_plain`."""
    require_plain(request)
    return await request.body()


def parse(content: bytes, body: type[Fields]) -> Fields:
    """Reads the bytes of a JSON object; raises as `read_json`."""
    return validate(load_object(content), body)


def load_object(content: bytes) -> dict[str, Any]:
    """Reads the bytes of a JSON object of whatever fields; raises as `read_json`."""
    try:
        fields = json.loads(content.decode(), parse_constant=_not_a_number)
        if _SURROGATE.search(content):
            # Half of a pair is no character, and no answer or file could hold it.
            json.dumps(fields, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else error
        raise MalformedRequestError(f"the body is not JSON: {reason}") from error
    if not isinstance(fields, dict):
        raise MalformedRequestError("the body must be a JSON object")
    return fields


def validate(fields: dict[str, Any], body: type[Fields]) -> Fields:
    """Checks fields against a body's schema; raises as `read_json`."""
    try:
        return body.model_validate(fields)
    except ValidationError as error:
        raise _readable(error) from error


def validate_text(fields: dict[str, str], body: type[Fields]) -> Fields:
    """Checks the fields of a form, whose numbers are texts; raises as `read_json`."""
    try:
        return body.model_validate_strings(fields)
    except ValidationError as error:
        raise _readable(error) from error


def media_type(request: Request) -> str:
    """Returns the content type without its parameters, in lower case."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def is_json(kind: str) -> bool:
    """Says whether a content type, as `media_type` gives it, is one of JSON."""
    return kind == "application/json" or kind.endswith("+json")


def require_json(request: Request, others: str = "") -> None:
    """Refuses other content types; `others` is what the message names beside JSON.

    Raises:
        UnsupportedMediaTypeError.
    """
    kind = media_type(request)
    if not is_json(kind):
        raise UnsupportedMediaTypeError(
            f"expected a body of application/json{others}, got {kind[:100] or 'no content type'}"
        )


def require_plain(request: Request) -> None:
    """Refuses a compressed body: a few bytes may be many, unpacked.

    Raises:
        UnsupportedMediaTypeError.
    """
    coding = request.headers.get("content-encoding", "identity").strip().lower()
    if coding != "identity":
        raise UnsupportedMediaTypeError(
            f"a body is taken as it is, without Content-Encoding, got {coding[:40]!r}"
        )


def _not_a_number(constant: str) -> float:
    raise InvalidInputError(f"{constant} is no JSON and no pixel; numbers must be finite")


def _readable(error: ValidationError) -> ZooError:
    """Turns pydantic's list into one line, about the first thing that is wrong."""
    details = error.errors(include_url=False, include_context=False, include_input=False)
    # A union reports one error a member, with the member's name at the end of the place.
    members = ("str", "int")
    parts = [str(part) for part in details[0]["loc"]]
    place = ".".join(part for part in parts if "[" not in part and part not in members) or "body"
    # A key may be anything, and the message goes out as UTF-8.
    place = ascii(place[:100])[1:-1]
    reason = details[0]["msg"].removeprefix("Value error, ")
    message = f"{place}: {reason[0].lower()}{reason[1:]}"
    if all(detail["type"] in _BOUNDS for detail in details):
        return InvalidInputError(message)
    if details[0]["type"] == "extra_forbidden":
        message = f"{place} is no field of this request"
    return MalformedRequestError(message)
