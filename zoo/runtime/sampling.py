"""The sampling loop of a diffusion model, once for tensors of Keras and for NumPy's arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

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
# What of a state a row begins with.
STATE = ("sample", "kept_sample", "kept_denoised")
NUMBERS: dict[str, Any] = {"count": np.int32, "scale": np.float32, "limit": np.float32}

State = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
Estimate = Callable[[Any, Any, Any, Any], Any]


class SamplingLoop:
    """Runs the rows of a sampler's table over a batch.

    A subclass says what computes: it gives `_advance` a module, `keras.ops` or NumPy, of which that
    asks only what both have under the same names.

    Args:
        estimate: A function (output, x, alpha, sigma) that turns the denoiser's answer to x into
            the image that it stands for, in arithmetic operators.
    """

    def __init__(self, estimate: Estimate) -> None:
        self._estimate = estimate

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
        raise NotImplementedError

    def _denoise(self, given: Mapping[str, Any]) -> Any:
        """Returns what the network answers, float32, to `sample`, `timestep` and `label`."""
        raise NotImplementedError

    @staticmethod
    def _arrays(
        table: SamplingTable, state: State, conditions: Mapping[str, Any] | None
    ) -> dict[str, np.ndarray]:
        """Returns all that a call depends on as arrays by name."""
        columns = table.columns()
        given: dict[str, Any] = {
            **dict(zip(STATE, state[:3], strict=True)),
            **(conditions or {}),
            "table": np.stack([columns[name] for name in COLUMNS], axis=1),
            "count": len(table),
            "limit": 1.0 if table.clip else np.inf,
        }
        return {name: np.asarray(one, NUMBERS.get(name, np.float32)) for name, one in given.items()}

    def _advance(
        self, ops: Any, index: Any, state: Sequence[Any], arrays: Mapping[str, Any]
    ) -> list[Any]:
        """Goes through one row; see `SamplingTable` for what it does."""
        x, kept_x, kept_denoised, _ = state
        values = arrays["table"][index]
        row = {name: values[place] for place, name in enumerate(COLUMNS)}
        output = self._answer(ops, x, row["timestep"], arrays)
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

    def _answer(self, ops: Any, x: Any, timestep: Any, arrays: Mapping[str, Any]) -> Any:
        """Returns what the network answers, guided where there is something to guide away from."""
        guided = "other" in arrays
        sample = ops.concatenate([x, x], axis=0) if guided else x
        given = {"sample": sample, "timestep": timestep * ops.ones_like(sample[:, 0, 0, 0])}
        if "label" in arrays:
            labels = [arrays["label"], arrays["other"]] if guided else [arrays["label"]]
            given["label"] = ops.concatenate(labels, axis=0)
        output = self._denoise(given)
        if not guided:
            return output
        wanted, other = ops.split(output, 2, axis=0)
        return other + arrays["scale"] * (wanted - other)


class NumpySamplingLoop(SamplingLoop):
    """Runs the rows in Python, around a function that any runtime computes.

    Args:
        denoise: From the arrays `sample` (n, h, w, c), `timestep` (n,) and, where the network has
            classes, `label` (n, classes), by their names, to an answer in the shape of `sample`.
        estimate: As for `SamplingLoop`.
    """

    def __init__(
        self, denoise: Callable[[Mapping[str, np.ndarray]], np.ndarray], estimate: Estimate
    ) -> None:
        super().__init__(estimate)
        self._function = denoise

    def __call__(
        self, table: SamplingTable, state: State, conditions: Mapping[str, Any] | None = None
    ) -> State:
        arrays = self._arrays(table, state, conditions)
        current: Sequence[np.ndarray] = [np.asarray(one, np.float32) for one in state]
        for index in range(len(table)):
            current = self._advance(np, index, current, arrays)
        x, kept_x, kept_denoised, denoised = current
        return x, kept_x, kept_denoised, denoised

    def _denoise(self, given: Mapping[str, Any]) -> Any:
        return self._function(given)
