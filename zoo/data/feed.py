"""The order of the examples, in batches: what every backend feeds its steps by."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from zoo.data.split import Arrays, order


def shuffled_batches(
    arrays: Arrays, batch_size: int, seed: int, first_epoch: int, last_epoch: int
) -> Iterator[np.ndarray]:
    """Yields, for each epoch from `first_epoch` up to, not including, `last_epoch`, its batches.

    An epoch's last, smaller batch is left out. Where a run starts has no influence on what an
    epoch holds, so that a resumed run sees what an unbroken one would have seen.

    Yields:
        Indices of the examples, int64 (steps, batch_size).
    """
    count = len(next(iter(arrays.values())))
    steps = count // batch_size
    for epoch in range(first_epoch, last_epoch):
        yield order(count, seed, epoch)[: steps * batch_size].reshape(steps, batch_size)
