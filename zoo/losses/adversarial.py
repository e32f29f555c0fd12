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
    """What the two players minimise.

    Args:
        discriminator: (real, fake) to a scalar; where `smooths`, also `real_label`.
        generator: (fake) to a scalar.
        smooths: Whether there is a target for real examples that smoothing can lower.
        score: What is logged of logits: the probability of being real, or the logits themselves
            where they stand for none.
        needs_penalty: Whether the discriminator's loss has no lower bound unless a penalty on its
            gradient gives it one.
    """

    discriminator: Callable[..., Any]
    generator: Callable[[Any], Any]
    smooths: bool = True
    score: Callable[[Any], Any] = ops.sigmoid
    needs_penalty: bool = False


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


def least_squares_discriminator(real: Any, fake: Any, real_label: float = 1.0) -> Any:
    """(E[(D(x) - b)^2] + E[D(G(z))^2]) / 2, Mao et al. 2017, eq. 2 and 9 with a = 0.

    Args:
        real: Outputs for real examples.
        fake: Outputs for generated examples.
        real_label: b.
    """
    return (ops.mean(ops.square(real - real_label)) + ops.mean(ops.square(fake))) / 2


def least_squares_generator(fake: Any) -> Any:
    """E[(D(G(z)) - 1)^2] / 2, Mao et al. 2017, eq. 9."""
    return ops.mean(ops.square(fake - 1.0)) / 2


def hinge_discriminator(real: Any, fake: Any) -> Any:
    """E[max(0, 1 - D(x))] + E[max(0, 1 + D(G(z)))], Lim and Ye 2017, section 3."""
    return ops.mean(ops.relu(1.0 - real)) + ops.mean(ops.relu(1.0 + fake))


def wasserstein_discriminator(real: Any, fake: Any) -> Any:
    """E[D(G(z))] - E[D(x)], Arjovsky et al. 2017, eq. 3, for a D that a penalty keeps Lipschitz."""
    return ops.mean(fake) - ops.mean(real)


def wasserstein_generator(fake: Any) -> Any:
    """-E[D(G(z))], Arjovsky et al. 2017, algorithm 1; the hinge's generator has the same."""
    return -ops.mean(fake)


def feature_matching(real: Any, fake: Any) -> Any:
    """||E[f(x)] - E[f(G(z))]||^2, Salimans et al. 2016, section 3.1.

    Args:
        real: Features of real examples, (batch, …), of a layer f of the discriminator.
        fake: Features of generated ones.
    """
    return ops.sum(ops.square(ops.mean(real, axis=0) - ops.mean(fake, axis=0)))


ADVERSARIAL_LOSSES: Catalogue[AdversarialLoss] = Catalogue("adversarial loss")
ADVERSARIAL_LOSSES.add(
    "non_saturating", AdversarialLoss(cross_entropy_discriminator, non_saturating_generator)
)
ADVERSARIAL_LOSSES.add("minimax", AdversarialLoss(cross_entropy_discriminator, minimax_generator))
ADVERSARIAL_LOSSES.add(
    "least_squares",
    AdversarialLoss(least_squares_discriminator, least_squares_generator, score=ops.copy),
)
ADVERSARIAL_LOSSES.add(
    "hinge",
    AdversarialLoss(hinge_discriminator, wasserstein_generator, smooths=False, score=ops.copy),
)
ADVERSARIAL_LOSSES.add(
    "wasserstein",
    AdversarialLoss(
        wasserstein_discriminator,
        wasserstein_generator,
        smooths=False,
        score=ops.copy,
        needs_penalty=True,
    ),
)
