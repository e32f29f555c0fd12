"""The BentoML services: classification, all that makes images, and both.

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
from serving.bodies import validate
from serving.core import TASKS, Core
from serving.errors import describe
from serving.image import image
from serving.layers import layers
from serving.patience import answer_in_time
from serving.requests import classify_input, translate_input
from serving.schemas import (
    ClassifyAnswer,
    ClassifyRequest,
    GenerateAnswer,
    GenerateRequest,
    ImageField,
    PicturesAnswer,
    TranslateRequest,
)
from serving.schemas.common import LabelField
from zoo.errors import ZooError

usage_stats.do_not_track.cache_clear()

Answer = TypeVar("Answer")

# Where BentoML's own clients ask; it reads JSON there, and nothing else shall be read.
_METHODS = ("/classify", "/generate", "/translate")
# What draws, or paints over: slow, and scaled apart from classification.
_IMAGE_TASKS = ("generation", "reconstruction", "translation")


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
            request = classify_input(validate(fields, ClassifyRequest), self.core.settings)
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
        label: LabelField | None = None,
        num_inference_steps: StrictInt | None = None,
        guidance_scale: float | None = None,
    ) -> GenerateAnswer:
        """Draws n images, image i from seed + i."""
        fields = {
            "model": model,
            "n": n,
            "seed": seed,
            "label": label,
            "num_inference_steps": num_inference_steps,
            "guidance_scale": guidance_scale,
        }
        try:
            request = validate(fields, GenerateRequest)
        except ZooError as error:
            return _refusal(error)
        return await self._answer(self.core.generate(request))

    @bentoml.api
    async def translate(
        self,
        images: list[ImageField],
        model: StrictStr | None = None,
        direction: StrictStr | None = None,
    ) -> PicturesAnswer:
        """Turns images of one domain into images of another."""
        try:
            fields = {"images": images, "model": model, "direction": direction}
            request = translate_input(validate(fields, TranslateRequest), self.core.settings)
        except ZooError as error:
            return _refusal(error)
        return await self._answer(self.core.translate(request))


def _refusal(error: ZooError) -> Any:
    """Returns an error as a response, which BentoML passes on whatever the method's type is."""
    status, content, headers = describe(error)
    return JSONResponse({"error": content}, status, headers)


def _serve(name: str, cls: type[_Service]) -> Any:
    """Makes a BentoML service of a class: the app mounted, its layers around all of it."""
    core = cls.core
    settings = core.settings
    service = bentoml.service(
        name=name,
        # Batching is inside the one worker, and a second would hold every model again.
        workers=1,
        # They would make a series of every path that a client thinks of, and its log writes those
        # paths down.
        metrics={"enabled": False},
        logging={"access": {"enabled": False}},
        # A backstop behind our own deadline.
        traffic={"timeout": settings.body_seconds + settings.deadline + 30},
        http={"host": "127.0.0.1", "port": 3000},
        image=image(),
    )(cls)
    service.mount_asgi_app(_Mounted(create_app(core, standalone=False)), path="/")
    for layer, options in layers(settings, core.metrics, _METHODS):
        service.add_asgi_middleware(layer, **options)
    return service


class _ClassificationService(_Classification):
    core = Core(("classification",))


class _GenerationService(_Generation):
    core = Core(_IMAGE_TASKS)


class _ZooService(_Classification, _Generation):
    core = Core(TASKS)


ClassificationService = _serve("classification", _ClassificationService)
GenerationService = _serve("generation", _GenerationService)
ZooService = _serve("zoo", _ZooService)
