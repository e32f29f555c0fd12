"""Normalization of each channel of each image by itself."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable("zoo")
class InstanceNormalization(keras.layers.Layer):
    """(x - mean) / sqrt(var + epsilon) over the pixels of one channel of one image.

    Ulyanov, Vedaldi and Lempitsky 2016, eq. 1; without scale and centre, as in the code of the
    CycleGAN paper. An image's answer does not depend on its batch. Keras' `GroupNormalization` with
    one channel a group is the same; it takes longer, and rounds to float32 also in float64.

    Args:
        epsilon: Added to the variance.

    Shape:
        (batch, height, width, channels) to the same.
    """

    def __init__(self, epsilon: float = 1e-5, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.epsilon = epsilon

    def call(self, inputs: Any) -> Any:
        dtype = keras.backend.standardize_dtype(inputs.dtype)
        half = dtype in ("float16", "bfloat16")
        x = ops.cast(inputs, "float32") if half else inputs
        # Sums: on one backend `ops.mean` rounds float64 to float32.
        pixels = ops.cast(ops.shape(x)[1] * ops.shape(x)[2], x.dtype)
        centred = x - ops.sum(x, axis=(1, 2), keepdims=True) / pixels
        variance = ops.sum(ops.square(centred), axis=(1, 2), keepdims=True) / pixels
        return ops.cast(centred * ops.rsqrt(variance + self.epsilon), dtype)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "epsilon": self.epsilon}
