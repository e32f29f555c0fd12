"""zoo add"""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

HELP = "Store versions that were trained elsewhere: verified, each under the next free number."
EXAMPLES = """\
  zoo add trained.tar                     every version in it
  zoo add elsewhere/mlp.fashion_mnist/3   one version's folder
  zoo add trained.tar --store models      into a folder of your own
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "paths",
        nargs="+",
        type=Path,
        metavar="PATH",
        help="a version's folder, or a folder or a tar with such folders in it",
    )
    parser.add_argument("--store", type=Path, metavar="DIR", help="store here, not in $ZOO_HOME")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    from zoo import store
    from zoo.report import stored_lines

    results = []
    with contextlib.ExitStack() as unpacked:
        folders = [
            version
            for path in arguments.paths
            for version in _versions(path, unpacked.enter_context(_folder(path)))
        ]
        for folder in folders:  # All are looked at before the first is stored.
            store.verify(folder)
        for folder in folders:
            before = store.find_equal(store.read_card(folder), arguments.store)
            stored = before or store.adopt(folder, arguments.store)
            card = store.read_card(stored)
            model = f"{card.name}@{card.version}"
            results.append({"model": model, "folder": str(stored), "new": before is None})
            if arguments.json:
                continue
            if before is None:
                print("\n".join(stored_lines(card, stored)))
            else:
                print(f"nothing new: {model} in {stored} came from the same training")
    if arguments.json:
        print(json.dumps(results, indent=2))
    return 0


def _versions(path: Path, folder: Path) -> list[Path]:
    """Returns the folders with a card at or below a folder, oldest first."""
    from zoo.errors import InvalidInputError
    from zoo.registry import natural_sort

    folders = [card.parent for card in folder.rglob("card.json")]
    # A hidden folder is what a killed writer left in a store.
    found = {str(f): f for f in folders if not f.relative_to(folder).name.startswith(".")}
    if not found:
        raise InvalidInputError(f"{path} holds no version of a model, a folder with a card.json")
    return [found[name] for name in natural_sort(found)]


@contextlib.contextmanager
def _folder(path: Path) -> Iterator[Path]:
    """Yields a folder itself, or one that holds for a while what is in a tar."""
    from zoo.errors import InvalidInputError

    if path.is_dir():
        yield path
        return
    if not path.is_file():
        raise InvalidInputError(f"there is no file or folder {path}")
    with tempfile.TemporaryDirectory(prefix="zoo-add-") as temporary:
        try:
            _unpack(path, Path(temporary))
        except (tarfile.TarError, EOFError, ValueError, zlib.error) as error:
            raise InvalidInputError(f"{path} cannot be read as a tar: {error}") from error
        yield Path(temporary)


def _unpack(path: Path, target: Path) -> None:
    """Writes the plain files of a tar below a folder: their bytes, not their owners or modes.

    Raises:
        InvalidInputError: for a link, a device, or a name that leads out of the folder.
    """
    from zoo.errors import InvalidInputError

    gzipped = path.suffix in (".gz", ".tgz")
    with tarfile.open(path, "r:gz" if gzipped else "r:") as archive:
        for member in archive:
            name = PurePosixPath(member.name)
            if name.is_absolute() or ".." in name.parts:
                raise InvalidInputError(f"{path}: {member.name!r} leads out of the archive")
            if member.isdir():
                continue
            content = archive.extractfile(member) if member.isreg() else None
            if content is None:
                raise InvalidInputError(f"{path}: {member.name!r} is no plain file")
            file = target / name
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("wb") as copy:
                shutil.copyfileobj(content, copy)
