"""Shapes of errors."""

from __future__ import annotations

from pydantic import BaseModel, Field


class ErrorDetail(BaseModel):
    """What went wrong, in one line."""

    type: str
    message: str
    request_id: str
    near: list[str] = Field(description="Known names close to an unknown one, best first.")


class ErrorAnswer(BaseModel):
    """Every error of our own paths has this shape."""

    error: ErrorDetail


class ForeignError(BaseModel):
    """Errors of the Open Inference Protocol, TensorFlow Serving and Hugging Face."""

    error: str
