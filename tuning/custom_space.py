"""A search space from the command line: `optimizer.learning_rate=log:1e-4:1e-1`."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from tuning.objectives import Objective, require_one_scale
from tuning.spaces import Space
from zoo.errors import RecipeError, did_you_mean, nearest
from zoo.recipe import Recipe

if TYPE_CHECKING:
    import keras_tuner

_FORMS = "log:LOW:HIGH, float:LOW:HIGH[:STEP], int:LOW:HIGH[:STEP] or choice:A,B,C"
_KINDS = ("log", "float", "int", "choice")
# The search decides these itself, or two trials would no longer measure the same thing.
_FIXED = ("name", "architecture", "data", "epochs", "seed", "lineage", "early_stopping", "ensemble")


@dataclasses.dataclass(frozen=True)
class Range:
    """The values that one setting may take: (low, high, step) of a number, or the choices."""

    path: str
    kind: str
    values: tuple[Any, ...]

    def ask(self, hp: keras_tuner.HyperParameters) -> Any:
        """Declares the range under its path and returns the trial's value."""
        if self.kind == "choice":
            return hp.Choice(self.path, list(self.values))
        low, high, step = self.values
        if self.kind == "int":
            return hp.Int(self.path, low, high, step=step or 1)
        sampling = "log" if self.kind == "log" else "linear"
        return hp.Float(self.path, low, high, step=step, sampling=sampling)

    def ends(self) -> tuple[Any, ...]:
        """Values that a recipe must take for all others to be of the right type too."""
        return self.values if self.kind == "choice" else self.values[:2]


def parse_space(texts: Iterable[str], recipe: Recipe, lead: Objective | None = None) -> Space:
    """Reads ranges of the form `path=kind:arguments` and returns the space over all of them.

    Args:
        texts: A range each.
        recipe: What is searched around.
        lead: The leading objective, which must mean the same under all values; None asks nothing.

    Raises:
        RecipeError: for a form, a path or a value that cannot be searched.
    """
    ranges = [_parse(text) for text in texts]
    if lead is not None:
        require_one_scale(lead, [one.path for one in ranges])
    for one in ranges:
        if one.path.split(".")[0] in _FIXED:
            raise RecipeError(f"a search cannot vary {one.path!r}; --set sets it for all trials")
        if [other.path for other in ranges].count(one.path) > 1:
            raise RecipeError(f"--space names {one.path!r} twice")
        for value in one.ends():
            recipe.override({one.path: value})

    def space(hp: keras_tuner.HyperParameters, base: Recipe) -> Recipe:
        return base.override({one.path: one.ask(hp) for one in ranges})

    return space


def _parse(text: str) -> Range:
    path, equals, form = text.partition("=")
    kind, colon, rest = form.partition(":")
    if not (path and equals and colon):
        raise RecipeError(f"a range has the form path={_FORMS}; got {text!r}")
    if kind not in _KINDS:
        raise RecipeError(
            f"{text!r}: a range is {_FORMS}{did_you_mean(nearest(kind, _KINDS, count=1))}"
        )
    values = _choices(text, rest) if kind == "choice" else _numbers(text, kind, rest)
    return Range(path, kind, values)


def _choices(text: str, rest: str) -> tuple[Any, ...]:
    values = tuple(_value(part) for part in rest.split(","))
    if any(type(value) is int for value in values) and any(type(v) is float for v in values):
        values = tuple(float(v) if type(v) is int else v for v in values)
    kinds = {type(value) for value in values}
    if "" in values or len(kinds) > 1 or not kinds <= {int, float, str, bool}:
        raise RecipeError(f"{text!r}: choices are numbers, or words, or true,false; not a mixture")
    if len(set(values)) < len(values):
        raise RecipeError(f"{text!r}: a choice is there twice")
    return values


def _value(part: str) -> Any:
    try:
        return json.loads(part)
    except json.JSONDecodeError:
        return part.strip()


def _numbers(text: str, kind: str, rest: str) -> tuple[Any, ...]:
    number = int if kind == "int" else float
    parts = rest.split(":")
    try:
        values = [number(part) for part in parts]
    except ValueError as error:
        wanted = "whole numbers" if kind == "int" else "numbers"
        raise RecipeError(f"{text!r}: {kind} needs {wanted}") from error
    if not 2 <= len(values) <= (2 if kind == "log" else 3):
        raise RecipeError(f"{text!r}: a range is {_FORMS}")
    low, high, *step = values
    # Written so that NaN is refused as well.
    if not low < high or not high - low < float("inf"):
        raise RecipeError(f"{text!r}: the low end must be below the high end, and both finite")
    if kind == "log" and low <= 0:
        raise RecipeError(f"{text!r}: the low end of a log range must be above 0")
    if step and not 0 < step[0] <= high - low:
        raise RecipeError(f"{text!r}: the step must be above 0 and fit into the range")
    return low, high, step[0] if step else None
