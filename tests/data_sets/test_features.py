"""Sets of features: read from their archives, kept like images, and not taken for images."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from tests.adaptation.domains import SAMPLE, write_office
from zoo import data
from zoo.cli import main
from zoo.data import FEATURE_SETS
from zoo.data.features import load_features, load_trials
from zoo.errors import DataUnavailableError, InvalidInputError, UnknownModelError

NAME = "office_caltech10"
DOMAINS = ("amazon", "caltech", "dslr", "webcam")


@pytest.mark.parametrize("name", FEATURE_SETS)
def test_every_set_is_what_it_says(name: str, tmp_path: Path) -> None:
    from zoo.data.tfds_bridge import builder_of

    known = FEATURE_SETS.get(name)
    assert known.name == name and name not in data.DATASETS
    assert len(set(known.labels)) == len(known.labels)
    assert known.licence and known.citation and known.folder
    info = builder_of(known, tmp_path).info
    assert info.features["features"].shape == known.shape
    assert tuple(info.features["label"].names) == known.labels


def archives(folder: Path, rows: dict[str, tuple[np.ndarray, np.ndarray]]) -> str:
    """Writes a sample in the form of the archives; returns its digest."""
    names = FEATURE_SETS.get(NAME).archives
    for domain, name in zip(DOMAINS, names, strict=False):
        features, label = rows[domain]
        savemat(folder / name, {"fts": features, "labels": (label + 1).astype(np.uint8)[:, None]})
    pairs = [(a, b) for a in DOMAINS for b in DOMAINS if a != b]
    for (source, target), name in zip(pairs, names[4:], strict=True):
        train = {}
        for role, count, domain in (("source", 20, source), ("target", 10, target)):
            cells = np.empty((1, 20), dtype=object)
            for trial in range(20):
                cells[0, trial] = trial_rows(domain, role, trial, count)[None] + 1
            train[role] = cells
        savemat(folder / name, {"train": train})
    digest = hashlib.sha256()
    for name in names:
        digest.update(hashlib.sha256((folder / name).read_bytes()).digest())
    return digest.hexdigest()


def trial_rows(domain: str, role: str, trial: int, count: int) -> np.ndarray:
    seed = [DOMAINS.index(domain), role == "source", trial]
    return np.random.default_rng(seed).permutation(50)[:count].astype(np.uint8)


def test_archives_become_domains_and_trials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from zoo.data.builders import office_caltech10

    small = dataclasses.replace(FEATURE_SETS.get(NAME), splits=dict.fromkeys(DOMAINS, 50))
    monkeypatch.setitem(FEATURE_SETS._items, NAME, small)
    with np.load(SAMPLE, allow_pickle=False) as archive:
        rows = {d: (archive[f"{d}_features"], archive[f"{d}_label"]) for d in DOMAINS}
    digest = archives(tmp_path, rows)
    with pytest.raises(DataUnavailableError, match=r"16 files of office_caltech10 .* published"):
        data.prepare(NAME, tmp_path)
    assert not data.is_prepared(NAME)
    monkeypatch.setattr(office_caltech10, "SHA256", digest)
    assert main(["data", "prepare", NAME, "--from", str(tmp_path)]) == 0
    for domain in DOMAINS:
        found = load_features(NAME, domain)
        assert set(found) == {"features", "label"}
        assert found["features"].dtype == np.uint8 and found["label"].dtype == np.int64
        np.testing.assert_array_equal(found["features"], rows[domain][0])
        np.testing.assert_array_equal(found["label"], rows[domain][1])
    trials = load_trials(NAME, "webcam", "amazon")
    assert len(trials) == 20
    for number, trial in enumerate(trials):
        source = np.sort(trial_rows("webcam", "source", number, 20))
        target = np.sort(trial_rows("amazon", "target", number, 10))
        np.testing.assert_array_equal(trial.source, source)
        np.testing.assert_array_equal(trial.target, target)
        np.testing.assert_array_equal(trial.test, np.setdiff1d(np.arange(50), target))
    (tmp_path / "dslr_SURF_L10.mat").unlink()
    with pytest.raises(DataUnavailableError, match=r"lacks dslr_SURF_L10.mat; office_caltech10"):
        data.prepare(NAME, tmp_path)


def test_what_is_not_there_is_named(private_home: Path) -> None:
    with pytest.raises(DataUnavailableError, match="`zoo data prepare office_caltech10 --from"):
        load_features(NAME, "amazon")
    write_office(private_home)
    with pytest.raises(InvalidInputError, match="has the domains amazon, caltech, dslr, webcam, n"):
        load_features(NAME, "google")
    with pytest.raises(InvalidInputError, match="a trial has two domains, got dslr twice"):
        load_trials(NAME, "dslr", "dslr")
    with pytest.raises(UnknownModelError, match="unknown set of features 'office'"):
        load_features("office", "dslr")
    (private_home / "data" / NAME / "dslr.npz").write_bytes(b"nothing")
    with pytest.raises(DataUnavailableError, match="the cache of office_caltech10 is damaged"):
        load_features(NAME, "dslr")


def test_features_are_no_images(tmp_path: Path) -> None:
    from zoo.data import own

    for asked in (lambda: data.load(NAME, "amazon"), lambda: own.resolve(NAME)):
        with pytest.raises(InvalidInputError, match="is a set of features, not of images; `zoo"):
            asked()
    with pytest.raises(InvalidInputError, match="office_caltech10 is a set of features of the"):
        own.prepare(tmp_path, name=NAME)


def test_the_list_shows_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "list"]) == 0
    line = next(line for line in capsys.readouterr().out.splitlines() if NAME in line)
    assert "800" in line and "webcam 295" in line


@pytest.mark.full
def test_the_sample_and_the_trials_are_those_of_the_archives(full_source: Path) -> None:
    data.prepare(NAME, full_source)
    with np.load(SAMPLE, allow_pickle=False) as sample:
        for domain, count in FEATURE_SETS.get(NAME).splits.items():
            found = load_features(NAME, domain)
            assert len(found["label"]) == count
            rows = sample[f"{domain}_index"]
            np.testing.assert_array_equal(found["features"][rows], sample[f"{domain}_features"])
            np.testing.assert_array_equal(found["label"][rows], sample[f"{domain}_label"])
    for source in DOMAINS:
        for target in DOMAINS:
            if source == target:
                continue
            labels = {one: load_features(NAME, one)["label"] for one in (source, target)}
            for trial in load_trials(NAME, source, target):
                each = 20 if source == "amazon" else 8
                assert (np.bincount(labels[source][trial.source]) == each).all()
                assert (np.bincount(labels[target][trial.target]) == 3).all()
