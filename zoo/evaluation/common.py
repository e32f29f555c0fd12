"""What every evaluation shares: its result, judges, chunks, how a metric is recorded."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Iterator

import numpy as np

from zoo import data, registry, store
from zoo.cards import Card, Metric
from zoo.errors import RecipeError, UnknownModelError
from zoo.pipelines import Classifier, make_pipeline
from zoo.recipe import DataSpec, Recipe

# Tasks whose measures ask no judge.
_UNJUDGED = (Classifier.task, "reconstruction")
# How far a second measurement may lie from the first: other processors round otherwise.
RELATIVE_TOLERANCE = 0.02
ABSOLUTE_TOLERANCE = 5e-4
# Images whose pixels are held as floats at once. A multiple of the largest batch of a compiled
# network, so that chunks are cut where batches are, and change no result.
CHUNK = 1024


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """What was measured, and pictures of it by file name."""

    metrics: tuple[Metric, ...]
    pictures: dict[str, bytes]


def data_of(card: Card) -> DataSpec:
    """Returns which data a model was made for, all of its examples."""
    return DataSpec(card.data["name"], classes=card.data.get("classes"))


def trained_on(card: Card) -> data.Arrays:
    """Returns the examples that a model learned from, those alone that its recipe chose.

    Raises:
        RecipeError: when the recipe on the card cannot be read.
        DataUnavailableError: when the data set is not prepared.
    """
    return data.training_examples(Recipe.from_dict(card.recipe).data)[0]


def recorder(
    card: Card, split: str, count: int, source: str | None = None
) -> Callable[..., Metric]:
    """Returns a function (name, value, note="") that makes the metrics of one split.

    Args:
        card: Of the model that is measured.
        split: The split of the data that is measured on.
        count: How many of its examples are.
        source: The data set, where it is not the one on the card.
    """
    reference = f"{card.name}@{card.version}" if card.version else card.name
    command = f"zoo evaluate {reference}" + (f" --data {source}" if source else "")

    def record(name: str, value: float, note: str = "") -> Metric:
        return Metric(name, float(value), split, count, command, note)

    return record


def agrees(stored: Metric, measured: Metric) -> bool:
    """Returns whether two measurements of a metric are the same up to rounding."""
    gap = abs(stored.value - measured.value)
    return stored.n == measured.n and bool(
        gap <= np.maximum(ABSOLUTE_TOLERANCE, RELATIVE_TOLERANCE * abs(stored.value))
    )


def chunks(count: int) -> Iterator[slice]:
    """Yields the parts of 0 to count - 1 that are dealt with at once."""
    for start in range(0, count, CHUNK):
        yield slice(start, min(start + CHUNK, count))


def in_chunks(function: Callable[[np.ndarray], np.ndarray], rows: np.ndarray) -> np.ndarray:
    """Returns what a function makes of rows (n, …), some of them at a time."""
    return np.concatenate([function(rows[part]) for part in chunks(len(rows))])


def flat_pixels(images: np.ndarray) -> np.ndarray:
    """Returns uint8 images (n, …) as float32 rows (n, d), 0 to 1."""
    return images.reshape(len(images), -1).astype(np.float32) / 255


def judge_of(name: str | None, images: str) -> Classifier | None:
    """Loads a judge: a classifier that says how like real ones images are, or what they show.

    Args:
        name: The one that a data set or a domain names, if it does.
        images: What it judges, for the line that tells of its absence.

    Returns:
        The classifier; None where none is named or, with a line on the standard error output,
        where it is not stored.
    """
    if name is None:
        return None
    try:
        pipeline = make_pipeline(*store.load(name))
    except UnknownModelError:
        print(
            f"zoo: {name}, the judge of {images}, is not stored; what needs it is not measured; "
            f"{_remedy(name)}",
            file=sys.stderr,
        )
        return None
    assert isinstance(pipeline, Classifier)
    return pipeline


def require_judges(recipe: Recipe) -> None:
    """Checks that every judge of what a recipe makes is stored; not every task needs one.

    A card never changes: without its judge a model would be without its numbers for good.

    Raises:
        RecipeError: naming the first that is missing and what to do about it.
    """
    if registry.architectures().get(recipe.architecture).task in _UNJUDGED:
        return
    source = data.source(recipe.data.name)
    judged = source.domains.values() if isinstance(source, data.Pair) else [source]
    for judge in (one.judge for one in judged if one.judge):
        try:
            store.find(judge)
        except UnknownModelError:
            raise RecipeError(
                f"{recipe.name} is measured by {judge}, which is not stored; {_remedy(judge)}"
            ) from None


def _remedy(judge: str) -> str:
    """Says what to do about a judge, NAME@VERSION, that is not stored."""
    name, _, version = judge.partition("@")
    stored = store.versions(name)
    if not stored or int(version) > stored[-1]:
        return f"`zoo train {name}` makes it"
    there = ", ".join(f"{name}@{number}" for number in stored)
    return (
        f"there is {there}, and what is trained or added now becomes {name}@{stored[-1] + 1}; "
        f"put version {version} back as {store.roots()[0] / name / version}"
    )
