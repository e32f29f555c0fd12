"""Losses of the game between a generator and a discriminator, on logits.

Each is a pair of functions. `discriminator(real, fake)` and `generator(fake)` take logits of any
shape, positive for real, and return a scalar to minimise. Writing s for the logistic function,
log s(x) = -softplus(-x) keeps every gradient finite.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from keras import ops

from zoo.registry import Catalogue


@dataclasses.dataclass(frozen=True)
class AdversarialLoss:
    """What the two players minimise."""

    discriminator: Callable[..., Any]
    generator: Callable[[Any], Any]


def cross_entropy_discriminator(real: Any, fake: Any, real_label: float = 1.0) -> Any:
    """-E[log s(real)] - E[log(1 - s(fake))], Goodfellow et al. 2014, eq. 1.

    Args:
        real: Logits of real examples.
        fake: Logits of generated examples.
        real_label: Target of the real ones; 0.9 is one-sided smoothing (Salimans et al. 2016).
    """
    on_real = real_label * ops.softplus(-real) + (1.0 - real_label) * ops.softplus(real)
    return ops.mean(on_real) + ops.mean(ops.softplus(fake))


def non_saturating_generator(fake: Any) -> Any:
    """-E[log s(fake)], Goodfellow et al. 2014, section 3: strong where the other is flat."""
    return ops.mean(ops.softplus(-fake))


def minimax_generator(fake: Any) -> Any:
    """E[log(1 - s(fake))], Goodfellow et al. 2014, eq. 1: its gradient vanishes as D wins."""
    return -ops.mean(ops.softplus(fake))


ADVERSARIAL_LOSSES: Catalogue[AdversarialLoss] = Catalogue("adversarial loss")
ADVERSARIAL_LOSSES.add(
    "non_saturating", AdversarialLoss(cross_entropy_discriminator, non_saturating_generator)
)
ADVERSARIAL_LOSSES.add("minimax", AdversarialLoss(cross_entropy_discriminator, minimax_generator))
