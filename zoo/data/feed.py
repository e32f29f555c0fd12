"""Arrays to batches for `fit`: order by (seed, epoch), gathered and prefetched in the graph."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from zoo.data.split import Arrays, order


def training_batches(
    arrays: Arrays, batch_size: int, seed: int, first_epoch: int, last_epoch: int
) -> tf.data.Dataset:
    """Returns the batches of epochs `first_epoch` up to, not including, `last_epoch`.

    An epoch's last, smaller batch is left out. Where a run starts has no influence on what an
    epoch holds, so that a resumed run sees what an unbroken one would have seen.
    """
    count = len(next(iter(arrays.values())))
    steps = count // batch_size

    def indices() -> Iterator[np.ndarray]:
        for epoch in range(first_epoch, last_epoch):
            shuffled = order(count, seed, epoch)
            for step in range(steps):
                yield shuffled[step * batch_size : (step + 1) * batch_size]

    signature = tf.TensorSpec((batch_size,), tf.int64)
    dataset = tf.data.Dataset.from_generator(indices, output_signature=signature)
    tensors = {key: tf.constant(value) for key, value in arrays.items()}
    return dataset.map(
        lambda chosen: {k: tf.gather(v, chosen) for k, v in tensors.items()}
    ).prefetch(tf.data.AUTOTUNE)


def evaluation_batches(arrays: Arrays, batch_size: int) -> tf.data.Dataset:
    """Returns all examples once, in order, the last batch as small as it is."""
    return tf.data.Dataset.from_tensor_slices(arrays).batch(batch_size).prefetch(tf.data.AUTOTUNE)
