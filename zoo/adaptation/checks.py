"""What every method asks of its domains; each refusal is one line."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import check_array, check_consistent_length, column_or_1d
from sklearn.utils.multiclass import check_classification_targets

from zoo.errors import InvalidInputError

UNKNOWN = -1


class InvalidDomainError(InvalidInputError, ValueError):
    """Samples, labels or options that a method cannot take; a `ValueError` as scikit-learn's."""


@dataclasses.dataclass(frozen=True)
class Domains:
    """Checked samples of both domains.

    Args:
        source: float64 (n_source, features).
        source_labels: (n_source,), of two or more classes.
        target: float64 (n_target, features).
        target_labels: (n_target,), or None where none is known.
        labelled: bool (n_target,): whose label is known.
    """

    source: np.ndarray
    source_labels: np.ndarray
    target: np.ndarray
    target_labels: np.ndarray | None
    labelled: np.ndarray

    @property
    def known(self) -> tuple[np.ndarray, np.ndarray]:
        """The labelled samples of the target and their labels; none of them may be there."""
        if self.target_labels is None:
            return self.target[:0], self.source_labels[:0]
        return self.target[self.labelled], self.target_labels[self.labelled]


def check_domains(
    source: ArrayLike,
    source_labels: ArrayLike,
    target: ArrayLike | None,
    target_labels: ArrayLike | None,
    same_features: bool = True,
) -> Domains:
    """Checks what a method is fitted with.

    Args:
        source: Samples, (n_source, features).
        source_labels: Their classes, (n_source,).
        target: Samples, (n_target, features).
        target_labels: Their classes, -1 where unknown; None where all are.
        same_features: Whether both domains must have the same features.

    Raises:
        InvalidDomainError: for NaN, infinities, fewer than two samples, other shapes, fewer than
            two classes in the source, and classes of the target that the source lacks.
    """
    xs = check_samples(source, "source")
    with named("source labels"):
        ys = column_or_1d(source_labels, warn=True)
        check_classification_targets(ys)
        check_consistent_length(xs, ys)
    classes = np.unique(ys)
    if len(classes) < 2:
        raise InvalidDomainError(f"the source needs two classes or more, it has one: {classes[0]}")
    if target is None:
        raise InvalidDomainError("the target is missing: expected its samples, got None")
    xt = check_samples(target, "target")
    if same_features and xs.shape[1] != xt.shape[1]:
        raise InvalidDomainError(
            f"both domains need the same features, the source has {xs.shape[1]}, the target "
            f"{xt.shape[1]}"
        )
    if target_labels is None:
        return Domains(xs, ys, xt, None, np.zeros(len(xt), bool))
    with named("target labels"):
        yt = column_or_1d(target_labels, warn=True)
        check_consistent_length(xt, yt)
    if UNKNOWN in classes:
        raise InvalidDomainError(f"{UNKNOWN} marks an unknown label and cannot be a class")
    labelled = np.asarray(yt != UNKNOWN)
    lacking = np.setdiff1d(yt[labelled], classes)
    if len(lacking):
        raise InvalidDomainError(
            f"the target has the class {lacking[0]}, which the source lacks; the source has "
            f"{', '.join(map(str, classes[:10]))}{' …' if len(classes) > 10 else ''}"
        )
    return Domains(xs, ys, xt, yt if labelled.any() else None, labelled)


def check_samples(samples: ArrayLike, name: str, least: int = 2) -> np.ndarray:
    """Returns samples as float64 (n, features), finite, `least` or more of them."""
    with named(name):
        return check_array(samples, dtype=np.float64, ensure_min_samples=least)


def check_number(
    name: str, value: Any, least: float, most: float = np.inf, above: bool = False
) -> None:
    """Refuses an option that is no number from `least`, or above it, to `most`."""
    number = isinstance(value, int | float | np.integer | np.floating)
    if not number or not (least < value if above else least <= value) or not value <= most:
        low = f"above {least:g}" if above else f"from {least:g}"
        high = f" to {most:g}" if most < np.inf else ""
        raise InvalidDomainError(f"{name} must be a number {low}{high}, got {value!r}")


def check_count(name: str, value: Any, most: int, of: str) -> None:
    """Refuses an option that is no whole number from 1 to `most`, which is that `of` something."""
    if not isinstance(value, int | np.integer) or not 1 <= value <= most:
        raise InvalidDomainError(
            f"{name} must be a whole number from 1 to {most}, {of}, got {value!r}"
        )


@contextlib.contextmanager
def named(name: str) -> Iterator[None]:
    """Says of whom scikit-learn speaks, and that in one line."""
    try:
        yield
    except (TypeError, ValueError) as error:
        first, *rest = str(error).splitlines()
        # Between what is wrong and what to do there may be the samples.
        raise InvalidDomainError(" ".join([f"{name}: {first}", *rest[-1:]])) from error
