"""The sampling loop of a diffusion model: every evaluation of its network in one compiled call."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from keras import ops

from zoo.runtime.batches import filled, power_of_two

if TYPE_CHECKING or keras.backend.backend() == "tensorflow":
    from zoo.runtime.tensorflow_function import compiled_loop
else:
    from zoo.runtime.jax_function import compiled_loop

if TYPE_CHECKING:
    from zoo.models.diffusion.table import SamplingTable

# Columns of a table, in the order in which the loop reads them.
COLUMNS = (
    "timestep",
    "alpha",
    "sigma",
    "sample",
    "denoised",
    "last_denoised",
    "kept_sample",
    "noise",
    "keep",
    "next_alpha",
    "next_sigma",
)
# The least batch; below it kernels may round otherwise.
SMALLEST = 8
_STATE = ("sample", "kept_sample", "kept_denoised", "denoised")
_NUMBERS = {"count": np.int32, "scale": np.float32, "limit": np.float32}

State = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


class SamplingLoop:
    """Runs the rows of a sampler's table over a batch, without Python between them.

    What is compiled depends on which conditions there are, not on their values, on the number of
    rows or, on TensorFlow, on that of images. On JAX a batch of another size, which is filled up to
    a power of two, is compiled anew, and so is a table of more than 256 rows.

    Args:
        denoiser: The network; it takes a dictionary of `sample` (n, h, w, c), `timestep` (n,) and,
            where it has classes, `label` (n, classes), and answers in the shape of `sample`.
        estimate: A function (output, x, alpha, sigma) that turns its answer to x into the image
            that it stands for, in arithmetic operators.

    Attributes:
        traces: How often the loop was traced so far.
    """

    def __init__(
        self, denoiser: keras.Model, estimate: Callable[[Any, Any, Any, Any], Any]
    ) -> None:
        self._denoiser = denoiser
        self._estimate = estimate
        self._compiled: dict[frozenset[str], Callable[..., list[np.ndarray]]] = {}
        self.traces = 0

    @staticmethod
    def begin(sample: np.ndarray) -> State:
        """Returns the state before the first row: noise, or a noisy image, float32 (n, h, w, c)."""
        nothing = np.zeros_like(sample)
        return sample, nothing, nothing, nothing

    def __call__(
        self, table: SamplingTable, state: State, conditions: Mapping[str, Any] | None = None
    ) -> State:
        """Runs the rows of a table.

        Args:
            table: Of one row or more.
            state: From `begin` or an earlier call: x, what of x and D was kept, and D, the last
                estimate of the image; each (n, h, w, c).
            conditions: Any of

                - `label`: (n, classes), what is wanted of a network with classes;
                - `other` and `scale`, with `label`: (n, classes) and a number. The network's answer
                  becomes that for `other` and, from there, `scale` times the way to that for
                  `label` (Ho and Salimans 2022, eq. 6, with scale = 1 + w);
                - `noise`: (rows, n, h, w, c), for a table that adds some;
                - `known`, `drawn` and `mask`: images and noise (n, h, w, c), and (n, h, w, 1) with
                  0 where x shall be the image with as much of that noise as belongs to its level.

        Returns:
            The state after the last row.
        """
        given = dict(conditions or {})
        columns = table.columns()
        arrays: dict[str, Any] = {
            **dict(zip(_STATE[:3], state[:3], strict=True)),
            **given,
            "table": np.stack([columns[name] for name in COLUMNS], axis=1).astype(np.float32),
            "count": len(table),
            "limit": 1.0 if table.clip else np.inf,
        }
        count = len(state[0])
        size = power_of_two(count, SMALLEST)
        for name, array in arrays.items():
            if name in _NUMBERS:
                arrays[name] = np.asarray(array, _NUMBERS[name])
            elif name != "table":
                arrays[name] = filled(array, size, axis=1 if name == "noise" else 0)
        key = frozenset(given)
        if key not in self._compiled:
            shapes = {name: _open(name, array.shape) for name, array in arrays.items()}
            self._compiled[key] = compiled_loop(self._loop, self._denoiser, shapes)
        x, kept_x, kept_denoised, denoised = (a[:count] for a in self._compiled[key](arrays))
        return x, kept_x, kept_denoised, denoised

    def _loop(self, arrays: Mapping[str, Any]) -> Sequence[Any]:
        self.traces += 1  # Python runs here only while the loop is traced.

        def advance(index: Any, *state: Any) -> tuple[Any, ...]:
            return (index + 1, *self._advance(index, state, arrays))

        state = [arrays[name] for name in _STATE[:3]]
        begin = (ops.zeros((), "int32"), *state, ops.zeros_like(state[0]))
        _, *state = ops.while_loop(lambda index, *_: index < arrays["count"], advance, begin)
        return state

    def _advance(self, index: Any, state: Sequence[Any], arrays: Mapping[str, Any]) -> list[Any]:
        """Goes through one row; see `SamplingTable` for what it does."""
        x, kept_x, kept_denoised, _ = state
        values = arrays["table"][index]
        row = {name: values[place] for place, name in enumerate(COLUMNS)}
        output = self._answer(x, row["timestep"], arrays)
        denoised = self._estimate(output, x, row["alpha"], row["sigma"])
        denoised = ops.maximum(ops.minimum(denoised, arrays["limit"]), -arrays["limit"])
        moved = (
            row["sample"] * x
            + row["denoised"] * denoised
            + row["last_denoised"] * kept_denoised
            + row["kept_sample"] * kept_x
        )
        if "noise" in arrays:
            moved = moved + row["noise"] * arrays["noise"][index]
        if "mask" in arrays:
            known = row["next_alpha"] * arrays["known"] + row["next_sigma"] * arrays["drawn"]
            moved = arrays["mask"] * moved + (1.0 - arrays["mask"]) * known
        keep = row["keep"] > 0
        return [
            moved,
            ops.where(keep, x, kept_x),
            ops.where(keep, denoised, kept_denoised),
            denoised,
        ]

    def _answer(self, x: Any, timestep: Any, arrays: Mapping[str, Any]) -> Any:
        """Returns what the network answers, guided where there is something to guide away from."""
        guided = "other" in arrays
        sample = ops.concatenate([x, x], axis=0) if guided else x
        given = {"sample": sample, "timestep": timestep * ops.ones_like(sample[:, 0, 0, 0])}
        if "label" in arrays:
            labels = [arrays["label"], arrays["other"]] if guided else [arrays["label"]]
            given["label"] = ops.concatenate(labels, axis=0)
        output = ops.cast(self._denoiser(given, training=False), "float32")
        if not guided:
            return output
        wanted, other = ops.split(output, 2, axis=0)
        return other + arrays["scale"] * (wanted - other)


def _open(name: str, shape: tuple[int, ...]) -> tuple[int | None, ...]:
    """Returns an array's shape with the numbers of rows and images left open."""
    if name == "noise":
        return (None, None, *shape[2:])
    return (None, *shape[1:]) if shape else ()
