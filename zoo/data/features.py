"""Sets of features, read: the vectors of a domain, and which of them a published trial takes."""

from __future__ import annotations

import zipfile
from typing import NamedTuple

import numpy as np

from zoo.data.catalogue import folder
from zoo.data.feature_sets import FEATURE_SETS
from zoo.data.prepare import require
from zoo.data.split import Arrays
from zoo.errors import DataUnavailableError, InvalidInputError


class Trial(NamedTuple):
    """One published choice of training examples.

    Args:
        source: Rows of the source domain to learn from, int64, ascending.
        target: Rows of the target domain whose labels are given.
        test: All other rows of the target domain, on which the trial is measured.
    """

    source: np.ndarray
    target: np.ndarray
    test: np.ndarray


def load_features(name: str, domain: str) -> Arrays:
    """Reads one domain of a set of features.

    Args:
        name: A set of features.
        domain: One of its domains.

    Returns:
        `{"features": uint8 (n, features), "label": int64 (n,)}`.

    Raises:
        UnknownModelError: for an unknown name.
        InvalidInputError: for a domain that the set does not have.
        DataUnavailableError: when it is not prepared or its cache is damaged.
    """
    return _read(name, domain, ("features", "label"))


def load_trials(name: str, source: str, target: str) -> list[Trial]:
    """Reads the published trials of a pair of domains, in their order.

    Raises:
        InvalidInputError: also where both domains are one.
        As `load_features` else.
    """
    if source == target:
        raise InvalidInputError(f"a trial has two domains, got {source} twice")
    domains = list(FEATURE_SETS.get(name).splits)
    as_source = _read(name, source, ("as_source",))["as_source"]
    as_target = _read(name, target, ("as_target",))["as_target"]
    learned = as_source[:, domains.index(target)].T
    given = as_target[:, domains.index(source)].T
    return [
        Trial(np.flatnonzero(chosen), np.flatnonzero(labelled), np.flatnonzero(~labelled))
        for chosen, labelled in zip(learned, given, strict=True)
    ]


def _read(name: str, domain: str, keys: tuple[str, ...]) -> Arrays:
    known = FEATURE_SETS.get(name).splits
    if domain not in known:
        raise InvalidInputError(f"{name} has the domains {', '.join(known)}, not {domain!r}")
    require(name)
    try:
        with np.load(folder(name) / f"{domain}.npz", allow_pickle=False) as archive:
            return {key: archive[key] for key in keys}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise DataUnavailableError(
            f"the cache of {name} is damaged ({error}); run `zoo data prepare {name}` again"
        ) from error
