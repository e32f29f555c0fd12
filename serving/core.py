"""What the service does, without HTTP: every protocol asks here and shapes the answer."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from serving.abilities import Ability, abilities_of
from serving.batching import Watch
from serving.describing import described
from serving.drawing import drawing_of, size_of
from serving.errors import BusyError, MalformedRequestError
from serving.jobs import Jobs
from serving.manager import Loaded, ModelManager, Source, StoreSource
from serving.metrics import Metrics
from serving.pictures import encoded, image_and_mask, rows_of
from serving.requests import ClassifyInput, EditInput, Image, ReconstructInput, TranslateInput
from serving.schemas import (
    ClassifyAnswer,
    EditRequest,
    GenerateAnswer,
    GeneratedImage,
    GenerateRequest,
    Label,
    ModelCard,
    ModelEntry,
    ModelList,
    Picture,
    PicturesAnswer,
    State,
)
from serving.settings import Settings
from serving.tensors import Inference, check_rows, outputs_of
from zoo import paths
from zoo.cards import Card
from zoo.errors import InvalidInputError, UnknownModelError

TASKS = ("classification", "generation", "reconstruction", "translation")

Result = TypeVar("Result")


class Core:
    """Models, their queues, jobs, and all that one can ask of them.

    Making one is cheap and imports no framework. Whoever cancels a task that waits for an answer
    takes its rows out of the queue, or has their sampling stopped at its next step.

    Args:
        tasks: Tasks that this service answers.
        settings: Limits; by default those of the environment.
        source: Where models come from; by default the store.
        folder: What is kept between starts; by default `$ZOO_HOME/serving`.
    """

    def __init__(
        self,
        tasks: Sequence[str] = TASKS,
        settings: Settings | None = None,
        source: Source | None = None,
        folder: Path | None = None,
    ) -> None:
        self.settings = settings or Settings.from_environment()
        self.metrics = Metrics()
        folder = folder or paths.home() / "serving"
        self.models = ModelManager(
            tasks,
            self.settings,
            self.metrics,
            source or StoreSource(self.settings.runtime),
            folder / "labels.json",
        )
        self.jobs = Jobs(self, folder / "jobs")
        self.ready = False
        self._decoding = 0
        self._decoders = ThreadPoolExecutor(
            self.settings.decoders, thread_name_prefix="image decoder"
        )

    def start(self) -> None:
        """Takes requests from now on; jobs that an earlier process left unfinished have failed."""
        if self.settings.runtime == "keras":
            from zoo.backend import import_backend

            # It takes seconds, for which no user shall have to wait.
            import_backend()
        self.jobs.start()
        self.ready = True

    def close(self) -> None:
        """Fails unfinished jobs and ends all threads."""
        self.ready = False
        self.jobs.close()
        self._decoders.shutdown(wait=False, cancel_futures=True)
        self.models.close()

    async def classify(self, request: ClassifyInput) -> ClassifyAnswer:
        """Labels images.

        Raises:
            UnknownModelError, InvalidInputError, MalformedRequestError, BusyError.
        """
        async with self._using(request.model, "classify") as model:
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

    async def translate(self, request: TranslateInput) -> PicturesAnswer:
        """Turns images into ones of another domain; raises as `classify`."""
        async with self._using(request.model, "translate") as model:
            direction = request.direction or model.pipeline.directions[0]
            rows = await self._decode(model, request.images)
            images = await model.run(rows, {"direction": direction})
        return await self._pictures(model, images, direction)

    async def reconstruct(self, request: ReconstructInput) -> PicturesAnswer:
        """Sends images through their codes; raises as `classify`."""
        async with self._using(request.model, "reconstruct") as model:
            rows = await self._decode(model, request.images)
            images = await model.run(rows, function=model.pipeline.reconstructed)
        return await self._pictures(model, images)

    async def generate(
        self, request: GenerateRequest, watch: Watch | None = None
    ) -> GenerateAnswer:
        """Draws images, or the way between two of them.

        Args:
            request: What is asked for.
            watch: Who is shown the images on their way, where they come step by step.

        Raises:
            UnknownModelError, InvalidInputError, MalformedRequestError, BusyError.
        """
        async with self._using(request.model, "generate") as model:
            return await self._drawn(model, request, watch)

    async def edit(self, request: EditInput, watch: Watch | None = None) -> GenerateAnswer:
        """Draws images that begin from one, or paints where a mask says so; as `generate`."""
        async with self._using(request.fields.model, "edit") as model:
            image, mask = await self._image_and_mask(request, model.card)
            begun = {"image": image, "mask": mask, "strength": request.fields.strength}
            return await self._drawn(model, request.fields, watch, begun)

    async def infer(self, model: str, rows: np.ndarray, function: str | None = None) -> Inference:
        """Gives rows to a model as they are.

        Args:
            model: `name`, `name@version` or `name@label`.
            rows: float32 (n, …) of the shape on the card; for pixels also uint8.
            function: Which of the card's outputs, see `serving.tensors.outputs_of`; by default
                the first.

        Raises:
            UnknownModelError, BusyError.
            InvalidInputError: for an unknown function, rows of another shape or dtype, too many, or
                such as are not finite.
        """
        async with self._using(model) as loaded:
            outputs = outputs_of(loaded.card)
            name = next(iter(outputs)) if function is None else function
            if name not in outputs:
                raise InvalidInputError(
                    f"{loaded.id} has the output {' or '.join(outputs)}, got {name[:40]!r}"
                )
            given = check_rows(rows, loaded.card, self.settings.max_images)
            return Inference(loaded.card, name, await loaded.run(given, outputs[name].options))

    async def list_models(self) -> ModelList:
        """Returns what is served, each in its newest version."""
        cards = self.models.cards()
        return ModelList(data=[ModelEntry(**self._entry(card)) for card in cards])

    async def show_model(self, reference: str) -> ModelCard:
        """Returns a model with its complete card; of a bare name that of its newest version."""
        card = self.models.card(reference)
        return ModelCard(**self._entry(card, reference), card=card.to_dict())

    async def load(self, reference: str) -> ModelEntry:
        """Has a model in memory and warm.

        Raises:
            UnknownModelError, CorruptModelError.
        """
        await self.models.load(reference)
        return self._shown(reference)

    async def unload(self, reference: str) -> ModelEntry:
        """Frees a version or, of a bare name, all; what waits for it is answered before.

        Its next request loads it again.

        Raises:
            UnknownModelError.
        """
        await self.models.unload(reference)
        return self._shown(reference)

    async def state(self, reference: str) -> State:
        """Returns the state of a version; of a bare name that of the one that answers for it.

        Raises:
            UnknownModelError.
        """
        return self.models.state(reference)

    async def set_labels(
        self, name: str, labels: Mapping[str, int], weights: Mapping[str, float] | None = None
    ) -> None:
        """Names versions of a model, and says how its requests are shared out.

        What is in use stays so: versions that get requests from now on are loaded before.

        Args:
            name: A model.
            labels: Versions by their labels, such as `{"stable": 1, "canary": 2}`; all that there
                shall be. None of them takes the labels away.
            weights: Shares of the requests that name no version, by label; without any they
                all get the newest version.

        Raises:
            UnknownModelError: for a model or a version that is not there.
            InvalidInputError: for labels or weights that are none.
        """
        await self.models.set_labels(name, labels, weights)

    def named(self, reference: str | None, ability: Ability | None) -> str:
        """Returns a reference as it is; where there is one model that is able, none is needed.

        Raises:
            MalformedRequestError: when there is none or several, with their names.
        """
        if reference is not None:
            return reference
        able = [card.name for card in self.models.cards() if ability in abilities_of(card)]
        if len(able) != 1:
            raise MalformedRequestError(
                f"name a model: this service has {len(able)} that {ability}", near=able
            )
        return able[0]

    async def prepared(self, request: EditInput) -> EditInput:
        """Returns an edit request with its images decoded and of the size that is drawn.

        Raises:
            UnknownModelError, InvalidInputError, MalformedRequestError, BusyError.
        """
        card = self.models.card(self.named(request.fields.model, "edit"))
        image, mask = await self._image_and_mask(request, card)
        return dataclasses.replace(request, image=image[0], mask=None if mask is None else mask[0])

    async def _image_and_mask(
        self, request: EditInput, card: Card
    ) -> tuple[np.ndarray, np.ndarray | None]:
        shape, most = card.output["shape"], self.settings.max_pixels
        return await self._on_thread(image_and_mask, request.image, request.mask, shape, most)

    def _using(
        self, reference: str | None, ability: Ability | None = None
    ) -> AbstractAsyncContextManager[Loaded]:
        """Gives a model that can do what is asked for."""
        return self.models.use(self.named(reference, ability), ability)

    async def _decode(self, model: Loaded, images: Sequence[Image]) -> np.ndarray:
        return await self._on_thread(self._rows, model, images)

    def _rows(self, model: Loaded, images: Sequence[Image]) -> np.ndarray:
        return rows_of(images, model.pipeline.input_shape, self.settings.max_pixels)

    async def _on_thread(self, work: Callable[..., Result], *arguments: Any) -> Result:
        """Decodes on a thread, and refuses what would pile up before it.

        Raises:
            BusyError: when too many requests wait to be decoded.
        """
        if self._decoding >= self.settings.max_decoding:
            raise BusyError(f"{self._decoding} requests wait to be decoded; try again", 1)
        self._decoding += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._decoders, work, *arguments)
        finally:
            self._decoding -= 1

    async def _drawn(
        self,
        model: Loaded,
        request: GenerateRequest | EditRequest,
        watch: Watch | None,
        begun: Mapping[str, Any] | None = None,
    ) -> GenerateAnswer:
        drawing = drawing_of(model, request, self.settings)
        options = {**drawing.options, **{k: v for k, v in (begun or {}).items() if v is not None}}
        try:
            images = await model.run(drawing.rows, options, watch)
        except UnknownModelError as error:
            # There the path is right and a value is not: a sampler that there is none of.
            raise InvalidInputError(str(error)) from error
        data = [
            GeneratedImage(b64_json=text, **fields)
            for text, fields in zip(await self._encode(images), drawing.about, strict=True)
        ]
        size = size_of(model.card)
        return GenerateAnswer(created=int(time.time()), model=model.id, size=size, data=data)

    async def _pictures(
        self, model: Loaded, images: np.ndarray, direction: str | None = None
    ) -> PicturesAnswer:
        data = [Picture(b64_json=text) for text in await self._encode(images)]
        return PicturesAnswer(
            model=model.id, size=size_of(model.card), direction=direction, data=data
        )

    async def _encode(self, images: np.ndarray) -> list[str]:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._decoders, encoded, images)

    def _shown(self, reference: str) -> ModelEntry:
        return ModelEntry(**self._entry(self.models.card(reference), reference))

    def _entry(self, card: Card, reference: str | None = None) -> dict[str, Any]:
        identity = reference or card.name
        versions, state = self.models.versions(card.name), self.models.state(identity)
        return {"id": identity, "versions": versions, "state": state, **described(card)}
