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

TASKS = ("classification", "generation", "reconstruction", "translation")


@dataclasses.dataclass(frozen=True)
class Architecture:
    """A way to build networks.

    Args:
        name: Name before the dot of a model's name, such as `resnet20`.
        task: One of `TASKS`; decides the pipeline and the metrics.
        family: Folder under `zoo/models`.
        paper: The source, with year.
        networks: `{attribute name: "module:function"}`. Each function takes what it asks for by
            name of what the data and the parents say, such as `input_shape`, `classes` and
            `parents`, and the options of the network as keywords.
        method: Name of the default training method.
        summary: One line for listings.
        method_options: Options of the default method, where its own defaults do not fit.
        alias: Another name, with a colon and taken in any case, such as `keras:VGG16`. What has
            one is listed by it, and only where the pattern has a colon as well.
    """

    name: str
    task: str
    family: str
    paper: str
    networks: dict[str, str]
    method: str
    summary: str = ""
    method_options: dict[str, Any] = dataclasses.field(default_factory=dict)
    alias: str = ""

    @property
    def default_method(self) -> dict[str, Any]:
        """What a recipe without a method is trained with, in the form of its `method`."""
        return {"name": self.method, **self.method_options}


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
        self._aliases: dict[str, str] = {}  # as it is written: the name

    def add(self, name: str, item: Item, alias: str = "") -> Item:
        """Adds an item, under an alias too. Raises ValueError when the name is taken."""
        if name in self._items:
            raise ValueError(f"{self.kind} {name!r} is registered twice")
        self._items[name] = item
        if alias:
            self._aliases[alias] = name
        return item

    def get(self, name: str) -> Item:
        """Returns the item of this name, or raises `UnknownModelError` with near names."""
        known = self._by_alias(name) or name
        if known not in self._items:
            others = self._aliases if ":" in name else self._items
            raise UnknownModelError(name, others, kind=self.kind)
        return self._items[known]

    def names(self, pattern: str = "*") -> list[str]:
        """Returns the names that match a shell wildcard, in natural order.

        With a colon in the pattern these are aliases, whatever their case. Else they are the names
        of what has none.
        """
        if ":" in pattern:
            found = [a for a in self._aliases if fnmatch.fnmatchcase(a.lower(), pattern.lower())]
            return natural_sort(found)
        shown = self._items.keys() - self._aliases.values()
        return natural_sort(name for name in shown if fnmatch.fnmatchcase(name, pattern))

    def _by_alias(self, name: str) -> str | None:
        if ":" not in name:
            return None
        return next((n for a, n in self._aliases.items() if a.lower() == name.lower()), None)

    def __contains__(self, name: object) -> bool:
        return name in self._items or self._by_alias(str(name)) is not None

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())


_architectures: Catalogue[Architecture] = Catalogue("architecture")
_methods: Catalogue[Method] = Catalogue("method")
_recipes: Catalogue[Recipe] = Catalogue("recipe")


def register(*items: Any) -> None:
    """Adds architectures, methods and recipes to the registry. A taken name raises ValueError."""
    for item in items:
        _catalogue_of(item).add(item.name, item, getattr(item, "alias", ""))


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
