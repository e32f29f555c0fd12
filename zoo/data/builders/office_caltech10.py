"""Office-Caltech10: SURF features of ten kinds of objects in four domains.

Gong, Shi, Sha, Grauman: Geodesic flow kernel for unsupervised domain adaptation (CVPR 2012). Each
picture is a histogram of its SURF descriptors over 800 visual words, as counts. The trials are
those of Hoffman et al.: Efficient learning of domain-invariant image representations (ICLR 2013),
20 for each ordered pair of domains: 20 examples a class of the source where it is amazon, 8 of
any other, and 3 of the target have labels, and the rest of the target is tested.

The splits are the domains. An example says for each other domain and each trial whether it is
learned from: `as_source`, where its own domain is the source, `as_target`, where it is the target.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import tensorflow_datasets as tfds

from zoo.data.builders.common import verified_files
from zoo.data.feature_sets import FEATURE_SETS
from zoo.errors import DataUnavailableError

_NAME = "office_caltech10"
_ADDRESS = (
    "the release of the geodesic flow kernel and, for its trials, "
    "https://cs.stanford.edu/~jhoffman/domainadapt/"
)
# Over the SHA-256 of the archives, in the order of the catalogue.
SHA256 = "df4f8e2bf04b8796aa19f4a24548ffa4f5f19e4015836c005da480bb89e371ee"


class OfficeCaltech10(tfds.core.GeneratorBasedBuilder):
    """The features as `amazon`, `caltech`, `dslr` and `webcam`, each in the original order."""

    VERSION = tfds.core.Version("1.0.0")
    MANUAL_DOWNLOAD_INSTRUCTIONS = "the four *_SURF_L10.mat and the twelve SameCategory_*.mat"
    url_infos: ClassVar[dict[str, Any]] = {}

    def _info(self) -> tfds.core.DatasetInfo:
        known = FEATURE_SETS.get(_NAME)
        chosen = (len(known.splits), known.trials)
        return tfds.core.DatasetInfo(
            builder=self,
            features=tfds.features.FeaturesDict(
                {
                    "features": tfds.features.Tensor(shape=known.shape, dtype=np.uint8),
                    "label": tfds.features.ClassLabel(names=known.labels),
                    "as_source": tfds.features.Tensor(shape=chosen, dtype=np.bool_),
                    "as_target": tfds.features.Tensor(shape=chosen, dtype=np.bool_),
                }
            ),
            supervised_keys=("features", "label"),
            homepage="https://cs.stanford.edu/~jhoffman/domainadapt/",
            disable_shuffling=True,
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Iterator[Any]]:
        known = FEATURE_SETS.get(_NAME)
        paths = verified_files(dl_manager, _NAME, known.archives, SHA256, _ADDRESS)
        domains = list(known.splits)
        shape = (len(domains), known.trials)
        vectors = {domain: read_domain(path) for domain, path in zip(domains, paths, strict=False)}
        roles = {
            (domain, role): np.zeros((len(vectors[domain][1]), *shape), bool)
            for domain in domains
            for role in ("source", "target")
        }
        pairs = [(a, b) for a in domains for b in domains if a != b]
        for (source, target), path in zip(pairs, paths[len(domains) :], strict=True):
            for trial, (learned, given) in enumerate(read_trials(path)):
                roles[source, "source"][learned, domains.index(target), trial] = True
                roles[target, "target"][given, domains.index(source), trial] = True
        return {
            domain: self._generate_examples(
                *vectors[domain], roles[domain, "source"], roles[domain, "target"]
            )
            for domain in domains
        }

    def _generate_examples(
        self,
        features: np.ndarray,
        labels: np.ndarray,
        as_source: np.ndarray,
        as_target: np.ndarray,
    ) -> Iterator[tuple[int, dict[str, Any]]]:
        for index, (row, label) in enumerate(zip(features, labels, strict=True)):
            yield (
                index,
                {
                    "features": row,
                    "label": int(label),
                    "as_source": as_source[index],
                    "as_target": as_target[index],
                },
            )


def read_domain(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Reads the features of a domain.

    Returns:
        Counts, uint8 (n, 800); labels from 0, int64 (n,).

    Raises:
        DataUnavailableError: for a file of another form.
    """
    from scipy.io import loadmat

    known = FEATURE_SETS.get(_NAME)
    found = loadmat(path, variable_names=["fts", "labels"])
    features, labels = found["fts"], found["labels"].ravel().astype(np.int64) - 1
    right = features.shape == (len(labels), *known.shape) and features.dtype == np.uint8
    if not right or set(labels) != set(range(len(known.labels))):
        raise DataUnavailableError(
            f"{path.name} should have rows of {known.shape[0]} counts, uint8, and labels from 1 to "
            f"{len(known.labels)}"
        )
    return features, labels


def read_trials(path: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    """Reads the trials of a pair of domains.

    Returns:
        For each trial the rows of the source and of the target that are learned from, from 0.

    Raises:
        DataUnavailableError: where there are more or fewer trials than published.
    """
    from scipy.io import loadmat

    train = loadmat(path, variable_names=["train"])["train"][0, 0]
    # MATLAB counts from 1; the smallest domains have their rows as uint8.
    sources, targets = (
        [rows.ravel().astype(np.int64) - 1 for rows in train[side].ravel()]
        for side in ("source", "target")
    )
    if not len(sources) == len(targets) == FEATURE_SETS.get(_NAME).trials:
        raise DataUnavailableError(
            f"{path.name} should have {FEATURE_SETS.get(_NAME).trials} trials, it has "
            f"{len(sources)} and {len(targets)}"
        )
    return list(zip(sources, targets, strict=True))
