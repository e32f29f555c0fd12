"""Virtual batch normalization (Salimans et al. 2016, section 3.4).

A network that has it begins with `ReferenceBatch`, which puts a fixed batch before the examples,
and ends with `DropReference`. In between the first `size` rows are the reference's, and
`VirtualBatchNormalization` takes its statistics from them: what an example becomes depends on it
and on the reference, never on its batch mates, in training and after.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable("zoo")
class ReferenceBatch(keras.layers.Layer):
    """Puts a fixed batch from N(0, I) before the examples. It never learns.

    Args:
        size: Examples in the reference.

    Shape:
        (batch, d) to (size + batch, d).
    """

    def __init__(self, size: int = 64, **kwargs: Any) -> None:
        if size < 2:
            raise ValueError(f"the reference batch must have at least 2 examples, got {size}")
        super().__init__(**kwargs)
        self.size = size

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.reference = self.add_weight(
            shape=(self.size, *input_shape[1:]),
            initializer=keras.initializers.RandomNormal(stddev=1.0),
            trainable=False,
            name="reference",
        )

    def call(self, inputs: Any) -> Any:
        return ops.concatenate([ops.cast(self.reference, inputs.dtype), inputs], axis=0)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (None, *input_shape[1:])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "size": self.size}


@keras.saving.register_keras_serializable("zoo")
class DropReference(keras.layers.Layer):
    """Takes the first `size` rows away again.

    Args:
        size: As for `ReferenceBatch`.
    """

    def __init__(self, size: int = 64, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.size = size

    def call(self, inputs: Any) -> Any:
        return inputs[self.size :]

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (None, *input_shape[1:])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "size": self.size}


@keras.saving.register_keras_serializable("zoo")
class VirtualBatchNormalization(keras.layers.Layer):
    """Standardises channels by the statistics of the reference batch and the example itself.

    Mean and mean square of a channel are those of the `size` + 1 examples, each over its pixels.
    The reference itself is standardised by its own. Then a learned scale and offset.

    Args:
        size: Rows of the reference, the first of the batch.
        epsilon: Added to the variance.

    Shape:
        (size + batch, …, channels) to the same; the sides in between are known beforehand.
    """

    def __init__(self, size: int = 64, epsilon: float = 1e-3, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.size, self.epsilon = size, epsilon

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        channels = (input_shape[-1],)
        self.gamma = self.add_weight(shape=channels, initializer="ones", name="gamma")
        self.beta = self.add_weight(shape=channels, initializer="zeros", name="beta")

    def call(self, inputs: Any) -> Any:
        x = ops.cast(inputs, self.variable_dtype)
        pixels = tuple(range(1, len(x.shape) - 1))
        means, squares = _mean(x, pixels), _mean(ops.square(x), pixels)
        means, squares = self._with_reference(means), self._with_reference(squares)
        scale = ops.rsqrt(squares - ops.square(means) + self.epsilon) * self.gamma
        return ops.cast((x - means) * scale + self.beta, inputs.dtype)

    def _with_reference(self, moments: Any) -> Any:
        """Joins each example's moment with those of the reference."""
        of_reference = ops.sum(moments[: self.size], axis=0, keepdims=True) / self.size
        joined = (of_reference * self.size + moments[self.size :]) / (self.size + 1)
        return ops.concatenate([ops.repeat(of_reference, self.size, axis=0), joined], axis=0)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "size": self.size, "epsilon": self.epsilon}


def _mean(x: Any, axes: Sequence[int]) -> Any:
    """A sum over a number: on one backend `ops.mean` rounds float64 to float32."""
    count = math.prod(x.shape[axis] for axis in axes)
    return ops.sum(x, axis=tuple(axes), keepdims=True) / count
