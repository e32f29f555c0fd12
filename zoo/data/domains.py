"""The images of a pair of domains, as streams that nothing keeps in step."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from zoo.data.catalogue import get
from zoo.data.pairs import PAIRS, Domain, Pair, Shift
from zoo.data.prepare import class_counts, load
from zoo.data.split import Arrays, cut_validation
from zoo.errors import InvalidInputError, RecipeError

if TYPE_CHECKING:
    from zoo.recipe import DataSpec

_HALVES_SEED = 1618

View = Callable[[np.ndarray], np.ndarray]


def turn(images: np.ndarray) -> np.ndarray:
    """Turns uint8 (n, side, side, channels) by 90 degrees, against the clock, and inverts it."""
    return 255 - np.rot90(images, axes=(1, 2))


def turn_back(images: np.ndarray) -> np.ndarray:
    """Undoes `turn`."""
    return np.rot90(255 - images, k=-1, axes=(1, 2))


VIEWS: dict[str, View] = {
    "left": lambda images: images[:, :, : images.shape[2] // 2],
    "right": lambda images: images[:, :, images.shape[2] // 2 :],
    "turned": turn,
    "colour": lambda images: np.repeat(images, 3, axis=-1),
}
_UNDONE: dict[str | None, View] = {None: lambda images: images, "turned": turn_back}


def load_pair(name: str, split: str) -> Arrays:
    """Reads `train` or `test` of both domains of a pair.

    Returns:
        `{"a/image": uint8 (n, height, width, channels), "b/image": uint8 (m, height, …)}`, and
        `a/label`, `b/label`, int64, of domains that have labels; but `train` of a shift has no
        `b/label`: those of its target are not even read. Of a pair that is `paired`, row i of both
        in `test` belong together; `train` promises nothing.

    Raises:
        UnknownModelError: for an unknown pair.
        DataUnavailableError: when a data set of it is not prepared.
        InvalidInputError: when a domain is empty, or the two differ in size or channels.
    """
    pair = PAIRS.get(name)
    hidden = "b" if isinstance(pair, Shift) and split == "train" else None
    arrays = {
        f"{prefix}/{key}": value
        for prefix, domain in pair.domains.items()
        for key, value in _load(domain, split, hidden == prefix).items()
    }
    _check(pair, arrays)
    return arrays


def training_streams(spec: DataSpec) -> tuple[Arrays, Arrays | None]:
    """Returns what a translation trains on: images alone, whatever labels the domains have.

    Args:
        spec: Names a pair; `limit` and `validation` count images of each domain.

    Returns:
        `{"a/image": …, "b/image": …}`, and the same for validation, if that is asked for.

    Raises:
        RecipeError: for classes, which would need labels, or nothing left to train on.
        As `load_pair`.
    """
    if spec.classes is not None or spec.per_class is not None:
        raise RecipeError(
            f"domains are translated without labels: data.classes and data.per_class are not for "
            f"the pair {spec.name}"
        )
    train: Arrays = {}
    validation: Arrays = {}
    for key, images in load_pair(spec.name, "train").items():
        if not key.endswith("/image"):
            continue
        rest = {"image": images}
        if spec.validation:
            rest, held = cut_validation(rest, spec.validation)
            validation[key] = held["image"]
        train[key] = rest["image"][: spec.limit]
    return train, validation or None


def training_count(domain: Domain) -> int:
    """Returns how many training images a domain has, without reading them."""
    counts = class_counts(domain.dataset, "train")
    count = int(counts.sum() if domain.label is None else counts[domain.label])
    return count if domain.half is None else len(_half(count, domain.half))


def as_judged(images: np.ndarray, domain: Domain) -> np.ndarray:
    """Returns images of a domain as those of its data set, which its judge learned from."""
    return _UNDONE[domain.view](images)


def _load(domain: Domain, split: str, without_labels: bool) -> Arrays:
    dataset = get(domain.dataset)
    keys = ("image",) if without_labels else ("image", "label")
    arrays = load(dataset.name, dataset.tests[0] if split == "test" else split, keys)
    if split == "train" and domain.half is not None:
        chosen = _half(len(arrays["image"]), domain.half)
        arrays = {key: value[chosen] for key, value in arrays.items()}
    if domain.label is not None:
        arrays = {"image": arrays["image"][arrays["label"] == domain.label]}
    if domain.view:
        arrays = {**arrays, "image": np.ascontiguousarray(VIEWS[domain.view](arrays["image"]))}
    return arrays


def _half(count: int, which: int) -> np.ndarray:
    """Returns sorted positions of one of two halves that were drawn once and for all."""
    drawn = np.random.default_rng(_HALVES_SEED).permutation(count)
    return np.sort(drawn[which::2])


def _check(pair: Pair, arrays: Arrays) -> None:
    shapes = {domain.name: arrays[f"{p}/image"].shape for p, domain in pair.domains.items()}
    for name, shape in shapes.items():
        if not shape[0]:
            raise InvalidInputError(f"the domain {name} of the pair {pair.name} has no images")
    (one, first), (other, second) = shapes.items()
    if first[1:] != second[1:]:
        sizes = ["x".join(map(str, shape[1:])) for shape in (first, second)]
        raise InvalidInputError(
            f"the domains of a pair have one size; in {pair.name} images of {one} are {sizes[0]}, "
            f"those of {other} {sizes[1]}"
        )
