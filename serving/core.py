"""What the service does, without HTTP: the BentoML methods and the mounted app both call it."""

from __future__ import annotations

import asyncio
import base64
import math
import secrets
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import numpy as np

from serving.decoding import open_picture
from serving.errors import BusyError, MalformedRequestError
from serving.manager import Loaded, ModelManager, Source, StoreSource
from serving.metrics import Metrics
from serving.requests import ClassifyInput
from serving.schemas import (
    MAX_SEED,
    ClassifyAnswer,
    GenerateAnswer,
    GeneratedImage,
    GenerateRequest,
    Label,
    ModelCard,
    ModelEntry,
    ModelList,
    ModelMetric,
)
from serving.settings import Settings
from zoo.cards import Card
from zoo.errors import InvalidInputError

TASKS = ("classification", "generation")


class Core:
    """Models, their queues and the two things one can ask of them.

    Making one is cheap and imports no framework; `start` does.

    Args:
        tasks: Tasks that this service answers.
        settings: Limits; by default those of the environment.
        source: Where models come from; by default the store.
    """

    def __init__(
        self,
        tasks: Sequence[str] = TASKS,
        settings: Settings | None = None,
        source: Source | None = None,
    ) -> None:
        self.settings = settings or Settings.from_environment()
        self.metrics = Metrics()
        self.models = ModelManager(tasks, self.settings, self.metrics, source or StoreSource())
        self.ready = False
        self._decoding = 0
        self._decoders = ThreadPoolExecutor(
            self.settings.decoders, thread_name_prefix="image decoder"
        )

    def start(self) -> None:
        """Imports the runtime, which takes seconds, before the first user has to wait for it."""
        from zoo.backend import import_backend

        import_backend()
        import zoo.runtime  # noqa: F401

        self.ready = True

    def close(self) -> None:
        """Ends all threads."""
        self.ready = False
        self._decoders.shutdown(wait=False, cancel_futures=True)
        self.models.close()

    def list_models(self) -> ModelList:
        """Returns what is served."""
        return ModelList(data=[ModelEntry(**self._entry(card)) for card in self.models.cards()])

    def show_model(self, reference: str) -> ModelCard:
        """Returns a model with its complete card."""
        card = self.models.card(reference)
        return ModelCard(**self._entry(card, reference), card=card.to_dict())

    async def classify(self, request: ClassifyInput) -> ClassifyAnswer:
        """Labels images.

        Raises:
            UnknownModelError, InvalidInputError, MalformedRequestError, BusyError.
        """
        model = await self._model(request.model, "classification")
        labels = len(model.pipeline.labels)
        top_k = min(3, labels) if request.top_k is None else request.top_k
        if not 1 <= top_k <= labels:
            raise InvalidInputError(f"top_k must be 1 to {labels} for {model.id}, got {top_k}")
        rows = await self._decode(model, request.images)
        ranked = model.pipeline.ranked(await model.run(rows), top_k)
        return ClassifyAnswer(
            model=model.id,
            predictions=[
                [Label(label=label, score=score) for label, score in pairs] for pairs in ranked
            ],
        )

    async def generate(self, request: GenerateRequest) -> GenerateAnswer:
        """Draws images, or the way between two of them.

        Raises:
            UnknownModelError, InvalidInputError, MalformedRequestError, BusyError.
        """
        _check_formats(request)
        model = await self._model(request.model, "generation")
        height, width = model.card.output["shape"][:2]
        size = f"{width}x{height}"
        if request.size not in (None, "auto", size):
            raise InvalidInputError(f"{model.id} draws {size}, got size {request.size[:20]!r}")
        seed = secrets.randbelow(2**31) if request.seed is None else request.seed
        latents, about = _latents(model.pipeline, request, seed)
        images = await model.run(latents)
        encoded = await asyncio.to_thread(_encode, images)
        data = [
            GeneratedImage(b64_json=text, **fields)
            for text, fields in zip(encoded, about, strict=True)
        ]
        return GenerateAnswer(created=int(time.time()), model=model.id, size=size, data=data)

    async def _model(self, reference: str | None, task: str) -> Loaded:
        if reference is None:
            names = [card.name for card in self.models.cards(task)]
            if len(names) != 1:
                raise MalformedRequestError(
                    f"name a model: this service has {len(names)} for {task}", near=names
                )
            reference = names[0]
        return await self.models.get(reference, task)

    async def _decode(self, model: Loaded, images: Sequence[bytes | np.ndarray]) -> np.ndarray:
        """Turns images into rows on a thread, and refuses what would pile up before it.

        Raises:
            BusyError: when too many requests wait to be decoded.
        """
        if self._decoding >= self.settings.max_decoding:
            raise BusyError(f"{self._decoding} requests wait to be decoded; try again", 1)
        self._decoding += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._decoders, self._rows, model, images)
        finally:
            self._decoding -= 1

    def _rows(self, model: Loaded, images: Sequence[bytes | np.ndarray]) -> np.ndarray:
        """Turns images into rows one by one, so that one decoded image is in memory at a time."""
        rows = []
        for index, image in enumerate(images):
            try:
                if isinstance(image, bytes):
                    picture = open_picture(image, self.settings.max_pixels)
                    rows.append(model.pipeline.rows(picture))
                else:
                    rows.append(model.pipeline.rows([image]))
            except InvalidInputError as error:
                where = f"images[{index}]: " if len(images) > 1 else ""
                raise InvalidInputError(f"{where}{error}") from error
        together = np.concatenate(rows)
        if len(together) != len(images):
            raise InvalidInputError(
                f"expected one image in each place, got {len(together)} in {len(images)}"
            )
        return together

    def _entry(self, card: Card, reference: str | None = None) -> dict[str, Any]:
        return {
            "id": reference or card.name,
            "created": _unix_time(card.created),
            "owned_by": "keras-model-zoo",
            "task": card.task,
            "version": card.version,
            "versions": self.models.versions(card.name),
            "family": card.family,
            "paper": card.paper,
            "labels": card.labels,
            "input": card.input,
            "output": {name: value for name, value in card.output.items() if name != "labels"},
            "metrics": [
                ModelMetric(name=m.name, value=m.value, split=m.split, n=m.n)
                for m in card.metrics
                if math.isfinite(m.value)
            ],
            "parameters": sum(card.parameters.values()),
            "licence": card.licence,
        }


