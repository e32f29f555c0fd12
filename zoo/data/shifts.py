"""What an adaptation learns from: a labelled source and a target whose labels it does not get."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from zoo.data.catalogue import get
from zoo.data.domains import load_pair
from zoo.data.pairs import Shift
from zoo.data.prepare import load
from zoo.data.split import Arrays, cut_validation, few_of_each
from zoo.errors import InvalidInputError, RecipeError

if TYPE_CHECKING:
    from zoo.recipe import DataSpec


def shift_labels(shift: Shift) -> tuple[str, ...]:
    """Returns the classes of a shift, in the order of the labels of both domains.

    Raises:
        InvalidInputError: when the domains have others, or the same in another order.
    """
    source, target = (get(domain.dataset) for domain in (shift.a, shift.b))
    if source.labels != target.labels or not source.labels:
        known = [", ".join(one.labels) or "none" for one in (source, target)]
        raise InvalidInputError(
            f"the domains of the shift {shift.name} need the same classes; {source.name} has "
            f"{known[0]}, {target.name} {known[1]}"
        )
    return target.labels


def shifted_streams(shift: Shift, spec: DataSpec) -> tuple[Arrays, Arrays | None]:
    """Returns what an adaptation trains on and, if that is asked for, validates on.

    The labels of the target are not read at all, unless `spec.per_class` asks for some.

    Args:
        shift: The one that the spec names.
        spec: `limit` and `validation` count images of each domain. `per_class` is the number of
            target images of each class that come with their labels, all of a class that has no
            more: None is unsupervised adaptation, 3 semi-supervised, 100000 supervised.

    Returns:
        `source/image`, `source/label` and `target/image`, streams that nothing keeps in step; with
        `per_class` also `labelled/image` and `labelled/label`, of the target, whose images are
        among those of `target/image` too. For validation the first three: no choice that is made
        by it knows a label of the target.

    Raises:
        RecipeError: for a choice of classes, or a class that the source lacks.
        As `shift_labels` and `load_pair`.
    """
    if spec.classes is not None:
        raise RecipeError(f"data.classes is not for the shift {shift.name}: it is of all classes")
    names = shift_labels(shift)
    pair = load_pair(shift.name, "train")
    source = {"image": pair["a/image"], "label": pair["a/label"]}
    target = {"image": pair["b/image"]}
    if spec.per_class is not None:
        target |= load(shift.b.dataset, "train", ["label"])
    validation: Arrays = {}
    if spec.validation:
        source, held = cut_validation(source, spec.validation)
        target, other = cut_validation(target, spec.validation)
        validation = _prefixed("source", held) | {"target/image": other["image"]}
    source, target = (
        {key: value[: spec.limit] for key, value in arrays.items()} for arrays in (source, target)
    )
    for name, count in zip(names, np.bincount(source["label"], minlength=len(names)), strict=True):
        if not count:
            raise RecipeError(
                f"class {name} has no example among the {len(source['label'])} of {shift.a.name}, "
                f"the source of {shift.name}; adaptation needs every class there"
            )
    train = _prefixed("source", source) | {"target/image": target["image"]}
    if spec.per_class is not None:
        chosen = few_of_each(target["label"], spec.per_class, range(len(names)))
        train |= _prefixed("labelled", {key: value[chosen] for key, value in target.items()})
    return train, validation or None


def _prefixed(stream: str, arrays: Arrays) -> Arrays:
    return {f"{stream}/{key}": value for key, value in arrays.items()}
