"""What the bodies of several paths have in common."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr

# Integers that JavaScript and every JSON reader keep exact.
MAX_SEED = 2**53 - 1

ImageField = StrictStr | list[Any]
LabelField = StrictStr | StrictInt
Seed = Annotated[StrictInt, Field(ge=0, le=MAX_SEED)]
# Finite, although JSON's 1e400 is read as infinity.
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]

IMAGE = (
    "base64 of an encoded image (PNG, JPEG, WebP, GIF, BMP), a data URL, or nested lists (h, w) or "
    "(h, w, c) of numbers 0 to 255, 0 to 1 or -1 to 1, told apart by their range. URLs are refused."
)

MODEL = (
    "`name`, its newest version unless weights say otherwise, `name@version`, or a label such as "
    "`name@stable`. May be left out where the service has one model for this."
)


class Body(BaseModel):
    """A request: a field that it does not know is a mistake."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=())


class Picture(BaseModel):
    """A PNG in base64."""

    b64_json: str
