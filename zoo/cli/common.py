"""What several subcommands check."""

from __future__ import annotations

from typing import TypeVar

from zoo.api import card, load
from zoo.backend import import_backend
from zoo.errors import InvalidInputError
from zoo.pipelines import Pipeline

Kind = TypeVar("Kind", bound=Pipeline)


def load_as(name: str, kind: type[Kind]) -> Kind:
    """Loads a stored model of one kind; another's is refused before anything heavy is imported.

    Raises:
        InvalidInputError: when the model is for another task.
    """
    found = card(name).task
    if found != kind.task:
        raise InvalidInputError(f"{name} is for {found}, not for {kind.task}")
    import_backend()
    pipeline = load(name)
    assert isinstance(pipeline, kind)
    return pipeline
