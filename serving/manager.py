"""The models in memory: loaded once, warmed, each with its queue, and freed when they must go."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import dataclasses
import logging
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from serving.abilities import Ability, abilities_of
from serving.catalogue import Catalogue, Source, StoreSource, model_id
from serving.errors import REQUEST_ID, StoppingError
from serving.loaded import Loaded, give_back, make_loaded
from serving.metrics import Metrics
from serving.schemas import State
from serving.settings import Settings
from serving.turns import Turns
from serving.versions import Versions
from zoo.cards import Card
from zoo.errors import InvalidInputError

__all__ = ["Loaded", "ModelManager", "Source", "StoreSource", "model_id"]

logger = logging.getLogger("serving")

# A version that cannot be loaded is tried again after so long, where an older one stands in.
_RETRY_SECONDS = 30.0


@dataclasses.dataclass(eq=False)
class _Entry:
    """A version that is in memory, or on its way there or out.

    Args:
        card: Its card.
        size: Bytes of its networks.
        load: Has the model once it is warm.
        users: Requests that hold it.
        used: When the last of them came.
        pinned: Whether one asked for just this version.
        retired: Whether it gets no more requests.
        freed: Done when its memory is free.
    """

    card: Card
    size: int
    load: Future[Loaded] = dataclasses.field(default_factory=Future)
    users: int = 0
    used: float = dataclasses.field(default_factory=time.monotonic)
    pinned: bool = False
    retired: bool = False
    freed: Future[None] = dataclasses.field(default_factory=Future)

    @property
    def state(self) -> State:
        if self.retired:
            return "draining"
        if not self.load.done():
            return "loading"
        return "ready" if self.load.exception() is None else "failed"


class ModelManager(Catalogue):
    """Loads each model at its first use, keeps it warm, and lets go of what was used longest ago.

    A newer version of a model that is in use is loaded and warmed first. Then it gets all new
    requests, and the older one is freed when it has answered those it has.

    Args:
        tasks: As for `Catalogue`.
        settings: Limits, and as for `Catalogue`.
        metrics: What is counted.
        source: As for `Catalogue`.
        labels: Likewise.
    """

    def __init__(
        self,
        tasks: Sequence[str],
        settings: Settings,
        metrics: Metrics,
        source: Source,
        labels: Path,
    ) -> None:
        super().__init__(tasks, settings, source, labels)
        self._settings = settings
        self._metrics = metrics
        self._turns = Turns()
        # One at a time: two loads share the cores and the first user of each waits longer.
        self._loader = ThreadPoolExecutor(1, thread_name_prefix="loader")
        self._entries: dict[str, _Entry] = {}
        # Which of them answers for the bare name.
        self._standing: dict[str, _Entry] = {}
        self._draining: list[_Entry] = []
        self._closed = False
        metrics.watch_models(self.count_states, self.loaded_bytes)

    @contextlib.asynccontextmanager
    async def use(self, reference: str, ability: Ability | None = None) -> AsyncIterator[Loaded]:
        """Gives a model, loading and warming it if need be; it stays in memory meanwhile.

        Args:
            reference: `name`, `name@version` or `name@label`. Where a name has weights, the id of
                the request decides on the version.
            ability: What the model must be able to do.

        Raises:
            UnknownModelError: as for `card`.
            InvalidInputError: for a model that is not able to.
            CorruptModelError: when its files are damaged.
        """
        with self._lock:
            entry = self._asked(reference, ability)
            entry.users += 1
            entry.used = time.monotonic()
        async with self._held(entry) as loaded:
            yield loaded

    async def load(self, reference: str) -> None:
        """Has a version in memory and warm; raises as `use`."""
        with self._lock:
            entry = self._begun(self.card(reference))
            entry.users += 1
        async with self._held(entry):
            return

    async def unload(self, reference: str) -> None:
        """Frees a version or, of a bare name, all, when they have answered what they have.

        Raises:
            UnknownModelError: as for `card`.
        """
        card = self.card(reference)
        with self._lock:
            leaving = [
                entry
                for entry in self._of(card.name)
                if reference == card.name or entry.card.version == card.version
            ]
            for entry in leaving:
                self._retire(entry)
        for entry in leaving:
            await asyncio.shield(asyncio.wrap_future(entry.freed))

    async def set_labels(
        self, name: str, labels: Mapping[str, int], weights: Mapping[str, float] | None = None
    ) -> None:
        """Calls the versions of a model so from now on; see `Core.set_labels`."""
        if self.card(name).name != name:
            raise InvalidInputError(f"labels belong to a name without a version, got {name}")
        versions = Versions(dict(labels), dict(weights or {}))
        for number in versions.targets():
            self._card(name, number)
        with self._lock:
            in_use = bool(self._of(name))
        for number in sorted(versions.targets()) if in_use else ():
            await self.load(f"{name}@{number}")
        await asyncio.to_thread(self.labels.replace, name, versions)
        with self._lock:
            self._shed(name)

    def state(self, reference: str) -> State:
        """Returns the state of a version; of a bare name that of the one that answers for it.

        Raises:
            UnknownModelError: as for `card`.
        """
        card = self.card(reference)
        with self._lock:
            entry = self._standing.get(reference) or self._entries.get(model_id(card))
            if entry is not None:
                return entry.state
            draining = any(entry.card == card for entry in self._draining)
        return "draining" if draining else "available"

    def loaded(self) -> list[str]:
        """Returns the ids of the models in memory."""
        with self._lock:
            return [one for one, entry in self._entries.items() if entry.state == "ready"]

    def loaded_bytes(self) -> int:
        """Returns the size of the networks in memory, as their files or their runtime tell it."""
        with self._lock:
            held = [entry for entry in self._entries.values() if entry.state == "ready"]
            return sum(entry.size for entry in [*held, *self._draining])

    def count_states(self) -> dict[str, int]:
        """Returns how many versions are in each state."""
        with self._lock:
            stored = {f"{name}@{n}" for name, numbers in self._stored().items() for n in numbers}
            known = [*self._entries.values(), *self._draining]
            counts = collections.Counter[str](entry.state for entry in known)
            counts["available"] = len(stored - {model_id(entry.card) for entry in known})
            return dict(counts)

    def close(self) -> None:
        """Ends the threads of all models."""
        self._closed = True
        self._loader.shutdown(wait=True, cancel_futures=True)
        with self._lock:
            entries = [*self._entries.values(), *self._draining]
            for known in (self._entries, self._standing, self._draining):
                known.clear()
        for entry in entries:
            if not entry.load.done():
                entry.load.set_exception(StoppingError("the server is being stopped"))
            self._dispose(entry)
            if not entry.freed.done():
                entry.freed.set_result(None)

    @contextlib.asynccontextmanager
    async def _held(self, entry: _Entry) -> AsyncIterator[Loaded]:
        """Waits for a model that was taken hold of, and lets go of it in the end."""
        try:
            if entry.load.done():
                yield entry.load.result()
            else:
                yield await asyncio.shield(asyncio.wrap_future(entry.load))
        finally:
            with self._lock:
                entry.users -= 1
                if entry.retired and not entry.users:
                    self._free_soon(entry)

    def _asked(self, reference: str, ability: Ability | None) -> _Entry:
        """Returns the entry that answers a reference."""
        name, version = self._parsed(reference)
        if version is None:
            version = self.labels.of(name).drawn(f"{name} {REQUEST_ID.get()}")
        card = self._newest(name) if version is None else self._card(name, version)
        if ability is not None and ability not in abilities_of(card):
            able = [one.name for one in self.cards() if ability in abilities_of(one)]
            raise InvalidInputError(
                f"{card.name} is for {card.task} and does not {ability}; "
                f"models that do: {', '.join(able) or 'none'}"
            )
        entry = self._begun(card)
        entry.pinned |= reference.rpartition("@")[2].isdecimal()
        return entry

    def _newest(self, name: str) -> Card:
        """Returns the card of the newest version that is warm, while a newer one is loaded."""
        version = self._stored()[name][-1]
        standing = self._standing.get(name)
        if standing is None or standing.card.version == version:
            return self._card(name, version)
        card = self._readable(f"{name}@{version}")
        if card is None or card.task not in self.tasks or self._just_failed(card):
            return standing.card
        entry = self._begun(card)
        if entry.state != "ready":
            return standing.card
        # It was in memory under its own number before it became the newest.
        self._take_over(entry)
        return card

    def _just_failed(self, card: Card) -> bool:
        entry = self._entries.get(model_id(card))
        if entry is None or entry.state != "failed":
            return False
        return time.monotonic() - entry.used < _RETRY_SECONDS

    def _of(self, name: str) -> list[_Entry]:
        return [entry for entry in self._entries.values() if entry.card.name == name]

    def _begun(self, card: Card) -> _Entry:
        """Starts loading, or joins the load that is under way. A failed one is tried again."""
        identity = model_id(card)
        entry = self._entries.get(identity)
        if entry is None or entry.state == "failed":
            if self._closed:
                raise StoppingError("the server is being stopped")
            size = sum((card.costs.get("bytes") or {}).values())
            entry = self._entries[identity] = _Entry(card, size)
            # Several wait for it; none of them can call it off.
            entry.load.set_running_or_notify_cancel()
            self._loader.submit(self._load, entry)
        return entry

    def _load(self, entry: _Entry) -> None:
        """Loads and warms on the loader's thread; then the version may take over."""
        card = entry.card
        try:
            self._make_room(entry)
            pipeline = self._source.load(model_id(card))
            entry.size = pipeline.functions.size
            self._make_room(entry)
            loaded = make_loaded(card, pipeline, self._settings, self._metrics, self._turns)
        except BaseException as error:  # noqa: BLE001 - handed to those who wait for the model
            entry.load.set_exception(error)
            logger.warning("%s cannot be loaded: %s", model_id(card), error)
            return
        with self._lock:
            entry.load.set_result(loaded)
            if not entry.retired:
                self._take_over(entry)
        logger.info("loaded %s", loaded.id)

    def _take_over(self, entry: _Entry) -> None:
        """Lets a version answer for its name if it is the newest, and the older one go."""
        name = entry.card.name
        versions = self._stored().get(name)
        if not versions or versions[-1] != entry.card.version:
            return
        self._standing[name] = entry
        self._shed(name)

    def _shed(self, name: str) -> None:
        """Retires the versions that get requests no more: not the newest, without label or pin."""
        kept = self.labels.of(name).targets()
        for entry in self._of(name):
            stands = self._standing.get(name) in (None, entry)
            wanted = stands or entry.pinned or entry.card.version in kept
            if entry.state == "ready" and not wanted:
                self._retire(entry)

    def _make_room(self, entry: _Entry) -> None:
        """Retires what was used longest ago until the rest, and `entry`, keep within the budget."""
        while True:
            with self._lock:
                others = [one for one in self._entries.values() if one.state == "ready"]
                held = sum(one.size for one in others) + entry.size
                if held <= self._settings.max_loaded or not others:
                    return
                # What is at work is freed later, and would not make room now.
                oldest = min(others, key=lambda one: (one.users > 0, one.used))
                logger.info("%s makes room", model_id(oldest.card))
                self._retire(oldest, freed=True)
            if not oldest.users:
                self._free(oldest)

    def _retire(self, entry: _Entry, freed: bool = False) -> None:
        """Gives a version no more requests, and has it freed when it has none.

        Args:
            entry: The version.
            freed: Whether the caller does so if it has none already.
        """
        del self._entries[model_id(entry.card)]
        if self._standing.get(entry.card.name) is entry:
            del self._standing[entry.card.name]
        entry.retired = True
        self._draining.append(entry)
        if not entry.users and not freed:
            self._free_soon(entry)

    def _free_soon(self, entry: _Entry) -> None:
        """Has a version freed on the loader's thread, after its load if that is under way."""
        if not self._closed:
            self._loader.submit(self._free, entry)

    def _free(self, entry: _Entry) -> None:
        try:
            self._dispose(entry)
            give_back()
        finally:
            with self._lock:
                if model_id(entry.card) not in self._entries:
                    self._metrics.forget_queue(model_id(entry.card))
                if entry in self._draining:
                    self._draining.remove(entry)
            entry.freed.set_result(None)
        logger.info("freed %s", model_id(entry.card))

    @staticmethod
    def _dispose(entry: _Entry) -> None:
        """Drops the model of a version; whoever asked for it has it by now."""
        if entry.load.exception() is None:
            entry.load.result().close()
        entry.load = Future()
