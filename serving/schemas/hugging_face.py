"""Hugging Face's image-classification task, as its inference servers have it."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field, StrictInt, StrictStr


class ImageParameters(BaseModel):
    """How to answer."""

    top_k: StrictInt | None = Field(
        default=None, ge=1, description="Labels; by default 5, or all when there are fewer."
    )
    function_to_apply: Literal["softmax"] | None = Field(
        default=None, description="The only one: scores sum to 1."
    )


class ImageRequest(BaseModel):
    """An image in JSON, in place of its bytes as the body."""

    inputs: StrictStr = Field(description="base64 of an encoded image, or a data URL.")
    parameters: ImageParameters = ImageParameters()
