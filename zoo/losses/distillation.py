"""Losses of a student's logits against a teacher's, and one teacher made of several."""

from __future__ import annotations

from typing import Any

from keras import ops


def soft_kl(teacher: Any, student: Any, temperature: float = 1.0) -> Any:
    """T^2 KL(p || q) with p = softmax(t / T), q = softmax(s / T), in nats.

    Hinton et al. 2015, section 2. Gradients of the divergence go as 1 / T^2; with the factor the
    share that labels have in a sum with it does not change with T.

    Args:
        teacher: Logits t, (batch, classes).
        student: Logits s, of the same shape.
        temperature: T, above 0.

    Returns:
        One loss for each row, (batch,), at least 0.
    """
    log_p = ops.log_softmax(teacher / temperature, axis=-1)
    log_q = ops.log_softmax(student / temperature, axis=-1)
    return temperature**2 * ops.sum(ops.exp(log_p) * (log_p - log_q), axis=-1)


def logit_mse(teacher: Any, student: Any) -> Any:
    """Mean over the classes of (t - s)^2, Ba and Caruana 2014, section 2.2.

    Of logits with mean 0 its half is what `soft_kl` becomes for a large T (Hinton et al. 2015,
    section 2.1).

    Args:
        teacher: Logits t, (batch, classes).
        student: Logits s, of the same shape.

    Returns:
        (batch,).
    """
    return ops.mean(ops.square(teacher - student), axis=-1)


def above_zero(name: str, value: float) -> float:
    """Returns a temperature, or another number that must be above 0.

    Raises:
        ValueError: for one that is not.
    """
    if not value > 0:
        raise ValueError(f"{name} must be above 0, got {value}")
    return value


def average(teachers: Any, targets: Any = None) -> Any:
    """Gives every teacher the same share.

    Args:
        teachers: Logits of several teachers, (teachers, batch, classes). So for all shares here.
        targets: Shares of the classes, (batch, classes), where there are labels.

    Returns:
        The share of each teacher in the target of each example, (teachers, batch); they sum to 1
        over the teachers.
    """
    return ops.ones_like(teachers[..., 0]) / teachers.shape[0]


def confidence(teachers: Any, targets: Any = None) -> Any:
    """Gives a teacher a share in proportion to the greatest of its probabilities."""
    greatest = ops.max(ops.softmax(teachers, axis=-1), axis=-1)
    return greatest / ops.sum(greatest, axis=0, keepdims=True)


def best(teachers: Any, targets: Any = None) -> Any:
    """Chooses one teacher for each example: who gives its label the greatest probability.

    Without labels it is who is the most confident.
    """
    probabilities = ops.softmax(teachers, axis=-1)
    if targets is None:
        scores = ops.max(probabilities, axis=-1)
    else:
        scores = ops.sum(probabilities * ops.cast(targets, teachers.dtype), axis=-1)
    chosen = ops.argmax(scores, axis=0)
    return ops.one_hot(chosen, teachers.shape[0], axis=0, dtype=teachers.dtype)


def mixed(teachers: Any, shares: Any, temperature: float) -> Any:
    """Returns logits z whose softmax(z / T) is sum_m w_m softmax(z_m / T).

    Hinton et al. 2015, section 1, average the predictive distributions of an ensemble.

    Args:
        teachers: Logits z_m, (teachers, batch, classes).
        shares: w, (teachers, batch), as the functions above give them.
        temperature: T, above 0.

    Returns:
        (batch, classes).
    """
    # A share of 0 has no logarithm; of so small a one nothing is seen.
    weights = ops.log(ops.maximum(shares, 1e-30))[..., None]
    logs = ops.log_softmax(teachers / temperature, axis=-1) + weights
    return temperature * ops.logsumexp(logs, axis=0)


COMBINATIONS = {one.__name__: one for one in (average, confidence, best)}
