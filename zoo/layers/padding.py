"""Padding that continues an image instead of framing it."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable("zoo")
class ReflectionPadding(keras.layers.Layer):
    """Mirrors an image at its border, whose own pixels are not repeated.

    Args:
        width: Pixels on each side, below the image's height and width.

    Shape:
        (batch, height, width, channels) to (batch, height + 2 · width, …, channels).
    """

    def __init__(self, width: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.width = width

    def call(self, inputs: Any) -> Any:
        both = [self.width, self.width]
        return ops.pad(inputs, [[0, 0], both, both, [0, 0]], mode="reflect")

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        batch, *sides, channels = input_shape
        return (batch, *(None if s is None else s + 2 * self.width for s in sides), channels)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "width": self.width}
