"""Rows that carry a label: a latent vector and, beside it, the label as a one-hot vector."""

from __future__ import annotations

from typing import Any

import keras


@keras.saving.register_keras_serializable("zoo")
class SplitLabel(keras.layers.Layer):
    """Splits rows into latent vector and label.

    A generator whose rows have a label has this as the layer `label`; by it the zoo knows them.

    Args:
        classes: Length of the one-hot vector, the end of a row; at least 1.

    Shape:
        (batch, latent_dim + classes) to (batch, latent_dim) and (batch, classes).
    """

    def __init__(self, classes: int, **kwargs: Any) -> None:
        if classes < 1:
            raise ValueError(f"a label needs at least 1 class, got {classes}")
        super().__init__(**kwargs)
        self.classes = classes

    def call(self, inputs: Any) -> tuple[Any, Any]:
        return inputs[:, : -self.classes], inputs[:, -self.classes :]

    def compute_output_shape(
        self, input_shape: tuple[int | None, ...]
    ) -> tuple[tuple[int | None, ...], tuple[int | None, ...]]:
        batch, length = input_shape
        return (batch, None if length is None else length - self.classes), (batch, self.classes)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "classes": self.classes}


def classes_of(generator: keras.Model) -> int:
    """Returns how many classes a generator's rows name, 0 where they carry no label."""
    return next((one.classes for one in generator.layers if isinstance(one, SplitLabel)), 0)
