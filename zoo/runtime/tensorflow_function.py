"""A network, or a loop over one, as one TensorFlow function."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf


def on_cpu() -> bool:
    """Returns whether functions run on a processor, and not on a GPU."""
    return not tf.config.list_logical_devices("GPU")


def compiled(network: keras.Model) -> Callable[[Any], np.ndarray]:
    """Returns a function from float32 (n, …), or named ones, to float32 (n, …), traced once."""
    specs = {one.name: tf.TensorSpec((None, *one.shape[1:]), tf.float32) for one in network.inputs}
    several = len(specs) > 1

    @tf.function(input_signature=[specs if several else next(iter(specs.values()))])
    def forward(rows: Any) -> tf.Tensor:
        return network(rows, training=False)

    if several:
        return lambda rows: forward({name: tf.constant(rows[name]) for name in specs}).numpy()
    concrete = forward.get_concrete_function()
    return lambda rows: concrete(tf.constant(rows)).numpy()


def compiled_loop(
    loop: Callable[[Mapping[str, Any]], Sequence[Any]],
    network: keras.Model,
    shapes: Mapping[str, Sequence[int | None]],
) -> Callable[[Mapping[str, np.ndarray]], list[np.ndarray]]:
    """Returns a function of named arrays, traced once for all sizes that `shapes` leave open.

    Args:
        loop: From tensors by their names to tensors, in `keras.ops`.
        network: The network that it calls; its weights may change later.
        shapes: Of the arrays, by their names; None is of any size. `count` is an integer, all
            others are floats.
    """
    signature = {
        name: tf.TensorSpec(shape, tf.int32 if name == "count" else tf.float32)
        for name, shape in shapes.items()
    }

    @tf.function(input_signature=[signature], autograph=False)
    def forward(arrays: Mapping[str, tf.Tensor]) -> Sequence[tf.Tensor]:
        return loop(arrays)

    def run(arrays: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        tensors = {name: tf.constant(array) for name, array in arrays.items()}
        return [output.numpy() for output in forward(tensors)]

    return run
