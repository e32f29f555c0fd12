"""Architectures, methods and recipes by name.

Families declare what they offer in their `__init__.py` with dotted paths, so that the whole
catalogue is known without importing Keras; `load_object` imports a builder when it is used.
"""

from __future__ import annotations

import dataclasses
import fnmatch
import functools
import importlib
import pkgutil
import re
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from zoo.errors import UnknownModelError

if TYPE_CHECKING:
    from zoo.recipe import Recipe

Item = TypeVar("Item")

TASKS = ("classification", "generation", "translation")


@dataclasses.dataclass(frozen=True)
class Architecture:
    """A way to build networks.

    Args:
        name: Name before the dot of a model's name, such as `resnet20`.
        task: One of `TASKS`; decides the pipeline and the metrics.
        family: Folder under `zoo/models`.
        paper: The source, with year.
        networks: `{attribute name: "module:function"}`. Each function takes `input_shape`, for a
            classifier also `classes`, and the options of the network as keywords.
        method: Name of the default training method.
        summary: One line for listings.
    """

    name: str
    task: str
    family: str
    paper: str
    networks: dict[str, str]
    method: str
    summary: str = ""


@dataclasses.dataclass(frozen=True)
class Method:
    """A way to train: a `MultiPlayerModel` subclass by its dotted path."""

    name: str
    model: str
    summary: str = ""


class Catalogue(Generic[Item]):
    """Named items of one kind: wildcards, natural order, near names, and no silent overwriting."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._items: dict[str, Item] = {}

    def add(self, name: str, item: Item) -> Item:
        """Adds an item. Raises ValueError when the name is taken."""
        if name in self._items:
            raise ValueError(f"{self.kind} {name!r} is registered twice")
        self._items[name] = item
        return item

    def get(self, name: str) -> Item:
        """Returns the item of this name, or raises `UnknownModelError` with near names."""
        if name not in self._items:
            raise UnknownModelError(name, self._items, kind=self.kind)
        return self._items[name]

    def names(self, pattern: str = "*") -> list[str]:
        """Returns the names that match a shell wildcard, in natural order."""
        return natural_sort(name for name in self._items if fnmatch.fnmatchcase(name, pattern))

    def __contains__(self, name: object) -> bool:
        return name in self._items

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())


_architectures: Catalogue[Architecture] = Catalogue("architecture")
_methods: Catalogue[Method] = Catalogue("method")
_recipes: Catalogue[Recipe] = Catalogue("recipe")


def register(*items: Any) -> None:
    """Adds architectures, methods and recipes to the registry. A taken name raises ValueError."""
    for item in items:
        _catalogue_of(item).add(item.name, item)


def _catalogue_of(item: Any) -> Catalogue[Any]:
    if isinstance(item, Architecture):
        return _architectures
    return _methods if isinstance(item, Method) else _recipes


def architectures() -> Catalogue[Architecture]:
    """The catalogue of architectures, with every family declared."""
    _discover()
    return _architectures


def methods() -> Catalogue[Method]:
    """The catalogue of training methods."""
    _discover()
    return _methods


def recipes() -> Catalogue[Recipe]:
    """The catalogue of recipes."""
    _discover()
    return _recipes


@functools.cache
def _discover() -> None:
    """Imports the `__init__.py` of every family; these declare and import nothing heavy."""
    for family in families():
        importlib.import_module(f"zoo.models.{family}")


def families() -> list[str]:
    """Returns the names of the folders under `zoo/models`."""
    import zoo.models

    return [module.name for module in pkgutil.iter_modules(zoo.models.__path__) if module.ispkg]


def import_family(family: str) -> None:
    """Imports every module of a family, so that its serialisable classes are known to Keras."""
    package = importlib.import_module(f"zoo.models.{family}")
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{package.__name__}.{module.name}")


def load_object(path: str) -> Callable[..., Any]:
    """Returns the object behind "module:name", importing the module."""
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name)


def natural_sort(names: Iterable[str]) -> list[str]:
    """Sorts names so that resnet8 comes before resnet20."""

    def key(name: str) -> list[tuple[bool, int, str]]:
        parts = re.split(r"(\d+)", name)
        return [(part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in parts]

    return sorted(names, key=key)
