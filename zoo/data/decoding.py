"""From files to pixels of one size, in a thread pool, with everything that is wrong by name."""

from __future__ import annotations

import collections
import dataclasses
import hashlib
import os
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from zoo.data.problems import Problem
from zoo.data.sources import Picture, without_loss
from zoo.errors import InvalidInputError
from zoo.inputs import decode, fit

# A share of the machine's memory: training holds the images once more, and needs room besides.
_SHARE = 4


@dataclasses.dataclass(frozen=True)
class Decoded:
    """What decoding made of pictures.

    Args:
        rows: uint8 (n, size, size, 1 or 3), in the order of the pictures.
        kept: bool (n,): which rows hold an image.
        problems: What is wrong with the others.
    """

    rows: np.ndarray
    kept: np.ndarray
    problems: list[Problem]


def decode_all(pictures: Sequence[Picture], size: int, colour: str | None) -> Decoded:
    """Decodes pictures and resizes them as the pipelines do; finds those that occur twice.

    Args:
        pictures: What to decode.
        size: Height and width of the rows.
        colour: `grey`, `rgb`, or None for grey where every image is.

    Raises:
        InvalidInputError: when the rows would need too much memory.
    """
    channels = 1 if colour == "grey" else 3
    check_memory(len(pictures), size, channels)
    rows = np.empty((len(pictures), size, size, channels), np.uint8)

    def one(index: int) -> tuple[str, bool] | Problem:
        picture = pictures[index]
        pixels = _pixels(picture)
        if isinstance(pixels, Problem):
            return pixels
        rows[index] = fit(pixels.astype(np.float32, copy=False), rows.shape[1:]).round()
        grey = pixels.shape[-1] == 1 or bool((pixels == pixels[..., :1]).all())
        plain = pixels[..., :1] if grey else pixels
        digest = hashlib.sha256(f"{plain.shape}".encode() + plain.tobytes()).hexdigest()
        return digest, grey

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(progress(pool.map(one, range(len(pictures))), len(pictures)))
    problems: dict[int, Problem] = {
        index: result for index, result in enumerate(results) if isinstance(result, Problem)
    }
    good = {i: result for i, result in enumerate(results) if not isinstance(result, Problem)}
    problems |= _duplicates(pictures, {index: digest for index, (digest, _) in good.items()})
    kept = np.array([index not in problems for index in range(len(pictures))], bool)
    if colour is None and all(grey for index, (_, grey) in good.items() if kept[index]):
        rows = rows[..., :1]
    return Decoded(rows, kept, [problems[index] for index in sorted(problems)])


def check_memory(count: int, size: int, channels: int) -> None:
    """Raises `InvalidInputError` when so many images would not fit in a share of the memory."""
    needed, limit = count * size * size * channels, memory() // _SHARE
    if needed > limit:
        raise InvalidInputError(
            f"{count} images of {size}x{size}x{channels} take {needed / 2**30:.1f} GiB; here at "
            f"most {limit / 2**30:.1f} GiB are used, a quarter of the memory; choose a smaller size"
        )


def memory() -> int:
    """Returns the bytes of memory that this machine has."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def progress(items: Iterable, total: int) -> Iterator:
    """Passes items on and, on a terminal, says every half second how many there were."""
    last = time.monotonic()
    for count, item in enumerate(items, 1):
        if sys.stderr.isatty() and time.monotonic() - last > 0.5:
            last = time.monotonic()
            print(f"\rread {count} of {total} images", end="", file=sys.stderr, flush=True)
        yield item
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr, flush=True)


def _pixels(picture: Picture) -> np.ndarray | Problem:
    """Returns an image in its own size, uint8 or float32 (height, width, 1 or 3), 0 to 255."""
    if isinstance(picture.content, np.ndarray):
        return picture.content
    try:
        content = picture.content.read_bytes()
    except OSError as error:
        return Problem("unreadable", picture.where, error.strerror or str(error))
    if not content:
        return Problem("empty", picture.where)
    try:
        return without_loss(decode(content))
    except InvalidInputError as error:
        from PIL import UnidentifiedImageError

        if isinstance(error.__cause__, UnidentifiedImageError):
            return Problem("not an image", picture.where)
        return Problem("unreadable", picture.where, str(error.__cause__))


def _duplicates(pictures: Sequence[Picture], digests: dict[int, str]) -> dict[int, Problem]:
    """Finds images with the same pixels.

    Of equal ones in one class the first stays, of equal ones in train and test the test's; of
    equal ones with two labels none does, for who knows which is right.
    """
    groups = collections.defaultdict(list)
    for index, digest in digests.items():
        groups[digest].append(index)
    found = {}
    for group in groups.values():
        if len(group) == 1:
            continue
        first = min(group, key=lambda index: (pictures[index].split != "test", index))
        torn = len({pictures[index].label for index in group}) > 1
        for index in group:
            if index == first and not torn:
                continue
            other = first if index != first else next(i for i in group if i != first)
            here, there = pictures[index], pictures[other]
            kind = "duplicate"
            if torn:
                kind = "duplicate with two labels"
            elif here.split != there.split:
                kind = "duplicate in train and test"
            detail = f"same pixels as {there.where}"
            if here.label:
                detail = f"{here.label}; {detail}"
            found[index] = Problem(kind, here.where, f"{detail}, {there.label}" if torn else detail)
    return found


def digest_of(content: Path | np.ndarray) -> bytes:
    """Returns the SHA-256 of a picture's file or pixels; of a file that cannot be read, none."""
    if isinstance(content, np.ndarray):
        return hashlib.sha256(f"{content.shape}".encode() + content.tobytes()).digest()
    try:
        with content.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError:
        return b""
