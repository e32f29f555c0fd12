"""A pool of earlier translations (Shrivastava et al. 2017, section 2.3; Zhu et al. 2017, 4)."""

from __future__ import annotations

from typing import Any

from keras import ops


def exchange(pool: Any, filled: Any, images: Any, coins: Any, slots: Any) -> tuple[Any, Any, Any]:
    """Passes a batch through the pool, as if image after image came along.

    While the pool has room an image is kept and shown. Then each is, by a coin, either shown
    itself or put in place of a kept one, which is shown in its stead.

    Args:
        pool: Kept images (size, …).
        filled: How many are in it, an integer scalar.
        images: New images (batch, …).
        coins: Uniform in [0, 1), (batch,): below 0.5 an image is put in place of another.
        slots: Uniform in [0, 1), (batch,): which one it is.

    Returns:
        The images to show (batch, …), the pool and the number after the batch.
    """
    size, batch = pool.shape[0], ops.shape(images)[0]
    order = ops.arange(batch, dtype="int32")
    places = filled + order
    room = places < size
    drawn = ops.minimum(ops.cast(ops.floor(slots * size), "int32"), size - 1)
    slot = ops.where(room, places, drawn)
    writes = ops.logical_or(room, coins < 0.5)
    # What an image finds in its slot may have come with an image before it in this very batch.
    earlier = order[:, None] > order[None, :]
    before = _last(ops.logical_and(ops.logical_and(slot[:, None] == slot, writes), earlier))
    found = _where(before >= 0, _take(images, before), _take(pool, slot))
    shown = _where(ops.logical_and(writes, ops.logical_not(room)), found, images)
    writer = _last(ops.logical_and(ops.arange(size, dtype="int32")[:, None] == slot, writes))
    pool = _where(writer >= 0, _take(images, writer), pool)
    return shown, pool, ops.minimum(filled + batch, size)


def _last(mask: Any) -> Any:
    """Returns the last true column of each row, -1 where there is none."""
    return ops.max(ops.where(mask, ops.arange(ops.shape(mask)[1], dtype="int32"), -1), axis=1)


def _take(values: Any, rows: Any) -> Any:
    return ops.take(values, ops.maximum(rows, 0), axis=0)


def _where(rows: Any, one: Any, other: Any) -> Any:
    return ops.where(ops.reshape(rows, (-1, *[1] * (len(one.shape) - 1))), one, other)
