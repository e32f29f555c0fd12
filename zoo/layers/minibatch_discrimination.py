"""Minibatch discrimination (Salimans et al. 2016, section 3.2)."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable("zoo")
class MinibatchDiscrimination(keras.layers.Layer):
    """Appends to each example's features how close the batch's other examples are to it.

    With M_i = f(x_i) T, a matrix of `kernels` rows, what is appended is
    o(x_i)_b = sum_j exp(-||M_ib - M_jb||_1), the sum over all j of the batch. So a discriminator
    sees a generator that draws one image only. Real and generated examples need calls of their own.

    Args:
        kernels: Numbers B appended to each example.
        dims: Length C of the rows that are compared.

    Shape:
        (batch, d) to (batch, d + kernels).
    """

    def __init__(self, kernels: int = 32, dims: int = 8, **kwargs: Any) -> None:
        if min(kernels, dims) < 1:
            raise ValueError(f"kernels and dims must be at least 1, got {kernels} and {dims}")
        super().__init__(**kwargs)
        self.kernels, self.dims = kernels, dims

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        # For features of unit size the distances are then about 1, however many there are; far
        # above that exp(-distance) is 0, and so is its gradient.
        assert input_shape[-1] is not None, "the number of features must be known"
        deviation = 1.0 / (self.dims * math.sqrt(input_shape[-1]))
        self.kernel = self.add_weight(
            shape=(input_shape[-1], self.kernels * self.dims),
            initializer=keras.initializers.RandomNormal(stddev=deviation),
            name="kernel",
        )

    def call(self, inputs: Any) -> Any:
        rows = ops.reshape(ops.matmul(inputs, self.kernel), (-1, self.kernels, self.dims))
        distances = ops.sum(ops.abs(rows[:, None] - rows[None]), axis=-1)
        return ops.concatenate([inputs, ops.sum(ops.exp(-distances), axis=1)], axis=-1)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        batch, features = input_shape
        return (batch, None if features is None else features + self.kernels)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "kernels": self.kernels, "dims": self.dims}
