"""The user's own images as a prepared data set, like any other from then on."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from zoo import paths
from zoo.data.catalogue import DATASETS, NAME, folder, get, names, record_of
from zoo.data.decoding import digest_of
from zoo.data.feature_sets import FEATURE_SETS, refuse_features
from zoo.data.own_arrays import SIZE, Options, arrays_of, say
from zoo.data.own_pair import domain_names, folders_of, pair_source, read_pair, require_domains
from zoo.data.pairs import PAIR, PAIRS, sets_of
from zoo.data.prepare import is_prepared, require, write
from zoo.data.sources import Source, read_source, require_classes
from zoo.data.split import Arrays
from zoo.errors import InvalidInputError, UnknownModelError

TFDS = "tfds:"
_LICENCE = "as its owner says"


def resolve(
    source: str | Path, size: int = SIZE, skip_bad: bool = False, labelled: bool = False
) -> str:
    """Returns the name of the prepared data set of a source, preparing it where that is needed.

    Args:
        source: As for `prepare`, or a name of the catalogue, also of a pair of domains. A source
            that was prepared before keeps its options and is prepared again only where it changed.
        size: For a source that is new.
        skip_bad: As in `Options`.
        labelled: Whether pictures without classes are refused, before any is decoded.

    Raises:
        InvalidInputError: as `prepare`.
        DataUnavailableError: for a set of the catalogue that is not prepared.
    """
    if str(source) in DATASETS or PAIRS.has_built_in(str(source)):
        for one in sets_of(str(source)):
            require(one)
        return str(source)
    origin, name = _origin(source, None)
    record = record_of(name)
    options = Options(size, skip_bad=skip_bad)
    if record.get("source") == origin:
        kept = Options(**record["options"])
        options = dataclasses.replace(kept, skip_bad=skip_bad or kept.skip_bad)
        if origin.startswith(TFDS) or not _is_here(origin):
            return name
    _prepare(origin, name, options, only_changed=True, labelled=labelled)
    return name


def prepare(
    source: str | Path,
    name: str | None = None,
    size: int | None = None,
    colour: str | None = None,
    skip_bad: bool = False,
) -> str:
    """Makes a data set of the user's own images.

    Everything that cannot be used is found and listed before anything is kept. Where there is no
    test split a fifth is cut off, the same share of each class.

    Args:
        source: A folder of class folders, or one with `train` and `test` above them; a folder of
            pictures alone, which become a set without labels, for generators; a CSV with
            the columns path, label and, if wanted, split; an npz with image and label and, if
            wanted, test_image, test_label and labels; `tfds:NAME` for an image classification
            set of tensorflow-datasets; `pair:FOLDER_A:FOLDER_B` for a pair of domains, two folders
            of images; or the name of a set that was made so.
        name: What to call it; by default the last part of the source.
        size: Height and width that images are resized to; by default as before, or 64.
        colour: `grey`, `rgb`, or None for grey where every image is.
        skip_bad: Leave out, and list, what cannot be used.

    Returns:
        The name.

    Raises:
        InvalidInputError: for a source or a name that cannot be used, and for files that cannot:
            unreadable, empty, no image, twice there, without a label, or alone in their class.
    """
    origin, chosen = _origin(source, name)
    before = record_of(chosen)
    if before.get("source") == origin:
        size = size or before["options"]["size"]
    _prepare(origin, chosen, Options(size or SIZE, colour, skip_bad), only_changed=False)
    return chosen


def _origin(source: str | Path, name: str | None) -> tuple[str, str]:
    """Returns where a source is, for good, and the name of its data set."""
    text = str(source)
    if text.startswith(TFDS):
        origin, last = text, text.removeprefix(TFDS)
    elif text.startswith(PAIR):
        origin = pair_source(folders_of(text))
        last = "_".join(domain_names(origin))
    else:
        path = Path(text).expanduser()
        if not path.exists() and name is None and "source" in record_of(text):
            return record_of(text)["source"], text
        if not path.exists():
            if path.suffix or os.sep in text:
                raise InvalidInputError(f"there is no folder or file {text!r}")
            refuse_features(text)
            raise UnknownModelError(text, names(), kind="data set")
        origin = str(path.resolve())
        last = path.resolve().name if path.is_dir() else path.stem
    chosen = name or re.sub(r"[^a-z0-9]+", "_", last.lower()).strip("_")
    instead = f"`zoo data prepare {text} --name NAME`"
    if not NAME.fullmatch(chosen):
        raise InvalidInputError(
            f"a data set's name has lower-case letters, digits and underscores, got {chosen!r}; "
            f"choose one with {instead}"
        )
    taken = {
        "data set": chosen in DATASETS,
        "set of features": chosen in FEATURE_SETS,
        "pair of domains": PAIRS.has_built_in(chosen),
    }
    if any(taken.values()):
        kind = next(kind for kind, is_one in taken.items() if is_one)
        raise InvalidInputError(
            f"{chosen} is a {kind} of the catalogue; choose another name with {instead}"
        )
    return origin, chosen


def _prepare(
    origin: str, name: str, options: Options, only_changed: bool, labelled: bool = False
) -> None:
    if origin.startswith(TFDS):
        from zoo.data.own_tfds import prepare_tfds

        prepare_tfds(origin, name, options)
        return
    pair = origin.startswith(PAIR)
    source = read_pair(origin) if pair else read_source(Path(origin))
    if labelled:
        require_classes(source, origin)
    fingerprint = _fingerprint(source, options)
    before = record_of(name)
    if only_changed and is_prepared(name) and before.get("fingerprint") == fingerprint:
        return
    _refuse_taken(name, origin, before)
    if before.get("source") == origin and before.get("fingerprint") != fingerprint:
        say(f"{origin} or how to prepare it has changed; it is prepared again")
    if source.ignored:
        say(f"hidden files are left alone: {_some(source.ignored)}")
    rest = paths.home() / "data" / f"{name}.problems.txt"
    splits, labels = arrays_of(source, options, rest, origin)
    if pair:
        require_domains(splits, labels)
    keep(origin, name, splits, labels, options, fingerprint)


def _refuse_taken(name: str, origin: str, before: dict[str, Any]) -> None:
    taken = before.get("source", origin)
    if taken != origin and _is_here(taken):
        raise InvalidInputError(
            f"{name} is the data set of {taken}; choose another name with "
            f"`zoo data prepare {origin} --name NAME`"
        )


def _is_here(origin: str) -> bool:
    return all(Path(one).exists() for one in folders_of(origin))


def keep(
    origin: str,
    name: str,
    splits: dict[str, Arrays],
    labels: Sequence[str],
    options: Options,
    fingerprint: str,
) -> None:
    """Writes a data set of the user's own, with all that `get` needs to know of it."""
    write(
        name,
        splits,
        {
            "shape": list(splits["train"]["image"].shape[1:]),
            "labels": list(labels),
            "splits": {split: len(arrays["image"]) for split, arrays in splits.items()},
            "source": origin,
            "licence": _LICENCE,
            "options": dataclasses.asdict(options),
            "fingerprint": fingerprint,
        },
    )
    sizes = ", ".join(f"{count} {split}" for split, count in get(name).splits.items())
    shape = "x".join(map(str, get(name).shape))
    kind = "domains" if origin.startswith(PAIR) else "classes"
    say(f"{name}: {sizes} images of {shape}, {len(labels) or 'no'} {kind}, in {folder(name)}")


def _fingerprint(source: Source, options: Options) -> str:
    """Returns what changes when a source or the way to prepare it does."""
    digest = hashlib.sha256(repr((options.size, options.colour, source.labels)).encode())
    for problem in source.problems:
        digest.update(f"{problem}\0".encode())
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        contents = pool.map(digest_of, [picture.content for picture in source.pictures])
    for picture, content in zip(source.pictures, contents, strict=True):
        digest.update(f"{picture.where}\0{picture.label}\0{picture.split}\0".encode() + content)
    return digest.hexdigest()


def _some(names: list[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more
