"""Sizes of batches: many rows in parts, few filled up, so that no row sees its batch mates."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

# Rows beyond this are run in several batches, which bounds memory.
LARGEST = 256


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
    padding = [(0, 0)] * rows.ndim
    padding[axis] = (0, size - rows.shape[axis])
    return np.pad(rows, padding).astype("float32", copy=False)
