"""Pictures of two classes, and what a data set that was made of them holds."""

from __future__ import annotations

import numpy as np

from zoo import data
from zoo.inputs import image_rows

PER_CLASS = 10
CLASSES = ("ant", "bee")
Pictures = dict[tuple[str, int], np.ndarray]


def content(name: str, split: str) -> set[tuple[str, bytes]]:
    labels, arrays = data.get(name).labels, data.load(name, split)
    pairs = zip(arrays["label"], arrays["image"], strict=True)
    return {(labels[label], image.tobytes()) for label, image in pairs}


def everything(name: str) -> set[tuple[str, bytes]]:
    return content(name, "train") | content(name, "test")


def resized(pictures: Pictures, size: int) -> set[tuple[str, bytes]]:
    return {
        (label, image_rows(pixels, (size, size, 3)).round().astype(np.uint8).tobytes())
        for (label, _), pixels in pictures.items()
    }
