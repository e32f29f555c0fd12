"""Augmentations of images that Keras lacks."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable("zoo")
class PixelNoise(keras.Layer):
    """Adds normal noise to pixels from 0 to 255; Keras' `GaussianNoise` ends at a deviation of 1.

    Args:
        stddev: Standard deviation in pixel values.
        seed: Seed of the noise.
    """

    def __init__(self, stddev: float, seed: int = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if stddev < 0:
            raise ValueError(f"stddev must be at least 0, got {stddev}")
        self.stddev, self.seed = stddev, seed
        self.generator = keras.random.SeedGenerator(seed)

    def call(self, images: Any, training: bool = False) -> Any:
        if not training:
            return images
        noise = keras.random.normal(ops.shape(images), stddev=self.stddev, seed=self.generator)
        return ops.clip(images + noise, 0.0, 255.0)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "stddev": self.stddev, "seed": self.seed}
