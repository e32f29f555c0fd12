"""What OpenAPI says of paths: their errors, names in them, bodies that handlers read themselves.

A handler reads its own body so that what is wrong with it is said in one line worth reading, which
FastAPI's would not be; so its schema is put here by hand.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from serving.schemas import ErrorAnswer

_REFERENCE = "#/components/schemas/{model}"

_MEANINGS = {
    400: "The body cannot be read, or lacks a field",
    401: "The server has keys, and none of them came as `Authorization: Bearer`",
    403: "Only for who has the admin key, or nobody has one",
    404: "Nothing of this name; `near` has close names",
    408: "The body took too long to come",
    409: "Not in the state that this takes",
    413: "The body is over the limit",
    415: "A content type that is not taken",
    422: "Values out of bounds, not finite, or of a wrong shape",
    500: "The server's fault; its log has the cause",
    503: "Busy or starting; try again after `Retry-After` seconds",
    504: "Given up after the deadline",
}
# What can happen wherever something is read, and wherever a body is sent.
READING = (401, 404, 500)
SENDING = (400, 401, 404, 408, 413, 415, 422, 500, 503)
ASKING = (*SENDING, 504)

BINARY: dict[str, Any] = {"type": "string", "format": "binary"}

# Bodies that some handler reads itself, by the names that references have.
_bodies: dict[str, type[BaseModel]] = {}


class Documented(FastAPI):
    """An app whose document has the schemas of the bodies that `body` names."""

    def openapi(self) -> dict[str, Any]:
        document = super().openapi()
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        text = json.dumps(document["paths"])
        used = [one for _, one in sorted(_bodies.items()) if f'"{_reference(one)}"' in text]
        if any(one.__name__ not in schemas for one in used):
            _, found = models_json_schema(
                [(one, "validation") for one in used], ref_template=_REFERENCE
            )
            for name, schema in found["$defs"].items():
                schemas.setdefault(name, schema)
        return document


def errors(*statuses: int, model: type[BaseModel] = ErrorAnswer) -> dict[int | str, dict[str, Any]]:
    """Documents errors, of our own shape or that of another protocol."""
    return {
        status: {"model": model, "description": _MEANINGS[status]} for status in sorted(statuses)
    }


def body(
    *models: type[BaseModel],
    others: Mapping[str, dict[str, Any]] | None = None,
    required: bool = True,
) -> dict[str, Any]:
    """Documents a body.

    Args:
        *models: What JSON may hold, one of these.
        others: Schemas of other content types.
        required: Whether there must be one.
    """
    _bodies.update({one.__name__: one for one in models})
    schemas = [{"$ref": _reference(one)} for one in models]
    json_schema = schemas[0] if len(schemas) == 1 else {"oneOf": schemas}
    content = {"application/json": json_schema, **(others or {})}
    return {
        "requestBody": {
            "required": required,
            "content": {kind: {"schema": schema} for kind, schema in content.items()},
        }
    }


def names(**meanings: str) -> dict[str, Any]:
    """Documents names in a path.

    FastAPI gives every parameter that it knows of an error of a shape that no path here has.
    """
    return {
        "parameters": [
            {
                "name": name,
                "in": "path",
                "required": True,
                "schema": {"type": "string"},
                "description": meaning,
            }
            for name, meaning in meanings.items()
        ]
    }


def _reference(model: type[BaseModel]) -> str:
    return _REFERENCE.format(model=model.__name__)
