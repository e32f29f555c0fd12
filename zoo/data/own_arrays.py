"""From a source of a user's own images to arrays: decoded, with what is wrong listed, and split."""

from __future__ import annotations

import collections
import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from zoo.data.decoding import decode_all
from zoo.data.problems import Problem, counted, listed
from zoo.data.sources import Picture, Source
from zoo.data.split import LEAST_TO_TEST, Arrays, cut_test, order
from zoo.errors import InvalidInputError
from zoo.registry import natural_sort

SIZE = 64
COLOURS = ("grey", "rgb")
_SEED = 1618


@dataclasses.dataclass(frozen=True)
class Options:
    """How a source is prepared.

    Args:
        size: Height and width that images are resized to.
        colour: `grey`, `rgb`, or None for grey where every image is.
        skip_bad: Whether what cannot be used is left out, and listed, in place of an error.
    """

    size: int = SIZE
    colour: str | None = None
    skip_bad: bool = False

    def __post_init__(self) -> None:
        if not 4 <= self.size <= 1024:
            raise InvalidInputError(f"size must be 4 to 1024 pixels, got {self.size}")
        if self.colour is not None and self.colour not in COLOURS:
            raise InvalidInputError(f"colour must be {' or '.join(COLOURS)}, got {self.colour!r}")


def arrays_of(
    source: Source, options: Options, rest: Path, origin: str
) -> tuple[dict[str, Arrays], list[str]]:
    """Decodes what a source has and splits it.

    Args:
        source: What to decode.
        options: How.
        rest: The file for a list of problems that is too long to show.
        origin: Where the source is, for messages.

    Returns:
        `train` and `test`, each with `image`, uint8 (n, size, size, 1 or 3), and `label`,
        int64 (n,); and the classes. Of a flat source there are no classes and no `label`.

    Raises:
        InvalidInputError: for what cannot be used, unless that is left out, and where too little
            is left.
    """
    decoded = decode_all(source.pictures, options.size, options.colour)
    kept = decoded.kept.copy()
    problems = [*source.problems, *decoded.problems]
    if not source.flat:
        problems += _lonely(source.pictures, kept)
    if problems and not options.skip_bad:
        many = counted(problems)
        intro = f"{many} in {origin}, nothing was prepared (--skip-bad goes on without these)"
        raise InvalidInputError(listed(intro, problems, rest))
    if problems:
        say(listed(f"{len(problems)} left out of {origin}", problems, rest))
    pictures = [picture for picture, good in zip(source.pictures, kept, strict=True) if good]
    labels = classes_of(pictures, source.labels)
    if source.flat and len(pictures) < LEAST_TO_TEST:
        raise InvalidInputError(
            f"{origin} needs {LEAST_TO_TEST} images or more, got {len(pictures)}"
        )
    if not source.flat and len(labels) < 2:
        raise InvalidInputError(
            f"{origin} needs two or more classes, got {', '.join(labels) or 'no image'}"
        )
    arrays = {"image": decoded.rows[kept], "label": labels_of(pictures, labels)}
    testing = np.array([picture.split == "test" for picture in pictures])
    splits = split_arrays(arrays, testing, origin)
    if source.flat:
        # The one class, without a name, told the split alone what to cut.
        return {split: {"image": part["image"]} for split, part in splits.items()}, []
    return splits, labels


def classes_of(pictures: Sequence[Picture], named: Sequence[str]) -> list[str]:
    """Returns the classes that occur, in the order that a source names them in, else their own."""
    present = {picture.label for picture in pictures}
    return [name for name in named if name in present] or natural_sort(present)


def labels_of(pictures: Sequence[Picture], classes: Sequence[str]) -> np.ndarray:
    """Returns the label of each picture: the place of its class, int64 (n,)."""
    return np.array([classes.index(picture.label) for picture in pictures], np.int64)


def _lonely(pictures: Sequence[Picture], kept: np.ndarray) -> list[Problem]:
    """Finds classes with fewer than two images to train on, and clears them from `kept`."""
    training = collections.Counter(
        picture.label
        for picture, good in zip(pictures, kept, strict=True)
        if good and picture.split == "train"
    )
    few = [label for label in natural_sort({p.label for p in pictures}) if training[label] < 2]
    for index, picture in enumerate(pictures):
        kept[index] &= picture.label not in few
    kind = "class with fewer than 2 images to train on"
    return [Problem(kind, label, f"{training[label]} good") for label in few]


def split_arrays(arrays: Arrays, testing: np.ndarray, origin: str) -> dict[str, Arrays]:
    """Cuts examples into `train` and `test`, in an order that is the same each time.

    Args:
        arrays: All examples.
        testing: bool (n,): which are for testing. Where none is, a fifth of each class is cut.
        origin: The source, for messages.

    Raises:
        InvalidInputError: when nothing can be cut, for no class has five images.
    """
    label = arrays["label"]
    if not testing.any():
        testing = cut_test(arrays)
        if not testing.any():
            raise InvalidInputError(
                f"{origin} has no test images, and none can be cut off: no class has "
                f"{LEAST_TO_TEST} images"
            )
        say(f"{testing.sum()} of {len(label)} images are cut off as the test split")
    # Not class by class, or the first few would be of one class.
    mixed = order(len(label), _SEED, 0)
    return {
        split: {key: value[mixed[chosen[mixed]]] for key, value in arrays.items()}
        for split, chosen in (("train", ~testing), ("test", testing))
    }


def say(line: str) -> None:
    """Tells the user something on standard error, where it is in no answer's way."""
    print(f"zoo: {line}", file=sys.stderr)
