"""The end of a classifier: its features and, on them, its logits."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers


def head(x: keras.KerasTensor, classes: int | None, **options: Any) -> keras.KerasTensor:
    """Names the last hidden layer `features` and puts the layer `logits` on it.

    Args:
        x: Maps, which are averaged over their pixels, or vectors.
        classes: Number of classes; None leaves the features as they are.
        **options: Options of the layer `logits`, as for `keras.layers.Dense`.

    Returns:
        Logits, (batch, classes), or features, (batch, d).
    """
    if len(x.shape) == 4:
        x = layers.GlobalAveragePooling2D()(x)
    x = layers.Identity(name="features")(x)
    return x if classes is None else layers.Dense(classes, name="logits", **options)(x)
