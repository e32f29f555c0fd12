"""What a variational encoder says of an image: a Gaussian over latents, by its two moments."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

# Beyond these a deviation is 0 or infinite for all that a decoder can tell, and exp() overflows.
LEAST_LOG_VARIANCE, LARGEST_LOG_VARIANCE = -30.0, 20.0
# The layer that a variational encoder ends with.
MOMENTS = "moments"


@keras.saving.register_keras_serializable("zoo")
class LatentMean(keras.layers.Layer):
    """Takes the means out of `moments`.

    Shape:
        (batch, …, 2 d) to (batch, …, d).
    """

    def call(self, inputs: Any) -> Any:
        return inputs[..., : inputs.shape[-1] // 2]

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        *others, last = input_shape
        return (*others, None if last is None else last // 2)


def split_moments(moments: Any) -> tuple[Any, Any]:
    """Splits moments into means and log-variances, each (batch, …, d).

    Args:
        moments: (batch, …, 2 d): means and, after them along the last axis, log-variances, which
            are clipped to `LEAST_LOG_VARIANCE` … `LARGEST_LOG_VARIANCE`.
    """
    half = moments.shape[-1] // 2
    log_variance = ops.clip(moments[..., half:], LEAST_LOG_VARIANCE, LARGEST_LOG_VARIANCE)
    return moments[..., :half], log_variance
