"""Generations that are asked for now and fetched later."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from serving.schemas.common import Body, Picture
from serving.schemas.drawing import EditRequest, GenerateRequest


class GenerationJob(Body):
    """Images to be drawn."""

    kind: Literal["generation"]
    request: GenerateRequest


class EditJob(Body):
    """Images to be drawn that begin from an image."""

    kind: Literal["edit"]
    request: EditRequest


class Progress(BaseModel):
    """Sampling steps that are done; `total` is 0 until it is known."""

    step: int
    total: int


class JobAnswer(BaseModel):
    """Where a job is. Times are seconds since 1970."""

    id: str
    object: Literal["job"] = "job"
    kind: Literal["generation", "edit"]
    status: Literal["queued", "running", "succeeded", "failed", "cancelled"]
    model: str | None = Field(description="As the request names it.")
    request: dict[str, Any] = Field(description="The request without its images.")
    created_at: float
    started_at: float | None = None
    finished_at: float | None = None
    progress: Progress
    error: str | None = Field(default=None, description="Why it failed.")
    preview: list[Picture] | None = Field(
        default=None, description="The images as they are expected now, while it runs."
    )


class JobList(BaseModel):
    """All jobs that are kept, newest first, without previews."""

    object: Literal["list"] = "list"
    data: list[JobAnswer]
