"""Server-sent events of images that are on their way, as OpenAI's clients read them."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from serving.schemas.drawing import GeneratedImage


class Usage(BaseModel):
    """OpenAI counts tokens; there are none here."""

    input_tokens: int = 0
    input_tokens_details: dict[str, int] = {"image_tokens": 0, "text_tokens": 0}
    output_tokens: int = 0
    total_tokens: int = 0


class _Event(GeneratedImage):
    created_at: int
    size: str
    image_index: int = Field(description="Which of the n images this is, from 0.")
    output_format: Literal["png"] = "png"
    # OpenAI's clients expect these two.
    quality: Literal["auto"] = "auto"
    background: Literal["opaque"] = "opaque"


class PartialImageEvent(_Event):
    """An image as it is expected, some steps before its end."""

    type: Literal["image_generation.partial_image", "image_edit.partial_image"]
    partial_image_index: int = Field(description="Which of the partial images, from 0.")
    step: int = Field(description="Steps that are done.")
    total: int


class CompletedEvent(_Event):
    """A finished image."""

    type: Literal["image_generation.completed", "image_edit.completed"]
    model: str
    usage: Usage = Usage()
