"""Jobs: begun, watched, cancelled, kept over restarts, forgotten in the end."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from serving.core import Core
from serving.errors import BusyError, JobStateError, UnknownJobError
from serving.jobs import AT_ONCE, RESTARTED, STOPPED, Job
from serving.requests import EditInput
from serving.schemas import EditRequest, GenerateRequest
from serving.settings import Settings
from tests.serving.fakes import SHAPE, FakeSource, FakeStepper, stepper_card
from zoo.errors import InvalidInputError, UnknownModelError

WAIT = 20
STEPS = "steps.grey"

Start = Callable[..., Core]


@pytest.fixture
def source() -> FakeSource:
    return FakeSource(stepper_card())


@pytest.fixture
def start(source: FakeSource, tmp_path: Path) -> Iterator[Start]:
    """Starts cores over one folder, one after the other or at once, and closes them."""
    made: list[Core] = []

    def core(**settings: Any) -> Core:
        made.append(Core(settings=Settings(**settings), source=source, folder=tmp_path))
        made[-1].start()
        return made[-1]

    yield core
    for one in made:
        one.close()


def stepper(core: Core, source: FakeSource, seconds: float = 0.01) -> FakeStepper:
    asyncio.run(core.load(STEPS))
    found: FakeStepper = source.pipelines[f"{STEPS}@1"]
    found.seconds = seconds
    return found


def asked(**fields: Any) -> GenerateRequest:
    return GenerateRequest(**{"model": STEPS, "seed": 1, "num_inference_steps": 5, **fields})


def written(folder: Path, job: Job) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "jobs" / job.id / "job.json").read_text())
    return found


async def ended(core: Core, job: Job) -> Job:
    await until(lambda: core.jobs.get(job.id).finished is not None)
    return job


async def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < end
        await asyncio.sleep(0.002)


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)


def test_a_job_is_watched_and_gives_what_asking_at_once_would(
    start: Start, source: FakeSource, tmp_path: Path
) -> None:
    core = start()
    stepper(core, source)

    async def work() -> Job:
        job = await core.jobs.submit("generation", asked(num_inference_steps=20, n=2))
        assert job.status == "queued" and core.jobs.get(job.id) is job
        assert written(tmp_path, job)["status"] == "queued"
        with pytest.raises(JobStateError, match="the job is"):
            await core.jobs.result(job.id)
        await until(lambda: job.preview is not None)
        assert job.status == "running" and 0 < job.step < job.total == 20
        assert job.preview is not None and job.preview.shape == (2, *SHAPE)
        await ended(core, job)
        direct = await core.generate(asked(num_inference_steps=20, n=2))
        assert (await core.jobs.result(job.id)).data == direct.data
        return job

    job = run(work())
    assert job.status == "succeeded" and job.error is None and job.preview is None
    assert job.step == job.total == 20
    assert job.started is not None and job.finished is not None
    assert job.created <= job.started <= job.finished
    assert job.request == {"model": STEPS, "seed": 1, "num_inference_steps": 20, "n": 2}


def test_a_finished_job_outlives_its_server(
    start: Start, source: FakeSource, tmp_path: Path
) -> None:
    first = start()
    stepper(first, source, 0)

    async def work() -> Job:
        return await ended(first, await first.jobs.submit("generation", asked()))

    job = run(work())
    data = run(first.jobs.result(job.id)).data
    first.close()
    assert written(tmp_path, job)["status"] == "succeeded"
    second = start()
    assert second.jobs.get(job.id) == job
    assert run(second.jobs.result(job.id)).data == data


def test_what_is_wrong_with_a_request_makes_its_job_fail(start: Start, source: FakeSource) -> None:
    core = start()
    fake = stepper(core, source, 0)

    async def work(request: GenerateRequest) -> Job:
        return await ended(core, await core.jobs.submit("generation", request))

    job = run(work(asked(label="shoo")))
    assert job.status == "failed" and job.error is not None and "did you mean shoe" in job.error
    with pytest.raises(JobStateError, match="shoo"):
        run(core.jobs.result(job.id))

    def crash(*_: Any, **__: Any) -> np.ndarray:
        raise RuntimeError("secret detail")

    fake._images = crash  # type: ignore[method-assign]
    job = run(work(asked()))
    assert job.status == "failed" and job.error is not None and "secret" not in job.error


def test_a_model_or_an_image_that_is_none_is_refused_at_once(start: Start) -> None:
    core = start()
    with pytest.raises(UnknownModelError):
        run(core.jobs.submit("generation", asked(model="steps.gray")))
    request = EditInput(EditRequest(image="file"), b"no image")
    with pytest.raises(InvalidInputError):
        run(core.jobs.submit("edit", request))
    assert core.jobs.list() == []


def test_an_edit_is_a_job_that_holds_small_images(start: Start, source: FakeSource) -> None:
    core = start()
    fake = stepper(core, source, 0)
    image, mask = np.full((64, 64), 9, np.uint8), np.zeros((64, 64), np.uint8)
    request = EditInput(EditRequest(image="file", mask="file", seed=2), image, mask)
    prepared = run(core.prepared(request))
    assert prepared.image.shape == (8, 8, 1) and prepared.mask.shape == (8, 8, 1)

    async def work() -> Job:
        return await ended(core, await core.jobs.submit("edit", request))

    job = run(work())
    assert job.status == "succeeded", job.error
    assert job.request == {"seed": 2} and job.model is None
    assert fake.asked[-1]["image"].max() == 9 and fake.asked[-1]["mask"].max() == 0


def test_a_running_job_is_cancelled_at_its_next_step(
    start: Start, source: FakeSource, tmp_path: Path
) -> None:
    core = start()
    fake = stepper(core, source, 0.02)

    async def work() -> Job:
        job = await core.jobs.submit("generation", asked(num_inference_steps=500))
        await until(lambda: fake.steps >= 3)
        taken = fake.steps
        assert await core.jobs.cancel(job.id) is job
        assert job.status == "cancelled" and job.preview is None
        await core.generate(asked(num_inference_steps=1))
        assert fake.steps <= taken + 3
        # What is finished stays as it is.
        assert (await core.jobs.cancel(job.id)).status == "cancelled"
        return job

    job = run(work())
    core.close()
    assert written(tmp_path, job)["status"] == "cancelled"


def test_waiting_jobs_are_cancelled_without_ever_running_and_bounded(
    start: Start, source: FakeSource
) -> None:
    core = start(max_jobs=2)
    stepper(core, source, 0.02)

    async def work() -> None:
        running = [await core.jobs.submit("generation", asked(num_inference_steps=500))]
        while core.jobs.count()["running"] < AT_ONCE:
            running.append(await core.jobs.submit("generation", asked(num_inference_steps=500)))
            await asyncio.sleep(0)
            await until(lambda: core.jobs.count()["queued"] == 0)
        waiting = [await core.jobs.submit("generation", asked(seed=s)) for s in (7, 8)]
        with pytest.raises(BusyError, match="2 jobs wait"):
            await core.jobs.submit("generation", asked())
        await core.jobs.cancel(waiting[0].id)
        at_once = await core.jobs.submit("generation", asked(seed=9))
        await core.jobs.cancel(at_once.id)
        assert waiting[0].status == at_once.status == "cancelled"
        assert waiting[0].started is at_once.started is None
        for job in running:
            await core.jobs.cancel(job.id)
        assert (await ended(core, waiting[1])).status == "succeeded"
        assert core.jobs.count() == {"cancelled": AT_ONCE + 2, "succeeded": 1}

    run(work())


def test_jobs_that_a_server_left_have_failed_when_the_next_one_starts(
    start: Start, source: FakeSource, tmp_path: Path
) -> None:
    first = start()
    stepper(first, source, 0.02)

    async def work() -> Job:
        job = await first.jobs.submit("generation", asked(num_inference_steps=500))
        await until(lambda: job.status == "running")
        # As a kill leaves it: the file says running, and nobody runs it.
        await until(lambda: written(tmp_path, job)["status"] == "running")
        return job

    loop = asyncio.new_event_loop()
    job = loop.run_until_complete(work())
    folder = tmp_path / "jobs" / job.id
    text = (folder / "job.json").read_text()
    loop.run_until_complete(first.jobs.cancel(job.id))
    loop.close()
    first.close()
    (folder / "job.json").write_text(text)
    (tmp_path / "jobs" / ("0" * 32)).mkdir()
    second = start()
    found = second.jobs.get(job.id)
    assert (found.status, found.error) == ("failed", RESTARTED)
    assert [one.id for one in second.jobs.list()] == [job.id]
    second.close()
    assert written(tmp_path, job)["error"] == RESTARTED


def test_stopping_marks_what_is_not_finished(
    start: Start, source: FakeSource, tmp_path: Path
) -> None:
    core = start()
    fake = stepper(core, source, 0.02)

    async def work() -> Job:
        job = await core.jobs.submit("generation", asked(num_inference_steps=500))
        await until(lambda: fake.steps >= 2)
        core.close()
        await asyncio.sleep(0.05)
        return job

    job = run(work())
    assert (job.status, job.error) == ("failed", STOPPED)
    assert written(tmp_path, job)["error"] == STOPPED
    assert fake.steps < 50


def test_a_second_server_leaves_the_first_ones_jobs_alone(
    start: Start, source: FakeSource, tmp_path: Path
) -> None:
    first = start()
    stepper(first, source, 0.02)

    async def work() -> None:
        job = await first.jobs.submit("generation", asked(num_inference_steps=500))
        await until(lambda: written(tmp_path, job)["status"] == "running")
        second = start()
        assert second.jobs.list() == []
        own = await second.jobs.submit("generation", asked(num_inference_steps=1))
        assert (await ended(second, own)).status == "succeeded"
        assert job.status == written(tmp_path, job)["status"] == "running"
        await first.jobs.cancel(job.id)

    run(work())


def test_finished_jobs_are_forgotten_after_their_time(
    start: Start, source: FakeSource, tmp_path: Path
) -> None:
    core = start(job_hours=1)
    stepper(core, source, 0)

    async def work() -> None:
        old = await ended(core, await core.jobs.submit("generation", asked()))
        young = await ended(core, await core.jobs.submit("generation", asked()))
        assert old.finished is not None
        old.finished -= 3601
        await ended(core, await core.jobs.submit("generation", asked()))
        assert core.jobs.get(young.id) is young
        with pytest.raises(UnknownJobError):
            core.jobs.get(old.id)
        await until(lambda: not (tmp_path / "jobs" / old.id).exists())

    run(work())


@pytest.mark.parametrize("identity", ["", "0" * 32, "../../etc/passwd", "x" * 10_000])
def test_a_job_that_there_is_none_of_is_one_short_line(start: Start, identity: str) -> None:
    with pytest.raises(UnknownJobError) as caught:
        start().jobs.get(identity)
    assert len(str(caught.value)) < 100


def test_jobs_are_counted_for_metrics(start: Start, source: FakeSource) -> None:
    core = start()
    stepper(core, source, 0)

    async def work() -> None:
        await ended(core, await core.jobs.submit("generation", asked()))

    run(work())
    assert 'zoo_jobs{state="succeeded"} 1.0' in core.metrics.render().decode()
