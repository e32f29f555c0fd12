"""The store of models: numbered versions, verified when read, whole when written.

    <root>/<name>/<version>/card.json, README.md, <network>.keras, pictures, history.csv

Two roots are searched in order: `$ZOO_HOME/models`, which is written to, and the shipped
`saved_models/`. Nothing else touches these folders.
"""

from __future__ import annotations

import dataclasses
import fnmatch
import json
import os
import re
import shutil
import tempfile
import time
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from zoo import files, paths
from zoo.cards import Card
from zoo.errors import CorruptModelError, InvalidInputError, UnknownModelError
from zoo.registry import natural_sort

if TYPE_CHECKING:
    import keras

_NAME = re.compile(r"[A-Za-z0-9_]+(\.[A-Za-z0-9_]+(-[A-Za-z0-9_]+)*)?")
_VERSION = re.compile(r"[1-9][0-9]*")
_FILE = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*")
_STALE_SECONDS = 24 * 3600


def roots() -> list[Path]:
    """Returns the folders that are searched, in order; the first is written to."""
    return [paths.home() / "models", paths.shipped_models()]


def names(pattern: str = "*") -> list[str]:
    """Returns the names of stored models that match a shell wildcard, in natural order."""
    found = {
        folder.name
        for root in roots()
        if root.is_dir()
        for folder in root.iterdir()
        if _NAME.fullmatch(folder.name) and _versions_in(folder)
    }
    return natural_sort(name for name in found if fnmatch.fnmatchcase(name, pattern))


def versions(name: str) -> list[int]:
    """Returns the version numbers of a model in all roots, oldest first."""
    _check_name(name)
    return sorted({number for root in roots() for number in _versions_in(root / name)})


def find(reference: str | Path) -> Path:
    """Returns the folder of a stored model.

    Args:
        reference: A name (its newest version), `name@version`, or the path of a version's folder.

    Raises:
        UnknownModelError: when nothing is stored under it, with near names.
        InvalidInputError: for a reference that is not of these forms.
    """
    path = Path(reference)
    if isinstance(reference, Path) or path.is_absolute() or str(reference).startswith("./"):
        if not (path / "card.json").is_file():
            raise UnknownModelError(str(reference), [], kind="model folder")
        return path
    name, at, version = str(reference).partition("@")
    _check_name(name)
    available = versions(name)
    if not available:
        raise UnknownModelError(name, names())
    if at and (not _VERSION.fullmatch(version) or int(version) not in available):
        listed = ", ".join(f"{name}@{number}" for number in available)
        raise UnknownModelError(str(reference), [], kind=f"version (there are {listed})")
    number = int(version) if at else available[-1]
    return next(root / name / str(number) for root in roots() if _has(root / name / str(number)))


def read_card(reference: str | Path) -> Card:
    """Reads a model's card without reading its weights.

    Raises:
        UnknownModelError, InvalidInputError: as for `find`.
        CorruptModelError: when the card is damaged or another model's.
    """
    folder = find(reference)
    try:
        record = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CorruptModelError(f"the card in {folder} cannot be read: {error}") from error
    if not isinstance(record, dict):
        raise CorruptModelError(f"the card in {folder} is not an object")
    card = Card.from_dict(record)
    in_store = folder.parent.parent in roots()
    if in_store and (card.name, str(card.version)) != (folder.parent.name, folder.name):
        raise CorruptModelError(f"the card in {folder} is that of {card.name}@{card.version}")
    return card


def verify(reference: str | Path) -> Card:
    """Checks every file of a model against its card.

    Raises:
        CorruptModelError: naming the first file that is missing, changed or not on the card.
    """
    folder = find(reference)
    card = read_card(folder)
    for name, expected in card.sha256.items():
        path = folder / name
        if Path(name).name != name or not path.is_file():
            raise CorruptModelError(f"{card.name}@{card.version}: {name} is missing")
        if files.sha256(path) != expected:
            raise CorruptModelError(
                f"{card.name}@{card.version}: {name} is not the file that was stored "
                "(sha256 differs); restore it or delete the version"
            )
    for name in card.networks.values():
        # Keras reads older formats too, in which its safe mode holds less.
        if not name.endswith(".keras"):
            raise CorruptModelError(f"{card.name}@{card.version}: {name} is not a .keras file")
    # Hidden files are left by file managers and version control; nothing reads them.
    present = {path.name for path in folder.iterdir() if not path.name.startswith(".")}
    for name in sorted({*card.networks.values(), *present} - {"card.json", *card.sha256}):
        raise CorruptModelError(f"{card.name}@{card.version}: {name} has no sha256 on the card")
    return card


def load(reference: str | Path) -> tuple[Card, dict[str, keras.Model]]:
    """Verifies a model and loads its networks, uncompiled, in Keras' safe mode.

    Raises:
        UnknownModelError, InvalidInputError: as for `find`.
        CorruptModelError: as for `verify`, or when Keras cannot read a network.
    """
    folder = find(reference)
    card = verify(folder)

    from zoo import registry
    from zoo.backend import import_backend

    import_backend()
    import keras

    if card.family not in registry.families():
        raise CorruptModelError(f"{card.name}: there is no family {card.family!r}")
    registry.import_family(card.family)
    networks = {}
    for name, file in card.networks.items():
        try:
            networks[name] = keras.saving.load_model(folder / file, compile=False, safe_mode=True)
        except (ValueError, TypeError, OSError, KeyError, zipfile.BadZipFile) as error:
            first_line = (str(error).splitlines() or [type(error).__name__])[0][:200]
            raise CorruptModelError(
                f"{card.name}: {file} cannot be loaded: {first_line}"
            ) from error
    return card, networks


