"""Which models there are, and the ones in memory: loaded once, warmed, each with its queue."""

from __future__ import annotations

import asyncio
import dataclasses
import fnmatch
import functools
import logging
import math
import re
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from serving.batching import Batcher, Function, in_blocks
from serving.metrics import Metrics
from serving.settings import Settings
from zoo import store
from zoo.cards import Card
from zoo.errors import CorruptModelError, InvalidInputError, UnknownModelError

if TYPE_CHECKING:
    from zoo.pipelines import Pipeline

logger = logging.getLogger("serving")

_LISTING_SECONDS = 2.0
_REFERENCE = re.compile(r"(?P<name>[A-Za-z0-9_][A-Za-z0-9_.-]*)(@(?P<version>[0-9]{1,9}))?")


class Source(Protocol):
    """Where models come from; the store, or a fake in a test."""

    def names(self) -> list[str]: ...

    def versions(self, name: str) -> list[int]: ...

    def read_card(self, reference: str) -> Card: ...

    def load(self, reference: str) -> Pipeline: ...


class StoreSource:
    """The store of `zoo`."""

    def names(self) -> list[str]:
        return store.names()

    def versions(self, name: str) -> list[int]:
        return store.versions(name)

    def read_card(self, reference: str) -> Card:
        return store.read_card(reference)

    def load(self, reference: str) -> Pipeline:
        import zoo

        return zoo.load(reference)


@dataclasses.dataclass(frozen=True)
class Loaded:
    """A model in memory."""

    id: str
    card: Card
    pipeline: Any
    batcher: Batcher

    async def run(self, rows: np.ndarray) -> np.ndarray:
        """Runs rows in a batch with those of others. Cancelling withdraws them from the queue."""
        return await asyncio.wrap_future(self.batcher.submit(rows))


class ModelManager:
    """Finds models by name and loads each at its first use.

    Args:
        tasks: Tasks that this service answers; models of others are not there for it.
        settings: Limits, and the wildcards of the models that are served.
        metrics: What is counted.
        source: Where models come from.
    """

    def __init__(
        self, tasks: Sequence[str], settings: Settings, metrics: Metrics, source: Source
    ) -> None:
        self.tasks = tuple(tasks)
        self._settings = settings
        self._metrics = metrics
        self._source = source
        # One at a time: two loads share the cores and the first user of each waits longer.
        self._loader = ThreadPoolExecutor(1, thread_name_prefix="loader")
        self._loads: dict[str, Future[Loaded]] = {}
        self._listing: dict[str, list[int]] = {}
        self._listed = -math.inf
        self._left_out: set[str] = set()
        self._read = functools.lru_cache(maxsize=1024)(source.read_card)

    def cards(self, task: str | None = None) -> list[Card]:
        """Returns the newest card of every served model; a damaged one is logged and left out."""
        found = []
        for name, versions in self._stored().items():
            try:
                card = self._read(f"{name}@{versions[-1]}")
            except (CorruptModelError, UnknownModelError) as error:
                if name not in self._left_out:
                    logger.warning("%s is not served: %s", name, error)
                    self._left_out.add(name)
                continue
            if card.task in self.tasks and task in (None, card.task):
                found.append(card)
        return found

    def versions(self, name: str) -> list[int]:
        """Returns the stored versions of a model, oldest first."""
        return self._stored().get(name, [])

    def card(self, reference: str) -> Card:
        """Returns the card behind `name` or `name@version`.

        Raises:
            UnknownModelError: when nothing is served under it, with near names. A path is a name
                that nothing is served under.
        """
        match = _REFERENCE.fullmatch(reference)
        stored = self._stored()
        if match is None or match["name"] not in stored:
            known = [card.name for card in self.cards()]
            raise UnknownModelError(match["name"] if match else reference[:100], known)
        name, versions = match["name"], stored[match["name"]]
        number = int(match["version"]) if match["version"] else versions[-1]
        if number not in versions:
            known = [f"{name}@{version}" for version in reversed(versions)]
            raise UnknownModelError(reference, known, kind="version")
        card = self._read(f"{name}@{number}")
        if card.task not in self.tasks:
            raise UnknownModelError(reference, [card.name for card in self.cards()])
        return card

    async def get(self, reference: str, task: str) -> Loaded:
        """Returns a model of a task, loading and warming it if this is its first use.

        Raises:
            UnknownModelError: as for `card`.
            InvalidInputError: for a model of another task.
            CorruptModelError: when its files are damaged.
        """
        card = self.card(reference)
        if card.task != task:
            others = ", ".join(card.name for card in self.cards(task)) or "none"
            raise InvalidInputError(
                f"{card.name} is for {card.task}, this path for {task}; models for it: {others}"
            )
        return await asyncio.shield(asyncio.wrap_future(self._load(card)))

    def loaded(self) -> list[str]:
        """Returns the ids of the models in memory."""
        return [
            identity
            for identity, load in self._loads.items()
            if load.done() and load.exception() is None
        ]

    def close(self) -> None:
        """Ends the threads of all models."""
        self._loader.shutdown(wait=True, cancel_futures=True)
        for load in self._loads.values():
            if not load.cancelled() and load.exception() is None:
                load.result().batcher.close()
        self._loads.clear()

    def _stored(self) -> dict[str, list[int]]:
        """Returns `{name: versions}` of what may be served, read again every few seconds.

        A model that is stored while the service runs appears without a restart, and a request
        does not walk through folders.
        """
        if time.monotonic() - self._listed > _LISTING_SECONDS:
            patterns = self._settings.models
            listing = {
                name: self._source.versions(name)
                for name in self._source.names()
                if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
            }
            self._listing = {name: versions for name, versions in listing.items() if versions}
            self._listed = time.monotonic()
        return self._listing

    def _load(self, card: Card) -> Future[Loaded]:
        """Starts loading, or joins the load that is under way. A failed one is tried again."""
        identity = model_id(card)
        load = self._loads.get(identity)
        if load is None or (load.done() and (load.cancelled() or load.exception() is not None)):
            load = self._loads[identity] = self._loader.submit(self._make, card)
        return load

    def _make(self, card: Card) -> Loaded:
        identity = model_id(card)
        pipeline = self._source.load(identity)
        function: Function = pipeline.run
        if card.task == "generation":
            function = in_blocks(function, self._settings.block)
            pipeline.warm((self._settings.block,))
        else:
            pipeline.warm((1, self._settings.max_batch))
        batcher = Batcher(
            identity,
            function,
            self._settings.max_batch,
            self._settings.max_waiting,
            functools.partial(self._metrics.batch, identity),
        )
        self._metrics.watch_queue(identity, batcher)
        logger.info("loaded %s", identity)
        return Loaded(identity, card, pipeline, batcher)


def model_id(card: Card) -> str:
    """Returns `name@version`, which names the same weights for ever."""
    return f"{card.name}@{card.version}"
