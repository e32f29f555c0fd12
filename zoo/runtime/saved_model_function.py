"""An exported network as a SavedModel, on TensorFlow without Keras."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from zoo.backend import quietly
from zoo.runtime.threads import cores


def opened(path: Path, inputs: list[str]) -> Callable[[Any], np.ndarray]:
    """Opens a network.

    Args:
        path: The folder.
        inputs: Names of the inputs in the order of the network.

    Returns:
        A function from float32 (n, …), or a mapping of such arrays by the names of the inputs, to
        float32 (n, …). It may be called from several threads.
    """
    with quietly():
        import tensorflow as tf
    _set_threads(tf)
    loaded = tf.saved_model.load(str(path))

    def run(rows: Any) -> np.ndarray:
        # By way of what was loaded: the function alone would not keep the weights.
        if isinstance(rows, Mapping):
            return loaded.serve([tf.constant(rows[name]) for name in inputs]).numpy()
        return loaded.serve(tf.constant(rows)).numpy()

    return run


def _set_threads(tf: Any) -> None:
    """Sets how many threads there are, unless TensorFlow is already at work and cannot be told."""
    threading = tf.config.threading
    if threading.get_intra_op_parallelism_threads() == 0:
        try:
            threading.set_intra_op_parallelism_threads(cores())
        except RuntimeError:
            return
