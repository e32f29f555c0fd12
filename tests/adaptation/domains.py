"""Domains of known making, and a sample of real ones, for the tests of the methods."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from zoo import paths
from zoo.data import FEATURE_SETS

SAMPLE = Path(__file__).parents[1] / "data" / "features" / "office_caltech10.npz"


def blobs(
    per_class: int = 30, classes: int = 3, features: int = 5, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Classes far apart, each about a corner of its own; float64 (n, features) and int (n,)."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(classes), per_class)
    centres = 4 * np.eye(classes, features)
    return centres[labels] + 0.4 * rng.normal(size=(len(labels), features)), labels


def rotation(features: int, seed: int = 0) -> np.ndarray:
    """A random rotation or reflection."""
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(features, features)))[0]


def few_labels(labels: np.ndarray, per_class: int) -> np.ndarray:
    """The first labels of each class; -1 for all others."""
    known = np.full(len(labels), -1)
    for one in np.unique(labels):
        rows = np.flatnonzero(labels == one)[:per_class]
        known[rows] = one
    return known


def write_office(home: Path) -> None:
    """Writes the sample as a prepared set of features, with trials of two labels a class each."""
    from zoo.data.prepare import write

    rng = np.random.default_rng(0)
    domains = {}
    with np.load(SAMPLE, allow_pickle=False) as archive:
        for domain in FEATURE_SETS.get("office_caltech10").splits:
            label = archive[f"{domain}_label"]
            chosen = np.zeros((2, len(label), 4, 20), bool)
            for role, other, trial in np.ndindex(2, 4, 20):
                rows = [rng.choice(np.flatnonzero(label == one), 2, False) for one in range(10)]
                chosen[role, np.concatenate(rows), other, trial] = True
            domains[domain] = {
                "features": archive[f"{domain}_features"],
                "label": label,
                "as_source": chosen[0],
                "as_target": chosen[1],
            }
    assert paths.home() == home
    write("office_caltech10", domains, {})
