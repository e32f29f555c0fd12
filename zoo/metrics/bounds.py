"""Bounds on the log-likelihood of a model with latents, from importance weights."""

from __future__ import annotations

import math
from typing import Any

from keras import ops


def importance_weighted_bound(log_weights: Any) -> Any:
    """Returns log (1/k) sum_i w_i, w_i = p(x, z_i) / q(z_i | x), Burda et al. 2016, eq. 8.

    Its mean over draws is at most log p(x) and does not fall as k grows. With k = 1 it is the
    evidence lower bound, drawn once.

    Args:
        log_weights: log w_i, (k, …), one row for each of the k latents drawn from q.

    Returns:
        (…), in nats.
    """
    return ops.logsumexp(log_weights, axis=0) - math.log(log_weights.shape[0])
