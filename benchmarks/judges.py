"""What generated images are measured with: the features of a judge, and those of real images."""

from __future__ import annotations

import functools

import numpy as np

from zoo import data
from zoo.evaluation.spaces import Space, space_of


def judged(source: str) -> Space:
    """Returns the features of the judge of a data set, such as `fashion_mnist`."""
    space = space_of(source)
    assert space.judged, f"{source} has no judge that is stored"
    return space


@functools.cache
def real_features(source: str, count: int) -> np.ndarray:
    """Returns the judge's features of the first test images, (count, d)."""
    return judged(source).of(data.load(source, data.get(source).tests[0])["image"][:count])
