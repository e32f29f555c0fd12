"""Losses of what a student makes of a batch's examples among themselves, against a teacher.

Layers may differ in width: relations of n examples are n x n numbers in any space. Each loss is
one number for the batch. Maps are averaged over their pixels where an embedding is wanted.
"""

from __future__ import annotations

from typing import Any

from keras import ops

from zoo.losses.features import flattened, normed

# Of the mean squared distance: what is nearer has no direction that could be trusted.
_NEAR = 1e-6


def rkd_distance(teacher: Any, student: Any) -> Any:
    """Mean over i, j of huber(d_ij / mu of the teacher - d_ij / mu of the student).

    Park et al. 2019, section 3.2.1: d_ij is the distance of two embeddings, mu the mean over pairs
    of different examples.

    Args:
        teacher: Embeddings (batch, d), or maps.
        student: Embeddings or maps of any width.

    Returns:
        A scalar, at least 0.
    """
    one, other = (_scaled_distances(_embedding(x)) for x in (teacher, student))
    return ops.mean(_huber(one - other))


def rkd_angle(teacher: Any, student: Any) -> Any:
    """Mean over i, j, k of huber(cos of the angle at j of the teacher - of the student).

    Park et al. 2019, section 3.2.2: the angle is that between x_i - x_j and x_k - x_j; where two of
    the three are the same, its cosine counts as it comes, 0 or 1, on both sides.

    Args:
        teacher: Embeddings (batch, d), or maps.
        student: Embeddings or maps of any width.

    Returns:
        A scalar, at least 0. Memory grows with the cube of the batch.
    """
    one, other = (_cosines(_embedding(x)) for x in (teacher, student))
    return ops.mean(_huber(one - other))


def similarity_preserving(teacher: Any, student: Any) -> Any:
    """||G_t - G_s||^2 / n^2, G the rows of X X^T, each divided by its norm.

    Tung and Mori 2019, eq. 1 to 4: X holds an example in each of its n rows, all numbers of it.

    Args:
        teacher: Maps or vectors.
        student: Maps or vectors of any size.

    Returns:
        A scalar, at least 0.
    """
    one, other = (normed(_inner_products(flattened(x))) for x in (teacher, student))
    # The mean over n x n entries is the sum over n^2.
    return ops.mean(ops.square(one - other))


def _embedding(values: Any) -> Any:
    """Returns (batch, d) around its mean, which changes no distance and keeps numbers small."""
    if len(values.shape) == 4:
        values = ops.mean(values, axis=(1, 2))
    return values - ops.mean(values, axis=0, keepdims=True)


def _inner_products(rows: Any) -> Any:
    return ops.matmul(rows, ops.transpose(rows))


def _squared_distances(products: Any) -> tuple[Any, Any]:
    """Returns |x_i - x_j|^2 from inner products, a little above 0, and 1 where i and j differ."""
    squares = ops.diagonal(products)
    raw = ops.relu(squares[:, None] + squares[None, :] - 2 * products)
    # Numbered without the size of the batch, which a compiled function may not know.
    number = ops.cumsum(ops.ones_like(squares))
    different = ops.cast(ops.not_equal(number[:, None], number[None, :]), products.dtype)
    # The root has no gradient at 0.
    return raw + _NEAR * ops.stop_gradient(ops.mean(raw)) + 1e-12, different


def _scaled_distances(rows: Any) -> Any:
    squares, different = _squared_distances(_inner_products(rows))
    distances = ops.sqrt(squares) * different
    # Of one example alone there is no pair.
    return distances * ops.maximum(ops.sum(different), 1) / (ops.sum(distances) + 1e-12)


def _cosines(rows: Any) -> Any:
    """Returns (n, n, n): at [i, j, k] that of the angle at j between i and k."""
    products = _inner_products(rows)
    squares, different = _squared_distances(products)
    inverse = ops.rsqrt(squares) * different
    # <x_i - x_j, x_k - x_j> of inner products alone: no array has the width of an embedding.
    towards = (
        products[:, None, :]
        - products[:, :, None]
        - products[None, :, :]
        + ops.diagonal(products)[None, :, None]
    )
    return towards * inverse[:, :, None] * inverse[None, :, :]


def _huber(gap: Any) -> Any:
    """Half the square up to 1, linear beyond (Huber 1964)."""
    size = ops.abs(gap)
    return ops.where(size <= 1, ops.square(gap) / 2, size - 0.5)
