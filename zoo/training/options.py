"""From names and options to Keras objects, with one clear line for what does not exist."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from zoo.errors import RecipeError, did_you_mean, nearest


def make(factory: Any, options: Mapping[str, Any], where: str) -> Any:
    """Calls `factory(**options)`; an option it does not take or refuses raises `RecipeError`."""
    known = inspect.signature(factory).parameters
    for option in options:
        if option not in known:
            near = did_you_mean(nearest(option, known))
            raise RecipeError(f"{where} has no option {option!r}{near}")
    try:
        return factory(**options)
    except (TypeError, ValueError) as error:
        raise RecipeError(f"{where}: {error}") from error


def keras_class(members: Mapping[str, Any], name: str, base: type, kind: str) -> type:
    """Finds a class by its name, in any case, among the members of a module such as Keras'."""
    classes = {
        key.lower(): value
        for key, value in members.items()
        if inspect.isclass(value) and issubclass(value, base) and value is not base
    }
    if str(name).lower() not in classes:
        near = did_you_mean(nearest(str(name).lower(), classes))
        raise RecipeError(f"unknown {kind} {name!r}{near}")
    return classes[str(name).lower()]
