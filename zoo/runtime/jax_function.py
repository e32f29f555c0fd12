"""A network as one jitted JAX function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import keras
import numpy as np


def compiled(network: keras.Model, softmax: bool) -> Callable[[np.ndarray], np.ndarray]:
    """Returns a function from float32 (n, …) to float32 (n, …), compiled for each n it meets."""
    variables = network.variables

    @jax.jit
    def forward(values: Sequence[Any], rows: Any) -> Any:
        # The weights come in as arguments: as constants each batch size would hold a copy.
        with keras.StatelessScope(list(zip(variables, values, strict=True))):
            outputs = network(rows, training=False)
        return jax.nn.softmax(outputs) if softmax else outputs

    return lambda rows: np.asarray(forward([variable.value for variable in variables], rows))
