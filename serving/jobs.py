"""Generations that take long: asked for now, watched and fetched later, and never lost sight of."""

from __future__ import annotations

import asyncio
import collections
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from serving.errors import BusyError, JobStateError, UnknownJobError, describe
from serving.job_folder import Job, JobFolder, JobState, Kind
from serving.requests import EditInput
from serving.schemas import EditRequest, GenerateAnswer, GenerateRequest
from serving.watching import Watch

if TYPE_CHECKING:
    from serving.core import Core

__all__ = ["AT_ONCE", "RESTARTED", "STOPPED", "Job", "Jobs"]

RESTARTED = "the server was restarted"
STOPPED = "the server was stopped"

# Jobs that run at once; fewer than a model's calls, of which some are left for others.
AT_ONCE = 2
# Images of the way that a job shows at most.
_PREVIEWS = 10
_UNFINISHED = ("queued", "running")


class Jobs:
    """The jobs of one service, each in a folder of its own: `job.json` and, in the end, its result.

    Args:
        core: What generates.
        folder: Where the folders are.
    """

    def __init__(self, core: Core, folder: Path) -> None:
        self._core = core
        self._folder = JobFolder(folder)
        self._jobs: dict[str, Job] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._gate = asyncio.Semaphore(AT_ONCE)
        self._closed = False
        core.metrics.watch_jobs(self.count)

    def start(self) -> None:
        """Reads the jobs of earlier processes; those that were not finished have failed.

        Where another process is at work in the folder, its jobs are left to it.
        """
        for job in self._folder.read():
            self._jobs[job.id] = job
            if job.status in _UNFINISHED:
                self._end(job, "failed", RESTARTED)
        self._forget_old()

    def close(self) -> None:
        """Fails what is not finished, and says so in its file."""
        self._closed = True
        for job in tuple(self._jobs.values()):
            if job.status in _UNFINISHED:
                self._end(job, "failed", STOPPED)
        for task in tuple(self._tasks.values()):
            loop = task.get_loop()
            if not loop.is_closed():
                loop.call_soon_threadsafe(task.cancel)
        self._folder.close()

    async def submit(self, kind: Kind, request: GenerateRequest | EditInput) -> Job:
        """Begins a job, which goes on when whoever asked for it leaves.

        Args:
            kind: `edit` for an `EditInput`.
            request: As for `Core.generate` and `Core.edit`. Its model must be there, and its images
                be some; what else is wrong with it makes the job fail.

        Raises:
            BusyError: when as many jobs wait as may.
            UnknownModelError, MalformedRequestError, InvalidInputError: for the model or an image.
        """
        waiting = self.count()["queued"]
        if waiting >= self._core.settings.max_jobs:
            raise BusyError(f"{waiting} jobs wait and no more may; try again later", 30)
        if isinstance(request, EditInput):
            # A job that waits holds small images and not what was sent.
            request = await self._core.prepared(request)
            fields: GenerateRequest | EditRequest = request.fields
        else:
            fields = request
            self._core.models.card(self._core.named(fields.model, "generate"))
        self._forget_old()
        told = fields.model_dump(mode="json", exclude={"image", "mask"}, exclude_none=True)
        job = Job(uuid.uuid4().hex, kind, fields.model, told, time.time())
        self._jobs[job.id] = job
        try:
            await asyncio.wrap_future(self._folder.write(job))
        except BaseException:
            # Nobody has been told of it.
            del self._jobs[job.id]
            self._folder.remove(job)
            raise
        task = asyncio.create_task(self._run(job, request))
        self._tasks[job.id] = task
        task.add_done_callback(lambda _: self._tasks.pop(job.id, None))
        return job

    def get(self, identity: str) -> Job:
        """Returns a job.

        Raises:
            UnknownJobError: when there is none, or none any more.
        """
        job = self._jobs.get(identity)
        if job is None:
            raise UnknownJobError(f"there is no job {identity[:40]!r}")
        return job

    def list(self) -> Sequence[Job]:
        """Returns all jobs that are kept, newest first."""
        return sorted(self._jobs.values(), key=lambda job: job.created, reverse=True)

    async def result(self, identity: str) -> GenerateAnswer:
        """Returns what a job has made.

        Raises:
            UnknownJobError: as for `get`.
            JobStateError: when it has made nothing, or not yet.
        """
        job = self.get(identity)
        if job.status != "succeeded":
            reason = f": {job.error}" if job.error else ""
            raise JobStateError(f"the job is {job.status}{reason}; it has no result")
        text = await asyncio.wrap_future(self._folder.read_result(job))
        return GenerateAnswer.model_validate_json(text)

    async def cancel(self, identity: str) -> Job:
        """Cancels a job: one that waits at once, one that runs at its next sampling step.

        One that is finished stays as it is.

        Raises:
            UnknownJobError: as for `get`.
        """
        job = self.get(identity)
        task = self._tasks.get(identity)
        if task is not None and job.status in _UNFINISHED:
            task.cancel()
            await asyncio.wait([task])
            if job.status in _UNFINISHED and not self._closed:
                # It had not even begun to wait.
                self._end(job, "cancelled")
        return job

    def count(self) -> collections.Counter[str]:
        """Returns how many jobs are in each state."""
        return collections.Counter(job.status for job in tuple(self._jobs.values()))

    async def _run(self, job: Job, request: GenerateRequest | EditInput) -> None:
        try:
            async with self._gate:
                job.status, job.started = "running", time.time()
                self._folder.write(job)
                watch = Watch(_PREVIEWS, _noting(job))
                if isinstance(request, EditInput):
                    answer = await self._core.edit(request, watch)
                else:
                    answer = await self._core.generate(request, watch)
            text = answer.model_dump_json()
            await asyncio.wrap_future(self._folder.write_result(job, text))
            self._end(job, "succeeded")
        except asyncio.CancelledError:
            if not self._closed:
                self._end(job, "cancelled")
        except Exception as error:  # noqa: BLE001 - whatever it was, the job must not stay unfinished
            if not self._closed:
                _, content, _ = describe(error)
                self._end(job, "failed", content["message"])

    def _end(self, job: Job, status: JobState, error: str | None = None) -> None:
        job.status, job.error, job.finished, job.preview = status, error, time.time(), None
        self._folder.write(job)

    def _forget_old(self) -> None:
        """Removes jobs that were finished long enough ago."""
        before = time.time() - self._core.settings.job_hours * 3600
        for job in tuple(self._jobs.values()):
            if job.finished is not None and job.finished < before:
                del self._jobs[job.id]
                self._folder.remove(job)


def _noting(job: Job) -> Callable[[int, int, np.ndarray | None], None]:
    """Returns what writes the steps of a running job into it."""

    def note(step: int, total: int, preview: np.ndarray | None) -> None:
        if job.status == "running":
            job.step, job.total = step, total
            if preview is not None:
                job.preview = preview

    return note