def save(
    card: Card,
    networks: Mapping[str, keras.Model],
    extras: Mapping[str, bytes] | None = None,
    root: Path | None = None,
) -> Path:
    """Stores a new version: written beside, synced, then renamed into place.

    A kill at any moment leaves the versions there were, or those and the whole new one. Two
    writers at once get two versions.

    Args:
        card: The card; its version, networks, time and digests are filled in.
        networks: The networks that inference needs, by name.
        extras: Further files by name, such as `samples.png`.
        root: Where to store; by default `$ZOO_HOME/models`.

    Returns:
        The folder of the version.
    """
    with _work_folder(card.name, root) as work:
        for name, network in networks.items():
            network.save(work / f"{name}.keras")
        for name, content in (extras or {}).items():
            taken = {"card.json", "README.md", *(path.name for path in work.iterdir())}
            if name in taken or not _FILE.fullmatch(name):
                raise InvalidInputError(f"a file to store needs a plain, free name, got {name!r}")
            (work / name).write_bytes(content)
        sizes = {name: (work / f"{name}.keras").stat().st_size for name in networks}
        card = dataclasses.replace(
            card,
            networks={name: f"{name}.keras" for name in networks},
            costs={**card.costs, "bytes": sizes},
            created=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        return _publish(work, card)


def adopt(path: str | Path, root: Path | None = None) -> Path:
    """Stores a version that was made elsewhere, under the next number of its name.

    It is written as by `save`. A version that is stored already is not stored again.

    Args:
        path: The version's folder; it is only read.
        root: Where to store; by default `$ZOO_HOME/models`.

    Returns:
        The folder of the version, the older one where `find_equal` finds one.

    Raises:
        UnknownModelError: when the folder holds no card.
        CorruptModelError: as for `verify`.
        InvalidInputError: when the card's name is none.
    """
    source = Path(path)
    card = verify(source)
    stored = find_equal(card, root)
    if stored is not None:
        return stored
    with _work_folder(card.name, root) as work:
        for name in card.sha256:
            if name != "README.md":  # It names the version; a new one is written.
                shutil.copyfile(source / name, work / name)
        return _publish(work, card)


def find_equal(card: Card, root: Path | None = None) -> Path | None:
    """Returns the whole version of the same name that came from the same training, if any.

    Args:
        card: A card with the checkpoint of its training, or with the digests of its networks.
        root: Where to look; by default in all roots.
    """
    _check_name(card.name)
    for folder in [root / card.name] if root else [place / card.name for place in roots()]:
        for number in _versions_in(folder):
            try:
                if _same_training(card, verify(folder / str(number))):
                    return folder / str(number)
            except CorruptModelError:
                continue  # Another version's damage; `zoo verify` reports it.
    return None


def _same_training(one: Card, other: Card) -> bool:
    ends = [card.training.get("checkpoint_sha256") for card in (one, other)]
    if all(ends):
        return ends[0] == ends[1]
    digests = [[card.sha256.get(file) for file in card.networks.values()] for card in (one, other)]
    return bool(digests[0]) and digests[0] == digests[1]


@contextmanager
def _work_folder(name: str, root: Path | None) -> Iterator[Path]:
    """Gives a folder beside the versions of a name, which is gone at the end or one of them."""
    _check_name(name)
    parent = (root or roots()[0]) / name
    parent.mkdir(parents=True, exist_ok=True)
    _remove_stale(parent)
    work = Path(tempfile.mkdtemp(prefix=".saving-", dir=parent))
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _publish(work: Path, card: Card) -> Path:
    """Gives the folder the next free number; the rename fails when another writer took it."""
    from zoo.report import card_readme

    parent = work.parent
    for path in work.iterdir():
        files.sync(path)
    while True:
        # A numbered folder without a card is no version, but its number is taken all the same.
        taken = [int(path.name) for path in parent.iterdir() if _VERSION.fullmatch(path.name)]
        number = max([0, *versions(card.name), *taken]) + 1
        numbered = card.numbered(number)
        (work / "README.md").write_text(card_readme(numbered, work), encoding="utf-8")
        digests = {p.name: files.sha256(p) for p in sorted(work.iterdir()) if p.name != "card.json"}
        numbered = dataclasses.replace(numbered, sha256=digests)
        (work / "card.json").write_text(numbered.to_json(), encoding="utf-8")
        for name in ("README.md", "card.json"):
            files.sync(work / name)
        files.sync(work)
        os.chmod(work, 0o755)
        target = parent / str(number)
        try:
            os.rename(work, target)
        except OSError:
            if target.exists():
                continue
            raise
        files.sync(parent)
        files.sync(parent.parent)  # The first version of a name is a new entry there.
        return target


def _versions_in(folder: Path) -> list[int]:
    if not folder.is_dir():
        return []
    return [int(p.name) for p in folder.iterdir() if _VERSION.fullmatch(p.name) and _has(p)]


def _has(folder: Path) -> bool:
    return (folder / "card.json").is_file()


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise InvalidInputError(
            f"a model's name has letters, digits and underscores, one dot and hyphens after it, "
            f"such as resnet20.fashion_mnist; got {name!r}"
        )


def _remove_stale(parent: Path) -> None:
    """Removes what killed writers left a day or more ago; younger ones may still be at work."""
    for path in parent.glob(".saving-*"):
        try:
            age = time.time() - path.stat().st_mtime
        except FileNotFoundError:
            continue  # Its writer has just renamed it into place.
        if age > _STALE_SECONDS:
            shutil.rmtree(path, ignore_errors=True)
