"""Maxout units (Goodfellow et al. 2013)."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable("zoo")
class Maxout(keras.layers.Layer):
    """The largest of every few neighbouring channels: h_i = max_j z_ij (equation 2).

    After a dense layer of m·k units it is the paper's maxout layer of m units with k linear pieces
    each, which can be any convex function of its inputs.

    Args:
        pieces: Channels k of which one remains, at least 1; it must divide those of the input.

    Shape:
        (batch, …, m·k) to (batch, …, m).

    Raises:
        ValueError: for pieces below 1, or a number of channels that is no multiple of them.
    """

    def __init__(self, pieces: int = 2, **kwargs: Any) -> None:
        if pieces < 1:
            raise ValueError(f"pieces must be at least 1, got {pieces}")
        super().__init__(**kwargs)
        self.pieces = pieces

    def call(self, inputs: Any) -> Any:
        units = self.compute_output_shape(inputs.shape)[-1]
        split = ops.reshape(inputs, (*ops.shape(inputs)[:-1], units, self.pieces))
        return ops.max(split, axis=-1)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        *others, channels = input_shape
        if channels is None or channels % self.pieces:
            raise ValueError(f"{self.pieces} pieces do not divide {channels} channels")
        return (*others, channels // self.pieces)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "pieces": self.pieces}
