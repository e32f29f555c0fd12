"""A network, or a loop over one, as one jitted JAX function."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import keras
import numpy as np

from zoo.runtime.batches import filled, power_of_two

# Each number of rows would be compiled anew. So these arrays get rows that are never reached, up
# to a power of two, and at least so many where they are small.
_ROWS = {"table": 256, "noise": 1}


def on_cpu() -> bool:
    """Returns whether functions run on a processor, and not on a GPU or TPU."""
    return jax.default_backend() == "cpu"


def compiled(network: keras.Model) -> Callable[[Any], np.ndarray]:
    """Returns a function from float32 (n, …), or named ones, to float32 (n, …).

    It is compiled for each n that it meets.
    """
    variables = network.variables

    @jax.jit
    def forward(values: Sequence[Any], rows: Any) -> Any:
        # The weights come in as arguments: as constants each batch size would hold a copy.
        with keras.StatelessScope(list(zip(variables, values, strict=True))):
            return network(rows, training=False)

    return lambda rows: np.array(forward([variable.value for variable in variables], rows))


def compiled_loop(
    loop: Callable[[Mapping[str, Any]], Sequence[Any]],
    network: keras.Model,
    shapes: Mapping[str, Sequence[int | None]],
) -> Callable[[Mapping[str, np.ndarray]], list[np.ndarray]]:
    """Returns a function of named arrays, compiled for each size of a batch that it meets.

    Args:
        loop: From tensors by their names to tensors, in `keras.ops`.
        network: The network that it calls; its weights may change later.
        shapes: Of the arrays, by their names; JAX takes those that come.
    """
    variables = network.variables

    @jax.jit
    def forward(values: Sequence[Any], arrays: Mapping[str, Any]) -> Sequence[Any]:
        with keras.StatelessScope(list(zip(variables, values, strict=True))):
            return loop(arrays)

    def run(arrays: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        rows = {
            name: filled(arrays[name], power_of_two(len(arrays[name]), least))
            for name, least in _ROWS.items()
            if name in arrays
        }
        outputs = forward([variable.value for variable in variables], {**arrays, **rows})
        return [np.asarray(output) for output in outputs]

    return run
