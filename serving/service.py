"""The BentoML services: classification, generation, and both.

    bentoml serve serving.service:ZooService

Each has typed methods for BentoML's clients and mounts the app for everyone else. The process
that supervises the workers imports this module too, so nothing here imports a framework; a
service does when a worker makes it.
"""

from __future__ import annotations

import os

# Before BentoML is imported: it would send usage statistics at start. Its command line imports it
# first and remembers the answer, hence the second step below.
os.environ["BENTOML_DO_NOT_TRACK"] = "true"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from collections.abc import Coroutine
from typing import Any, TypeVar

import bentoml
from bentoml._internal.utils.analytics import usage_stats
from pydantic import StrictInt, StrictStr
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from serving.app import create_app
from serving.core import TASKS, Core
from serving.envelope import Envelope
from serving.errors import describe
from serving.limits import BodyLimit, JsonOnly
from serving.patience import answer_in_time
from serving.requests import classify_input, validate
from serving.schemas import (
    ClassifyAnswer,
    ClassifyRequest,
    GenerateAnswer,
    GenerateRequest,
    ImageField,
)
from zoo.errors import ZooError

usage_stats.do_not_track.cache_clear()

Answer = TypeVar("Answer")

# One worker: batching is inside it, and a second would hold every model again. BentoML's own
# metrics make a series of every path a client thinks of. Its timer is a backstop behind ours.
_CONFIG: dict[str, Any] = {
    "workers": 1,
    "metrics": {"enabled": False},
    "traffic": {"timeout": 90},
    "http": {"host": "127.0.0.1", "port": 3000},
}


class _Mounted:
    """Hides the app's class: BentoML would send paths it does not know to pages of its own."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


class _Service:
    """What the services share. A subclass sets `core`."""

    core: Core

    def __init__(self) -> None:
        self.core.start()

    def __is_ready__(self) -> bool:
        return self.core.ready

    @bentoml.on_shutdown
    def close(self) -> None:
        self.core.close()

    async def _answer(self, work: Coroutine[Any, Any, Answer]) -> Answer:
        """Turns errors into answers here, where their kind and near names are still known."""
        try:
            return await answer_in_time(work, self.core.settings.deadline)
        except ZooError as error:
            return _refusal(error)


class _Classification(_Service):
    @bentoml.api
    async def classify(
        self,
        images: list[ImageField],
        model: StrictStr | None = None,
        top_k: StrictInt | None = None,
    ) -> ClassifyAnswer:
        """Labels images: base64, data URLs or nested lists of pixels."""
        try:
            fields = {"images": images, "model": model, "top_k": top_k}
            request = classify_input(validate(fields, ClassifyRequest))
        except ZooError as error:
            return _refusal(error)
        return await self._answer(self.core.classify(request))


class _Generation(_Service):
    @bentoml.api
    async def generate(
        self,
        model: StrictStr | None = None,
        n: StrictInt = 1,
        seed: StrictInt | None = None,
    ) -> GenerateAnswer:
        """Draws n images, image i from seed + i."""
        try:
            request = validate({"model": model, "n": n, "seed": seed}, GenerateRequest)
        except ZooError as error:
            return _refusal(error)
        return await self._answer(self.core.generate(request))


def _refusal(error: ZooError) -> Any:
    """Returns an error as a response, which BentoML passes on whatever the method's type is."""
    status, content, headers = describe(error)
    return JSONResponse({"error": content}, status, headers)


def _serve(name: str, cls: type[_Service]) -> Any:
    """Makes a BentoML service of a class: the app mounted, the envelope around all of it."""
    service = bentoml.service(name=name, **_CONFIG)(cls)
    core = cls.core
    service.mount_asgi_app(_Mounted(create_app(core, standalone=False)), path="/")
    service.add_asgi_middleware(Envelope, metrics=core.metrics)
    service.add_asgi_middleware(BodyLimit, limit=core.settings.max_body)
    service.add_asgi_middleware(JsonOnly, paths=("/classify", "/generate"))
    return service


class _ClassificationService(_Classification):
    core = Core(TASKS[:1])


class _GenerationService(_Generation):
    core = Core(TASKS[1:])


class _ZooService(_Classification, _Generation):
    core = Core(TASKS)


ClassificationService = _serve("classification", _ClassificationService)
GenerationService = _serve("generation", _GenerationService)
ZooService = _serve("zoo", _ZooService)
