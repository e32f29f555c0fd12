"""The examples that a recipe names: of all classes or some, all examples of each or a few."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from zoo.data.catalogue import get
from zoo.data.domains import training_streams
from zoo.data.pairs import PAIRS, Shift
from zoo.data.prepare import load
from zoo.data.shifts import shift_labels, shifted_streams
from zoo.data.split import Arrays, cut_validation, few_of_each
from zoo.errors import RecipeError

if TYPE_CHECKING:
    from zoo.recipe import DataSpec


def labels(spec: DataSpec) -> tuple[str, ...]:
    """Returns the names of the classes that a recipe learns, in the order of its labels.

    Of a pair these are the names of its two domains, of a shift the classes of both; of a data set
    without labels there are none.

    Raises:
        UnknownModelError: for an unknown data set.
        RecipeError: for a class that it does not have.
    """
    if spec.name in PAIRS:
        pair = PAIRS.get(spec.name)
        if isinstance(pair, Shift):
            return shift_labels(pair)
        return tuple(domain.name for domain in pair.domains.values())
    known = get(spec.name).labels
    if not known and (spec.classes is not None or spec.per_class is not None):
        raise RecipeError(
            f"{spec.name} has no labels; data.classes and data.per_class are not for it"
        )
    if spec.classes is None:
        return known
    for one in spec.classes:
        if one >= len(known):
            raise RecipeError(
                f"data.classes: {spec.name} has the labels 0 to {len(known) - 1}, not {one}"
            )
    return tuple(known[one] for one in spec.classes)


def examples(spec: DataSpec, split: str) -> Arrays:
    """Reads one split, with the examples of the spec's classes alone.

    Returns:
        `{"image": uint8 (n, height, width, channels), "label": int64 (n,)}`; labels count the
        spec's classes in their order.

    Raises:
        As `load` and `labels`.
    """
    return _of_classes(load(spec.name, split), spec)


def training_examples(spec: DataSpec) -> tuple[Arrays, Arrays | None]:
    """Returns what a recipe trains on and, where it has a validation split, what it validates on.

    The validation examples are cut from the whole split, so that no choice of classes and of
    numbers lets a recipe train on an example that another one validates on. Of a pair of domains
    these are the streams `a/image` and `b/image`, see `training_streams`; of a shift those of
    `shifted_streams`. Images of another set come without labels.

    Raises:
        RecipeError: when there are fewer than `spec.per_class` examples, or none, of a class that
            is not left out; or when images of another set differ in size.
    """
    if spec.name in PAIRS:
        if spec.without is not None or spec.images is not None:
            raise RecipeError(f"data.without and data.images are not for the pair {spec.name}")
        pair = PAIRS.get(spec.name)
        return shifted_streams(pair, spec) if isinstance(pair, Shift) else training_streams(spec)
    arrays = load(spec.name, "train")
    validation = None
    if spec.validation:
        arrays, validation = cut_validation(arrays, spec.validation)
        validation = _of_classes(validation, spec)
    if spec.images is not None:
        arrays = {"image": _images_of(spec.images, arrays["image"].shape[1:], spec.name)}
    arrays = _of_classes(_left_in(arrays, spec), spec)
    if "label" in arrays:
        _require(arrays["label"], spec)
    if spec.per_class is not None:
        # By the number that a class has in the whole set, whatever else is chosen.
        drawn_as = spec.classes or range(int(arrays["label"].max()) + 1)
        chosen = few_of_each(arrays["label"], spec.per_class, drawn_as)
        arrays = {key: value[chosen] for key, value in arrays.items()}
    if spec.limit is not None:
        arrays = {key: value[: spec.limit] for key, value in arrays.items()}
    return arrays, validation


def _of_classes(arrays: Arrays, spec: DataSpec) -> Arrays:
    known = len(labels(spec))
    if spec.classes is None:
        return arrays
    # Where each original label goes; -1 for those left out.
    new = np.full(len(get(spec.name).labels), -1, np.int64)
    new[spec.classes] = np.arange(known)
    label = new[arrays["label"]]
    kept = label >= 0
    return {**{key: value[kept] for key, value in arrays.items()}, "label": label[kept]}


def _images_of(name: str, shape: tuple[int, ...], of: str) -> np.ndarray:
    images = load(name, "train", ("image",))["image"]
    if images.shape[1:] != shape:
        own, other = ("x".join(map(str, one)) for one in (shape, images.shape[1:]))
        raise RecipeError(f"data.images: {name} has images of {other}, {of} of {own}")
    return images


def _left_in(arrays: Arrays, spec: DataSpec) -> Arrays:
    """Returns the examples without those of the labels that are left out."""
    if not spec.without:
        return arrays
    known = get(spec.name).labels
    for one in spec.without:
        if one >= len(known):
            has = f"the labels 0 to {len(known) - 1}" if known else "no labels"
            raise RecipeError(f"data.without: {spec.name} has {has}, not {one}")
    kept = ~np.isin(arrays["label"], spec.without)
    return {key: value[kept] for key, value in arrays.items()}


def _require(label: np.ndarray, spec: DataSpec) -> None:
    names = labels(spec)
    least = spec.per_class or 1
    originals = spec.classes or range(len(names))
    counts = np.bincount(label, minlength=len(names))
    for original, name, count in zip(originals, names, counts, strict=True):
        if original in (spec.without or ()):
            continue
        if count < least:
            cut = f" after {spec.validation} were cut for validation" if spec.validation else ""
            raise RecipeError(
                f"class {name} of {spec.name} has {count} training examples{cut}, "
                f"needs at least {least}"
            )