def _check_formats(request: GenerateRequest) -> None:
    if request.response_format not in (None, "b64_json"):
        raise InvalidInputError(
            "response_format must be b64_json; images are in the answer, this server makes no URLs"
        )
    if request.output_format not in (None, "png"):
        raise InvalidInputError("output_format must be png")
    if request.interpolate is not None and request.n not in (None, 1):
        raise InvalidInputError("interpolate says the number of images with steps; leave out n")


def _latents(
    pipeline: Any, request: GenerateRequest, seed: int
) -> tuple[np.ndarray, list[dict[str, Any]]]:
    """Returns latents, and what the answer says about each of them."""
    if request.interpolate is not None:
        way = request.interpolate
        latents = pipeline.path(seed, way.to_seed, way.steps)
        return latents, [{"position": i / (way.steps - 1)} for i in range(way.steps)]
    n = request.n or 1
    if seed + n - 1 > MAX_SEED:
        raise InvalidInputError(f"the seeds of n images end at seed + n - 1, at most {MAX_SEED}")
    return pipeline.rows(n, seed), [{"seed": seed + i} for i in range(n)]


def _encode(images: np.ndarray) -> list[str]:
    from zoo.images import encode_png

    return [base64.b64encode(encode_png(image)).decode() for image in images]


def _unix_time(created: str) -> int:
    try:
        return int(datetime.fromisoformat(created).timestamp())
    except ValueError:
        return 0
