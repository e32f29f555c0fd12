"""Jobs as they are written down, so that none is lost with the process that runs it.

<folder>/<id>/job.json, and result.json in the end
"""

from __future__ import annotations

import dataclasses
import fcntl
import json
import logging
import re
import shutil
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal, TextIO

import numpy as np

from zoo import files

logger = logging.getLogger("serving")

Kind = Literal["generation", "edit"]
JobState = Literal["queued", "running", "succeeded", "failed", "cancelled"]

_ID = re.compile(r"[0-9a-f]{32}")


@dataclasses.dataclass
class Job:
    """A generation that somebody asked for.

    Args:
        id: 32 hexadecimal digits.
        kind: What it does.
        model: As the request names it; None for the only one that there is.
        request: The fields of the request, without images.
        created: Seconds since 1970, as all times.
        status: Where it is.
        started: When it began to run.
        finished: When it ended, however it did.
        error: Why it failed, in one line.
        step: Sampling steps that are done.
        total: Of how many, 0 until that is known.
        preview: The images as they are expected now, uint8 (n, height, width, channels).
    """

    id: str
    kind: Kind
    model: str | None
    request: dict[str, Any]
    created: float
    status: JobState = "queued"
    started: float | None = None
    finished: float | None = None
    error: str | None = None
    step: int = 0
    total: int = 0
    preview: np.ndarray | None = None

    def record(self) -> dict[str, Any]:
        """Returns what is written down, as JSON holds it: all but the preview."""
        fields = dataclasses.fields(self)
        return {
            field.name: getattr(self, field.name) for field in fields if field.name != "preview"
        }


class JobFolder:
    """Where jobs are written, each file whole or not at all, by one thread in the order of asking.

    Args:
        folder: It is made when there is something to write.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._disk = ThreadPoolExecutor(1, thread_name_prefix="jobs")
        self._lock: TextIO | None = None

    def read(self) -> Iterator[Job]:
        """Yields the jobs that are there; none where another process is at work in the folder."""
        if not self._folder.is_dir() or not self._hold():
            return
        for path in sorted(self._folder.iterdir()):
            job = _read(path) if _ID.fullmatch(path.name) else None
            if job is not None:
                yield job

    def write(self, job: Job) -> Future[None]:
        """Writes a job as it is now."""
        text = json.dumps(job.record(), indent=2, ensure_ascii=False) + "\n"
        return self._disk.submit(self._keep, job, "job.json", text)

    def write_result(self, job: Job, text: str) -> Future[None]:
        """Writes what a job has made, as JSON."""
        return self._disk.submit(self._keep, job, "result.json", text)

    def read_result(self, job: Job) -> Future[str]:
        """Reads what a job has made."""
        return self._disk.submit((self._folder / job.id / "result.json").read_text, "utf-8")

    def remove(self, job: Job) -> None:
        """Removes a job and its result."""
        self._disk.submit(shutil.rmtree, self._folder / job.id, ignore_errors=True)

    def close(self) -> None:
        """Writes what is to be written, and leaves the folder to others."""
        self._disk.shutdown(wait=True)
        if self._lock is not None:
            self._lock.close()

    def _keep(self, job: Job, name: str, text: str) -> None:
        self._hold()
        files.write_text(self._folder / job.id / name, text)

    def _hold(self) -> bool:
        """Says whether the folder is this process's, and makes it so where it is nobody's."""
        if self._lock is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            file = (self._folder / "lock").open("w")
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.close()
                return False
            self._lock = file
        return True


def _read(folder: Path) -> Job | None:
    """Reads a job that was kept; one that cannot be read is logged and left where it is."""
    try:
        return Job(**json.loads((folder / "job.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        logger.warning("the job in %s cannot be read: %s", folder, error)
        return None
