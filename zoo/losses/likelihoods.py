"""Negative log-likelihoods and divergences of variational autoencoders, in nats.

All are sums over everything of an example, pixels or latents. So they may be added: a mean over
pixels beside a sum over latents would weigh the one against the other by the size of an image.
"""

from __future__ import annotations

import math
from typing import Any

from keras import ops


def bernoulli_nll(targets: Any, logits: Any) -> Any:
    """-sum_i [x_i log s(l_i) + (1 - x_i) log(1 - s(l_i))], Kingma and Welling 2014, appendix C.1.

    Written as sum_i [softplus(l_i) - x_i l_i], which is finite for any logit. A likelihood it is of
    binary x alone; with shares in between it is a cross-entropy, whose least value is above 0.

    Args:
        targets: x, (batch, …), in [0, 1].
        logits: l, of the same shape; s is the logistic function.

    Returns:
        (batch,).
    """
    return _summed(ops.softplus(logits) - targets * logits)


def gaussian_nll(targets: Any, means: Any, deviation: Any) -> Any:
    """sum_i [(x_i - m_i)^2 / (2 sigma_i^2) + log sigma_i + log(2 pi) / 2].

    Kingma and Welling 2014, appendix C.2. It is a density, in the unit of x: of pixels it may be
    below 0, and it moves with their scale.

    Args:
        targets: x, (batch, …).
        means: m, of the same shape, or one number for all.
        deviation: sigma, above 0, likewise.

    Returns:
        (batch,).
    """
    scaled = (targets - means) / deviation
    # A number stays one, so that it takes the tensors' type.
    log = math.log(deviation) if isinstance(deviation, int | float) else ops.log(deviation)
    return _summed(ops.square(scaled) / 2 + log + math.log(2 * math.pi) / 2)


def gaussian_kl(mean: Any, log_variance: Any) -> Any:
    """KL(N(m, v) || N(0, 1)) = sum_j [m_j^2 + v_j - log v_j - 1] / 2.

    Kingma and Welling 2014, appendix B.

    Args:
        mean: m, (batch, …).
        log_variance: log v, of the same shape.

    Returns:
        (batch,), of at least 0.
    """
    return _summed(ops.square(mean) + ops.exp(log_variance) - log_variance - 1) / 2


def _summed(terms: Any) -> Any:
    return ops.sum(terms, axis=tuple(range(1, len(terms.shape))))
