"""Which models there are: names, versions and their labels, cards."""

from __future__ import annotations

import fnmatch
import functools
import logging
import math
import re
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from serving.settings import Settings
from serving.versions import LABEL, LabelBook
from zoo import store
from zoo.cards import Card
from zoo.errors import CorruptModelError, UnknownModelError

if TYPE_CHECKING:
    from zoo.pipelines import Pipeline

logger = logging.getLogger("serving")

_LISTING_SECONDS = 2.0
_REFERENCE = re.compile(
    rf"(?P<name>[A-Za-z0-9_][A-Za-z0-9_.-]*)(@((?P<version>[0-9]{{1,9}})|(?P<label>{LABEL.pattern})))?"
)


class Source(Protocol):
    """Where models come from; the store, or a fake in a test."""

    def names(self) -> list[str]: ...

    def versions(self, name: str) -> list[int]: ...

    def read_card(self, reference: str) -> Card: ...

    def load(self, reference: str) -> Pipeline: ...


class StoreSource:
    """The store of `zoo`.

    Args:
        runtime: What networks run on, as for `zoo.load`.
    """

    def __init__(self, runtime: str = "auto") -> None:
        self._runtime = runtime

    def names(self) -> list[str]:
        return store.names()

    def versions(self, name: str) -> list[int]:
        return store.versions(name)

    def read_card(self, reference: str) -> Card:
        return store.read_card(reference)

    def load(self, reference: str) -> Pipeline:
        import zoo

        return zoo.load(reference, runtime=self._runtime)


class Catalogue:
    """The models that are served, by what a request calls them.

    Args:
        tasks: Tasks that this service answers; models of others are not there for it.
        settings: The wildcards of the models that are served, and the operator's labels.
        source: Where models come from.
        labels: Where labels that are changed are kept.

    Attributes:
        tasks: Likewise.
        labels: What versions are called.
    """

    def __init__(
        self, tasks: Sequence[str], settings: Settings, source: Source, labels: Path
    ) -> None:
        self.tasks = tuple(tasks)
        self.labels = LabelBook(labels, settings.labels_file)
        self._patterns = settings.models
        self._source = source
        # Held for a moment at a time, by the threads of requests and by the one that loads.
        self._lock = threading.RLock()
        self._listing: dict[str, list[int]] = {}
        self._listed = -math.inf
        self._left_out: set[str] = set()
        self._read = functools.lru_cache(maxsize=1024)(source.read_card)

    def cards(self, task: str | None = None) -> list[Card]:
        """Returns the newest card of every served model; a damaged one is logged and left out."""
        found = []
        for name, versions in self._stored().items():
            card = self._readable(f"{name}@{versions[-1]}")
            if card is not None and card.task in self.tasks and task in (None, card.task):
                found.append(card)
        return found

    def versions(self, name: str) -> list[int]:
        """Returns the stored versions of a model, oldest first."""
        return list(self._stored().get(name, []))

    def card(self, reference: str) -> Card:
        """Returns the card behind `name`, its newest version, `name@version` or `name@label`.

        Raises:
            UnknownModelError: when nothing is served under it, with near names. A path is a name
                that nothing is served under.
        """
        name, version = self._parsed(reference)
        return self._card(name, self._stored()[name][-1] if version is None else version)

    def _parsed(self, reference: str) -> tuple[str, int | None]:
        """Returns the name in a reference, one that is stored, and the version if it names one."""
        match = _REFERENCE.fullmatch(reference)
        if match is None or match["name"] not in self._stored():
            known = [card.name for card in self.cards()]
            raise UnknownModelError(match["name"] if match else reference[:100], known)
        name, label = match["name"], match["label"]
        if label is None:
            return name, int(match["version"]) if match["version"] else None
        known_labels = self.labels.of(name).labels
        if label not in known_labels:
            known = [f"{name}@{one}" for one in known_labels]
            raise UnknownModelError(reference, known, kind="version")
        return name, known_labels[label]

    def _card(self, name: str, version: int) -> Card:
        versions = self._stored()[name]
        if version not in versions:
            known = [f"{name}@{number}" for number in reversed(versions)]
            raise UnknownModelError(f"{name}@{version}", known, kind="version")
        card = self._read(f"{name}@{version}")
        if card.task not in self.tasks:
            raise UnknownModelError(name, [card.name for card in self.cards()])
        return card

    def _readable(self, identity: str) -> Card | None:
        """Returns a card, None for one that cannot be read, which is logged once."""
        try:
            return self._read(identity)
        except (CorruptModelError, UnknownModelError) as error:
            if identity not in self._left_out:
                logger.warning("%s is not served: %s", identity, error)
                self._left_out.add(identity)
            return None

    def _stored(self) -> dict[str, list[int]]:
        """Returns `{name: versions}` of what may be served, read again every few seconds.

        A model that is stored while the service runs appears without a restart, and a request
        does not walk through folders.
        """
        with self._lock:
            if time.monotonic() - self._listed > _LISTING_SECONDS:
                listing = {
                    name: self._source.versions(name)
                    for name in self._source.names()
                    if any(fnmatch.fnmatchcase(name, pattern) for pattern in self._patterns)
                }
                self._listing = {name: versions for name, versions in listing.items() if versions}
                self._listed = time.monotonic()
            return self._listing


def model_id(card: Card) -> str:
    """Returns `name@version`, which names the same weights for ever."""
    return f"{card.name}@{card.version}"
