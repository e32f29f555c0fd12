"""Losses of a student's inner layers against a teacher's, one for each example.

Maps are (batch, height, width, channels), vectors (batch, d). Where two maps differ in height or
width, the larger one is averaged over even parts. What is compared is scaled by its norm first, but
for `fsp`: what a layer says is in its direction, and its size differs between networks.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from keras import ops

_LEAST = 1e-12


def hint(teacher: Any, student: Any) -> Any:
    """||t / ||t|| - s / ||s|| ||^2, Romero et al. 2015 (FitNets), eq. 3, of normed vectors.

    Args:
        teacher: Maps or vectors t; all numbers of an example are one vector.
        student: Maps or vectors s of as many channels.

    Returns:
        (batch,), from 0 to 4: 2 - 2 times the cosine of the angle between them.
    """
    if len(teacher.shape) == 4:
        teacher, student = same_size(teacher, student)
    return _squared_distance(normed(teacher), normed(student))


def attention_transfer(teacher: Any, student: Any) -> Any:
    """||Q_t / ||Q_t|| - Q_s / ||Q_s|| ||^2, Q = sum_c A_c^2 over the channels of maps A.

    Zagoruyko and Komodakis 2017, eq. 2, squared as in their code. Channels may differ in number.

    Args:
        teacher: Maps.
        student: Maps.

    Returns:
        (batch,), from 0 to 2: no attention is negative.
    """
    maps = (ops.sum(ops.square(one), axis=-1, keepdims=True) for one in (teacher, student))
    one, other = same_size(*maps)
    return _squared_distance(normed(one), normed(other))


def fsp_matrix(first: Any, second: Any) -> Any:
    """G_ij = sum_xy F1_xyi F2_xyj / (height width), the flow from one layer to a later one.

    Yim et al. 2017, eq. 1.

    Args:
        first: Maps F1 of m channels.
        second: Maps F2 of n channels.

    Returns:
        (batch, m, n).
    """
    first, second = same_size(first, second)
    height, width = first.shape[1:3]
    one, other = (ops.reshape(x, (-1, height * width, x.shape[-1])) for x in (first, second))
    return ops.matmul(ops.transpose(one, (0, 2, 1)), other) / (height * width)


def fsp(teacher: tuple[Any, Any], student: tuple[Any, Any]) -> Any:
    """Mean over i and j of (G_ij(teacher) - G_ij(student))^2, Yim et al. 2017, eq. 2.

    The paper has the sum; with the mean a weight does not depend on the layers' widths.

    Args:
        teacher: Maps of two of its layers.
        student: Maps of two layers of as many channels each.

    Returns:
        (batch,).
    """
    gap = fsp_matrix(*teacher) - fsp_matrix(*student)
    return ops.mean(ops.square(gap), axis=(1, 2))


def flattened(values: Any) -> Any:
    """Returns all numbers of an example as one vector, (batch, d); vectors stay as they are."""
    # Of relations within a batch neither side may be known.
    if len(values.shape) == 2:
        return values
    return ops.reshape(values, (-1, math.prod(values.shape[1:])))


def normed(values: Any) -> Any:
    """Flattens each example and divides it by its norm, (batch, d); a zero stays zero."""
    flat = flattened(values)
    squares = ops.sum(ops.square(flat), axis=1, keepdims=True)
    return flat * ops.rsqrt(ops.maximum(squares, _LEAST))


def same_size(one: Any, other: Any) -> tuple[Any, Any]:
    """Averages maps over even parts, so that both have the smaller height and width of the two."""
    height, width = (min(one.shape[axis], other.shape[axis]) for axis in (1, 2))
    return _shrunk(one, height, width), _shrunk(other, height, width)


def _shrunk(maps: Any, height: int, width: int) -> Any:
    """Averages maps to a height and width, at most their own."""
    for axis, size in ((1, height), (2, width)):
        if maps.shape[axis] != size:
            parts = ops.convert_to_tensor(_parts(maps.shape[axis], size), dtype=maps.dtype)
            maps = ops.moveaxis(ops.tensordot(maps, parts, axes=[[axis], [0]]), -1, axis)
    return maps


def _parts(length: int, size: int) -> np.ndarray:
    """Returns (length, size): column i averages what lies between i and i + 1 sizes of a part.

    Parts overlap by a pixel where the length is not a multiple.
    """
    weights = np.zeros((length, size))
    for part in range(size):
        start, stop = part * length // size, -(-(part + 1) * length // size)
        weights[start:stop, part] = 1 / (stop - start)
    return weights


def _squared_distance(one: Any, other: Any) -> Any:
    return ops.sum(ops.square(one - other), axis=1)
