"""Long generations: asked for now, watched, cancelled or fetched later."""

from __future__ import annotations

import asyncio
from enum import Enum

from fastapi import FastAPI, Request, Response

from serving.bodies import read_object, validate
from serving.core import Core
from serving.errors import MalformedRequestError
from serving.jobs import Job
from serving.pictures import encoded
from serving.protocols.documents import READING, SENDING, body, errors, names
from serving.requests import EditInput, edit_input
from serving.schemas import EditRequest, GenerateAnswer, GenerateRequest, Picture
from serving.schemas.jobs import EditJob, GenerationJob, JobAnswer, JobList, Progress

_TAGS: list[str | Enum] = ["jobs"]
_ID = "As the job was answered with"


def add_routes(app: FastAPI, core: Core) -> None:
    """Adds the paths, if the service draws."""
    if "generation" not in core.models.tasks:
        return

    @app.post(
        "/v1/jobs",
        tags=_TAGS,
        summary="Begin a long generation",
        status_code=202,
        responses={
            202: {
                "description": "It is begun, or waits",
                "headers": {
                    "Location": {
                        "description": "Where the job is",
                        "required": True,
                        "schema": {"type": "string"},
                    }
                },
            },
            **errors(*SENDING),
        },
        openapi_extra=body(GenerationJob, EditJob),
    )
    async def submit(request: Request, response: Response) -> JobAnswer:
        """Goes on when whoever asked for it leaves. A restart of the server makes it fail."""
        asked = _asked(await read_object(request))
        if isinstance(asked, EditInput):
            job = await core.jobs.submit("edit", asked)
        else:
            job = await core.jobs.submit("generation", asked)
        response.headers["Location"] = f"/v1/jobs/{job.id}"
        return await _shown(job)

    @app.get("/v1/jobs", tags=_TAGS, summary="All jobs", responses=errors(401, 500))
    async def list_jobs() -> JobList:
        """Those that are not finished, and the others for some hours."""
        return JobList(data=[_described(job) for job in core.jobs.list()])

    @app.get(
        "/v1/jobs/{id}",
        tags=_TAGS,
        summary="A job",
        responses=errors(*READING),
        openapi_extra=names(id=_ID),
    )
    async def show(request: Request) -> JobAnswer:
        """Where it is and, while it runs, its images as they are expected then."""
        return await _shown(core.jobs.get(request.path_params["id"]))

    @app.get(
        "/v1/jobs/{id}/result",
        tags=_TAGS,
        summary="What a job has made",
        responses=errors(409, *READING),
        response_model_exclude_none=True,
        openapi_extra=names(id=_ID),
    )
    async def result(request: Request) -> GenerateAnswer:
        """As the path that draws at once would have answered."""
        return await core.jobs.result(request.path_params["id"])

    @app.delete(
        "/v1/jobs/{id}",
        tags=_TAGS,
        summary="Cancel a job",
        responses=errors(*READING),
        openapi_extra=names(id=_ID),
    )
    async def cancel(request: Request) -> JobAnswer:
        """One that runs stops at its next sampling step; one that is finished stays as it is."""
        return await _shown(await core.jobs.cancel(request.path_params["id"]))


def _asked(fields: dict[str, object]) -> GenerateRequest | EditInput:
    asked: GenerateRequest | EditRequest
    if fields.get("kind") == "generation":
        asked = validate(fields, GenerationJob).request
    elif fields.get("kind") == "edit":
        asked = validate(fields, EditJob).request
    else:
        raise MalformedRequestError("kind must be generation or edit")
    if asked.stream or asked.partial_images:
        raise MalformedRequestError("a job is watched at its own path; leave out request.stream")
    return edit_input(asked) if isinstance(asked, EditRequest) else asked


async def _shown(job: Job) -> JobAnswer:
    answer, preview = _described(job), job.preview
    if preview is not None:
        texts = await asyncio.to_thread(encoded, preview)
        answer.preview = [Picture(b64_json=text) for text in texts]
    return answer


def _described(job: Job) -> JobAnswer:
    return JobAnswer(
        id=job.id,
        kind=job.kind,
        status=job.status,
        model=job.model,
        request=job.request,
        created_at=job.created,
        started_at=job.started,
        finished_at=job.finished,
        progress=Progress(step=job.step, total=job.total),
        error=job.error,
    )
