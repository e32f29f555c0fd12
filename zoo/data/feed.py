"""The order of the examples, in batches: what every backend feeds its steps by.

Arrays whose keys share a prefix, such as `a/image` and `a/label`, are one stream, that of the
prefix; keys without a slash are the main one. Streams have lengths and orders of their own, and
each step takes a batch from every stream.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping

import numpy as np

from zoo.data.split import Arrays, order
from zoo.errors import RecipeError

MAIN = ""


def stream_of(key: str) -> str:
    """Returns the stream that a key belongs to: what is before its slash, `MAIN` without one."""
    return key.rpartition("/")[0]


def stream_lengths(arrays: Arrays) -> dict[str, int]:
    """Returns the number of examples of each stream.

    Raises:
        RecipeError: when a stream is empty or its arrays differ in length.
    """
    counts: dict[str, int] = {}
    for key, value in arrays.items():
        if not len(value):
            raise RecipeError(f"there are no examples of {key}")
        known = counts.setdefault(stream_of(key), len(value))
        if known != len(value):
            raise RecipeError(f"{key} has {len(value)} examples, others of its stream {known}")
    return counts


def epoch_length(arrays: Arrays) -> int:
    """Returns how many examples an epoch passes over: those of the longest stream."""
    return max(stream_lengths(arrays).values())


def first_images(arrays: Arrays) -> np.ndarray:
    """Returns the images of the main stream or, where there is none, those of the first."""
    if "image" in arrays:
        return arrays["image"]
    return next(value for key, value in arrays.items() if key.endswith("/image"))


def shuffled_batches(
    arrays: Arrays,
    batch_size: int,
    seed: int,
    first_epoch: int,
    last_epoch: int,
    passes: int = 1,
) -> Iterator[dict[str, np.ndarray]]:
    """Yields, for each epoch from `first_epoch` up to, not including, `last_epoch`, its batches.

    An epoch is one pass over the longest stream; its last, smaller batch is left out. A shorter
    stream begins anew whenever it is through, in another order, and goes on from epoch to epoch. So
    does the longest where an epoch is several passes.
    Where a run starts has no influence on what an epoch holds, so that a resumed run sees what an
    unbroken one would have seen.

    Yields:
        `{stream: indices of its examples, int64 (steps, batch_size)}`.
    """
    counts = stream_lengths(arrays)
    longest = max(counts.values())
    steps = passes * longest // batch_size
    taken = steps * batch_size
    for epoch in range(first_epoch, last_epoch):
        chosen = {
            stream: order(count, seed, epoch, stream_key(stream))[:taken]
            if count == longest and passes == 1
            else _laps(count, seed, stream, epoch * taken, taken)
            for stream, count in counts.items()
        }
        yield {stream: rows.reshape(steps, batch_size) for stream, rows in chosen.items()}


def gather(arrays: Mapping[str, np.ndarray], rows: Mapping[str, np.ndarray]) -> Arrays:
    """Returns the examples at the given indices of each stream."""
    return {key: value[rows[stream_of(key)]] for key, value in arrays.items()}


def stream_key(stream: str) -> tuple[int, ...]:
    """Returns what a stream adds to the seeds of its draws; the main one adds nothing."""
    if stream == MAIN:
        return ()
    return (int.from_bytes(hashlib.sha256(stream.encode()).digest()[:4], "little"),)


def _laps(count: int, seed: int, stream: str, start: int, length: int) -> np.ndarray:
    """Returns `length` indices from position `start` of laps without end, each in its order."""
    first, last = start // count, (start + length - 1) // count
    key = stream_key(stream)
    laps = [order(count, seed, lap, key) for lap in range(first, last + 1)]
    return np.concatenate(laps)[start - first * count :][:length]
