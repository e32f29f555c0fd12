"""The sampling loop on Keras: every evaluation of the network in one compiled call."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from keras import ops

from zoo.runtime.batches import BLOCK, LARGEST, batches, filled, power_of_two
from zoo.runtime.sampling import NUMBERS, STATE, Estimate, SamplingLoop, State

if TYPE_CHECKING or keras.backend.backend() == "tensorflow":
    from zoo.runtime.tensorflow_function import compiled_loop, on_cpu
else:
    from zoo.runtime.jax_function import compiled_loop, on_cpu

if TYPE_CHECKING:
    from zoo.models.diffusion.table import SamplingTable


class KerasSamplingLoop(SamplingLoop):
    """Runs the rows of a sampler's table over a batch, without Python between them.

    What is compiled depends on which conditions there are, not on their values, on the number of
    rows or, on TensorFlow, on that of images. A processor goes through images in blocks of one
    size, a GPU through up to 256 at once, filled up to a power of two. On JAX each of these sizes
    is compiled anew, and so is a table of more than 256 rows.

    Args:
        denoiser: The network; it takes a dictionary of `sample` (n, h, w, c), `timestep` (n,) and,
            where it has classes, `label` (n, classes), and answers in the shape of `sample`.
        estimate: As for `SamplingLoop`.

    Attributes:
        traces: How often the loop was traced so far.
    """

    def __init__(self, denoiser: keras.Model, estimate: Estimate) -> None:
        super().__init__(estimate)
        self._denoiser = denoiser
        self._compiled: dict[frozenset[str], Callable[..., list[np.ndarray]]] = {}
        self._largest = BLOCK if on_cpu() else LARGEST
        self.traces = 0

    def __call__(
        self, table: SamplingTable, state: State, conditions: Mapping[str, Any] | None = None
    ) -> State:
        arrays = self._arrays(table, state, conditions)
        parts = [self._part(arrays, part) for part in batches(len(state[0]), self._largest)]
        x, kept_x, kept_denoised, denoised = (
            np.concatenate(one) for one in zip(*parts, strict=True)
        )
        return x, kept_x, kept_denoised, denoised

    def _part(self, arrays: Mapping[str, np.ndarray], part: slice) -> list[np.ndarray]:
        """Runs the rows of the table over some of the images."""
        count = part.stop - part.start
        size = power_of_two(count, BLOCK)
        given = dict(arrays)
        for name, array in arrays.items():
            if name == "noise":
                given[name] = filled(array[:, part], size, axis=1)
            elif name != "table" and name not in NUMBERS:
                given[name] = filled(array[part], size)
        key = frozenset(given)
        if key not in self._compiled:
            shapes = {name: _open(name, array.shape) for name, array in given.items()}
            self._compiled[key] = compiled_loop(self._loop, self._denoiser, shapes)
        return [answer[:count] for answer in self._compiled[key](given)]

    def _loop(self, arrays: Mapping[str, Any]) -> Sequence[Any]:
        self.traces += 1  # Python runs here only while the loop is traced.

        def advance(index: Any, *state: Any) -> tuple[Any, ...]:
            return (index + 1, *self._advance(ops, index, state, arrays))

        state = [arrays[name] for name in STATE]
        begin = (ops.zeros((), "int32"), *state, ops.zeros_like(state[0]))
        _, *state = ops.while_loop(lambda index, *_: index < arrays["count"], advance, begin)
        return state

    def _denoise(self, given: Mapping[str, Any]) -> Any:
        return ops.cast(self._denoiser(given, training=False), "float32")


def _open(name: str, shape: tuple[int, ...]) -> tuple[int | None, ...]:
    """Returns an array's shape with the numbers of rows and images left open."""
    if name == "noise":
        return (None, None, *shape[2:])
    return (None, *shape[1:]) if shape else ()
