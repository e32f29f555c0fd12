"""What generated images are measured with: a data set's judge, and its features of real images."""

from __future__ import annotations

import functools

import numpy as np

import zoo
from zoo import data
from zoo.pipelines import Classifier


@functools.cache
def judge_of(source: str) -> Classifier:
    """Loads the judge of a data set, such as `fashion_mnist`."""
    name = data.get(source).judge
    assert name is not None, f"{source} has no judge"
    judge = zoo.load(name)
    assert isinstance(judge, Classifier)
    return judge


@functools.cache
def real_features(source: str, count: int) -> np.ndarray:
    """Returns the judge's features of the first test images, (count, d)."""
    images = data.load(source, data.get(source).tests[0])["image"][:count]
    return judge_of(source).features(images)
