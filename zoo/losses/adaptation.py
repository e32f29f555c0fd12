"""What brings the features of two domains together, and how the domains are told apart.

Features are rows (n, d) of one domain and (m, d) of the other; n and m may differ. All is computed
in the dtype of the rows: give it float32.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keras import ops

# Bandwidths of the multi-kernel MMD as multiples of the mean squared distance.
FACTORS = (0.25, 0.5, 1.0, 2.0, 4.0)


@ops.custom_gradient
def reverse_gradient(x: Any, strength: Any) -> tuple[Any, Any]:
    """The gradient reversal layer: x forwards, -strength times the gradient backwards.

    Ganin et al. 2016, eq. 16 and 17. What lies behind it, the domain classifier, goes down its
    loss; what lies before it, the features, goes up that loss, `strength` times as fast.

    Args:
        x: A tensor of any shape.
        strength: A scalar, lambda; no gradient flows into it.

    Returns:
        x as it is.
    """

    def grad(*args: Any, upstream: Any = None) -> tuple[Any, Any]:
        # Where it is not passed by name, it is the one argument.
        (gradient,) = args if upstream is None else (upstream,)
        return -ops.cast(strength, gradient.dtype) * gradient, ops.zeros_like(strength)

    return ops.copy(x), grad


def dann_schedule(progress: Any, gamma: float = 10.0) -> Any:
    """2 / (1 + exp(-gamma p)) - 1, which grows from 0 to nearly 1 (Ganin et al. 2016, sec. 5.2.2).

    Args:
        progress: The share p of the run that is done, in [0, 1].
        gamma: How fast it grows; the paper's is 10.
    """
    return 2.0 / (1.0 + ops.exp(-gamma * progress)) - 1.0


def domain_loss(source: Any, target: Any, weights: tuple[Any, Any] | None = None) -> Any:
    """-E[log s(source)] - E[log(1 - s(target))], with s the logistic function.

    Ganin et al. 2016, eq. 9: the mean over the source and, added to it, that over the target.

    Args:
        source: Logits of the domain classifier for the source (n, 1), positive for source.
        target: Those for the target (m, 1).
        weights: Of each row (n,) and (m,), not negative, for weighted means; None for plain ones.

    Returns:
        A scalar; 2 log 2 where the classifier knows nothing.
    """
    rows = [ops.softplus(-source[:, 0]), ops.softplus(target[:, 0])]
    if weights is None:
        return ops.mean(rows[0]) + ops.mean(rows[1])
    one, other = (
        ops.sum(weight * row) / ops.sum(weight) for weight, row in zip(weights, rows, strict=True)
    )
    return one + other


def covariance(rows: Any) -> Any:
    """Returns the sample covariance of rows (n, d), over n - 1: (d, d); 0 of a single row."""
    centred = rows - ops.mean(rows, axis=0, keepdims=True)
    count = ops.cast(ops.shape(rows)[0], rows.dtype)
    return ops.matmul(ops.transpose(centred), centred) / ops.maximum(count - 1.0, 1.0)


def coral(source: Any, target: Any) -> Any:
    """||C_s - C_t||² / (4 d²), Frobenius norm (Sun and Saenko 2016, Deep CORAL, eq. 1 to 3)."""
    width = int(source.shape[-1])
    gap = covariance(source) - covariance(target)
    return ops.sum(ops.square(gap)) / (4.0 * width**2)


def squared_distances(x: Any, y: Any) -> Any:
    """Returns |x_i - y_j|², (n, m), of rows (n, d) and (m, d), never below 0."""
    squares = [ops.sum(ops.square(rows), axis=1) for rows in (x, y)]
    distances = squares[0][:, None] + squares[1][None] - 2.0 * ops.matmul(x, ops.transpose(y))
    return ops.maximum(distances, 0.0)


def bandwidths(source: Any, target: Any, factors: Sequence[float] = FACTORS) -> list[Any]:
    """Returns multiples of the mean squared distance between any two different rows of both.

    No gradient flows into them: they are the scale that the distance is measured on.
    """
    rows = ops.stop_gradient(ops.concatenate([source, target], axis=0))
    count = ops.cast(ops.shape(rows)[0], rows.dtype)
    # Of all pairs of rows, from their moments: sum_ij |x_i - x_j|² = 2 n sum_i |x_i - mean|².
    spread = ops.sum(ops.square(rows - ops.mean(rows, axis=0, keepdims=True)))
    mean = 2.0 * spread / (count - 1.0)
    # Rows that are all alike have no scale, and no distance on any.
    return [factor * ops.maximum(mean, 1e-12) for factor in factors]


def mmd(source: Any, target: Any, sigmas: Sequence[Any], unbiased: bool = False) -> Any:
    """Squared maximum mean discrepancy with a mean of Gaussian kernels exp(-|x - y|² / sigma).

    Gretton et al. 2012, eq. 5, biased, of at least 0, and lemma 6, unbiased, which leaves out the
    pairs of a row with itself and may be below 0. Long et al. 2015 (DAN), eq. 2, have several
    kernels.

    Args:
        source: (n, d).
        target: (m, d).
        sigmas: Bandwidths, in squared units of the features.
        unbiased: Which estimate; the unbiased one takes two rows of each.
    """

    def kernel(x: Any, y: Any) -> Any:
        distances = squared_distances(x, y)
        return sum(ops.exp(-distances / sigma) for sigma in sigmas) / len(sigmas)

    def within(rows: Any) -> Any:
        if not unbiased:
            return ops.mean(kernel(rows, rows))
        count = ops.cast(ops.shape(rows)[0], rows.dtype)
        # A row is like itself with kernel 1, whatever its bandwidth.
        return (ops.sum(kernel(rows, rows)) - count) / (count * (count - 1.0))

    return within(source) + within(target) - 2.0 * ops.mean(kernel(source, target))


def outer(features: Any, predictions: Any) -> Any:
    """Returns f ⊗ g of each row, flattened: (n, d) and (n, classes) to (n, d · classes).

    Long et al. 2018 (CDAN), eq. 4: a domain classifier on it sees features together with the class.
    """
    width = int(features.shape[-1]) * int(predictions.shape[-1])
    return ops.reshape(features[:, :, None] * predictions[:, None, :], (-1, width))


def certainty(predictions: Any) -> Any:
    """1 + exp(-H(g)) of each row, H the entropy in nats (Long et al. 2018, eq. 9, CDAN+E).

    Args:
        predictions: Shares of the classes (n, classes), rows summing to 1.

    Returns:
        (n,): 2 for a sure prediction, 1 + 1 / classes for one that knows nothing.
    """
    logarithms = ops.log(ops.maximum(predictions, 1e-12))
    return 1.0 + ops.exp(ops.sum(predictions * logarithms, axis=-1))
