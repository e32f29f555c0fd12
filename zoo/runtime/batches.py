"""Sizes of batches: many rows in parts, few filled up, so that no row sees its batch mates."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

# Rows beyond this are run in several batches, which bounds memory.
LARGEST = 256
# Rows of the batches in which images are drawn: below this kernels may round otherwise, and a seed
# must name one image.
BLOCK = 8

# What functions take: rows (n, …), or by name where there are several inputs.
Rows = np.ndarray | Mapping[str, np.ndarray]


def batches(count: int, largest: int = LARGEST) -> Iterator[slice]:
    """Yields the parts of 0 to count - 1 that are run at once; an empty one for none."""
    for start in range(0, max(1, count), largest):
        yield slice(start, min(start + largest, count))


def power_of_two(count: int, smallest: int = 1) -> int:
    """Returns the least power of two that is not below a number, at least `smallest`, another one.

    A batch is filled up to such a size. Kernels for odd and for tiny sizes add in another order,
    which would let a result depend on how many rows share its batch.
    """
    return max(smallest, 1 << max(0, count - 1).bit_length())


def filled(rows: np.ndarray, size: int, axis: int = 0) -> np.ndarray:
    """Returns rows as float32, with zeros behind them up to a size."""
    if rows.shape[axis] != size:
        padding = [(0, 0)] * rows.ndim
        padding[axis] = (0, size - rows.shape[axis])
        rows = np.pad(rows, padding)
    return rows.astype("float32", copy=False)


def count_of(rows: Rows) -> int:
    """Returns how many rows there are."""
    return len(next(iter(rows.values())) if isinstance(rows, Mapping) else rows)


def in_batches(
    run: Callable[[Any], np.ndarray], smallest: int = 1, largest: int = LARGEST
) -> Callable[[Rows], np.ndarray]:
    """Makes a function for any number of rows of one that is run at a few sizes.

    Args:
        run: From float32 (n, …), or a mapping of such arrays, to (n, …), where n is a power of two
            from `smallest` to `largest`.
        smallest: Least size of a batch, a power of two; smaller ones are filled up to it.
        largest: Largest size; with `smallest` equal to it there is but one.
    """

    def function(rows: Rows) -> np.ndarray:
        answers = []
        for part in batches(count_of(rows), largest):
            count = part.stop - part.start
            size = power_of_two(count, smallest)
            if isinstance(rows, Mapping):
                answer = run({name: filled(one[part], size) for name, one in rows.items()})
            else:
                answer = run(filled(rows[part], size))
            answers.append(answer[:count])
        return answers[0] if len(answers) == 1 else np.concatenate(answers)

    return function
