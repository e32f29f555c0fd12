"""Parameter-free shortcuts."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable("zoo")
class PadShortcut(keras.layers.Layer):
    """Takes every second pixel and appends zero channels (He et al. 2016, section 3.3, option A).

    Args:
        filters: Channels of the output, at least those of the input.
        strides: Every how many pixels to keep.

    Shape:
        (batch, height, width, channels) to (batch, ceil(height / strides), …, filters).
    """

    def __init__(self, filters: int, strides: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.filters = filters
        self.strides = strides

    def call(self, inputs: Any) -> Any:
        kept = inputs[:, :: self.strides, :: self.strides, :]
        missing = self.filters - inputs.shape[-1]
        return ops.pad(kept, [[0, 0], [0, 0], [0, 0], [missing // 2, missing - missing // 2]])

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        batch, *sides, _ = input_shape
        kept = [None if side is None else -(-side // self.strides) for side in sides]
        return (batch, *kept, self.filters)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "filters": self.filters, "strides": self.strides}


@keras.saving.register_keras_serializable("zoo")
class BeforeTanh(keras.layers.Layer):
    """What tanh turns into 0.9 of its input: artanh(0.9 x), finite at both ends of [-1, 1]."""

    def call(self, inputs: Any) -> Any:
        return ops.arctanh(0.9 * inputs)
