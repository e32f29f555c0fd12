"""From original archives to arrays: tensorflow-datasets reads and verifies, arrays are cached."""

from __future__ import annotations

import hashlib
import json
import shutil
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from zoo import files, paths
from zoo.data.catalogue import DataSet, folder, get
from zoo.data.feature_sets import FEATURE_SETS, FeatureSet
from zoo.data.pairs import PAIRS, sets_of
from zoo.data.problems import SHOWN
from zoo.data.split import Arrays
from zoo.errors import DataUnavailableError, InvalidInputError


def is_prepared(name: str) -> bool:
    """Returns whether the arrays of a data set, or of both domains of a pair, are here."""
    return all((folder(one) / "dataset.json").is_file() for one in sets_of(name))


def require(name: str) -> None:
    """Raises `DataUnavailableError`, naming the command that mends it, if a set is not here."""
    if not is_prepared(_entry(name).name):
        raise DataUnavailableError(
            f"{name} is not here; run `zoo data prepare {name}` to download it, or "
            f"`zoo data prepare {name} --from DIR` to read its archives from DIR"
        )


def load(name: str, split: str, keys: Sequence[str] = ("image", "label")) -> Arrays:
    """Reads one split.

    Args:
        name: A data set.
        split: One of its splits.
        keys: Which of its arrays.

    Returns:
        `{"image": uint8 (n, height, width, channels), "label": int64 (n,)}`, without `label` where
        the data set has none.

    Raises:
        UnknownModelError: for an unknown name.
        InvalidInputError: for a split that the data set does not have.
        DataUnavailableError: when it is not prepared or its cache is damaged.
    """
    dataset = get(name)
    if split not in dataset.splits:
        known = ", ".join(dataset.splits)
        raise InvalidInputError(f"{name} has the splits {known}, not {split!r}")
    require(name)
    try:
        with np.load(folder(name) / f"{split}.npz", allow_pickle=False) as archive:
            arrays = {key: archive[key] for key in keys if key == "image" or dataset.labels}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise DataUnavailableError(
            f"the cache of {name} is damaged ({error}); run `zoo data prepare {name}` again"
        ) from error
    return arrays


def class_counts(name: str, split: str) -> np.ndarray:
    """Returns the number of examples of each class, int (classes,), without reading an image.

    A data set without labels is one class.

    Raises:
        As `load`.
    """
    dataset = get(name)
    if not dataset.labels:
        require(name)
        return np.array([dataset.splits[split]])
    label = load(name, split, ["label"])["label"]
    return np.bincount(label, minlength=len(dataset.labels))


def split_checksum(name: str, split: str) -> str:
    """Returns the SHA-256 over a split's arrays, as it was when the data set was prepared.

    That of a pair of domains is over those of its data sets and what it makes of them.
    """
    if name in PAIRS:
        made_of = [_recorded_checksum(one, split) for one in sets_of(name)]
        return hashlib.sha256(f"{PAIRS.get(name)} {made_of}".encode()).hexdigest()
    return _recorded_checksum(name, split)


def _recorded_checksum(name: str, split: str) -> str:
    require(name)
    try:
        record = json.loads((folder(name) / "dataset.json").read_text(encoding="utf-8"))
        return record["sha256"][split]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataUnavailableError(
            f"the record of {name}/{split} cannot be read ({error}); "
            f"run `zoo data prepare {name}` again"
        ) from error


def prepare(name: str, source: str | Path | None = None) -> Path:
    """Makes a data set ready: archives are fetched or read, verified, and kept as arrays.

    Args:
        name: A data set of the catalogue, or a set of features.
        source: A folder with the original archives, or one with a folder of them named like the
            data set. None downloads them.

    Returns:
        The folder with the arrays.

    Raises:
        DataUnavailableError: when an archive is missing, changed, or cannot be downloaded.
    """
    dataset = _entry(name)
    manual = _archive_folder(dataset, Path(source).expanduser()) if source is not None else None
    splits = _read_with_tfds(dataset, manual)
    for split, arrays in splits.items():
        expected = (dataset.splits[split], *dataset.shape)
        found = arrays[dataset.holds].shape
        if found != expected:
            raise DataUnavailableError(f"{name}/{split} should have shape {expected}, got {found}")
    return write(name, splits, {})


def write(name: str, splits: Mapping[str, Arrays], record: Mapping[str, Any]) -> Path:
    """Keeps the arrays of a data set and, beside them, what is known of it.

    The record is written last and removed first: a set whose writing was stopped is not prepared.

    Returns:
        The folder.
    """
    target = folder(name)
    (target / "dataset.json").unlink(missing_ok=True)
    for split, arrays in splits.items():
        with files.atomic_path(target / f"{split}.npz") as temporary:
            np.savez(temporary, **arrays)  # type: ignore[arg-type]
    digests = {split: arrays_checksum(arrays) for split, arrays in splits.items()}
    whole = {"name": name, "sha256": digests, **record}
    files.write_text(target / "dataset.json", json.dumps(whole, indent=2, ensure_ascii=False))
    return target


def arrays_checksum(arrays: Arrays) -> str:
    """Returns the SHA-256 over names, dtypes, shapes and bytes of the arrays."""
    digest = hashlib.sha256()
    for key in sorted(arrays):
        value = np.ascontiguousarray(arrays[key])
        digest.update(f"{key} {value.dtype} {value.shape}".encode())
        digest.update(value.tobytes())
    return digest.hexdigest()


def _entry(name: str) -> DataSet | FeatureSet:
    return FEATURE_SETS.get(name) if name in FEATURE_SETS else get(name)


def _archive_folder(dataset: DataSet | FeatureSet, source: Path) -> Path:
    if not source.is_dir():
        raise DataUnavailableError(f"there is no folder {source}")
    inner = source / (dataset.folder or dataset.name)
    chosen = inner if inner.is_dir() else source
    missing = [file for file in dataset.archives if not (chosen / file).is_file()]
    if dataset.equivalents and (chosen / dataset.equivalents[0]).is_file():
        missing = [file for file in dataset.equivalents if not (chosen / file).is_file()]
    if missing:
        needed = ", ".join(dataset.archives)
        if len(dataset.archives) > SHOWN:
            first, *_, last = dataset.archives
            needed = f"{len(dataset.archives)} files, {first} to {last}"
        raise DataUnavailableError(f"{chosen} lacks {missing[0]}; {dataset.name} needs {needed}")
    return chosen


def _read_with_tfds(dataset: DataSet | FeatureSet, manual: Path | None) -> dict[str, Arrays]:
    """Runs the TFDS builder. Of archives read from a folder nothing but the arrays is kept."""
    try:
        from zoo.data import tfds_bridge
    except ModuleNotFoundError as error:
        raise DataUnavailableError(
            f"preparing {dataset.name} needs {error.name}, which is not installed; prepare it "
            f"elsewhere and copy $ZOO_HOME/data/{dataset.name} here"
        ) from error

    # One download folder a data set: TFDS caches extracted files by bare name, and mnist and
    # fashion_mnist use the same names.
    work = paths.home() / "tfds" / dataset.name
    if manual is not None:
        shutil.rmtree(work, ignore_errors=True)
    try:
        return tfds_bridge.read(dataset, work, manual)
    finally:
        if manual is not None:
            shutil.rmtree(work, ignore_errors=True)
