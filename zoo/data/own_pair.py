"""Two folders of the user's own images as the domains of a pair.

They are prepared as a data set with a class for each, by one rule for both: one size, and grey only
where every image of both is. `zoo.data.pairs.own_pair` then finds the pair in it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from zoo.data.pairs import PAIR
from zoo.data.sources import Picture, Source, files_in
from zoo.data.split import LEAST_TO_TEST, Arrays
from zoo.errors import InvalidInputError


def pair_source(folders: Sequence[str | Path]) -> str:
    """Returns two folders as one source, `pair:FOLDER_A:FOLDER_B`, as `zoo.data.own` takes it.

    Raises:
        InvalidInputError: for another number of them, a separator in a path, or one that is no
            folder.
    """
    if len(folders) != 2:
        raise InvalidInputError(
            f"expected one source of images or, for translation, two folders; got {len(folders)}"
        )
    paths = [Path(one).expanduser().resolve() for one in folders]
    for given, path in zip(folders, paths, strict=True):
        if not path.is_dir():
            raise InvalidInputError(f"a domain is a folder of images, and {str(given)!r} is none")
        if os.pathsep in str(path):
            raise InvalidInputError(f"a domain's path must not have {os.pathsep!r} in it: {path}")
    return PAIR + os.pathsep.join(map(str, paths))


def folders_of(source: str) -> list[str]:
    """Returns what follows `pair:` in a source, or the source itself where it is no pair's."""
    if not source.startswith(PAIR):
        return [source]
    return source.removeprefix(PAIR).split(os.pathsep)


def domain_names(source: str) -> tuple[str, str]:
    """Returns the folders' own names, in lower-case letters, digits and underscores.

    Raises:
        InvalidInputError: when nothing is left of one, or both are the same.
    """
    last = [Path(folder).name for folder in folders_of(source)]
    one, other = (re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_") for name in last)
    if not one or not other or one == other:
        raise InvalidInputError(
            "domains are called after their folders, so these need different names, with letters "
            f"or digits; got {last[0]!r} and {last[1]!r}"
        )
    return one, other


def read_pair(source: str) -> Source:
    """Lists the images of two folders and of those in them; the class is the domain.

    Raises:
        InvalidInputError: for a domain that has too few to hold one out for testing.
    """
    found = Source(labels=domain_names(source))
    for domain, folder in zip(found.labels, map(Path, folders_of(source)), strict=True):
        root = folder.parent
        pictures = [
            Picture(path.relative_to(root).as_posix(), domain, "train", path)
            for path in files_in(folder, root, found)
        ]
        _require(domain, len(pictures), f"in {folder}")
        found.pictures += pictures
    return found


def require_domains(splits: dict[str, Arrays], labels: Sequence[str]) -> None:
    """Raises `InvalidInputError` where, without bad files, a domain has too few images."""
    for label, domain in enumerate(labels):
        counts = [int((arrays["label"] == label).sum()) for arrays in splits.values()]
        _require(domain, sum(counts), "that are good")


def _require(domain: str, count: int, where: str) -> None:
    if count < LEAST_TO_TEST:
        raise InvalidInputError(
            f"the domain {domain} needs {LEAST_TO_TEST} images or more, got {count or 'none'} "
            f"{where}"
        )
