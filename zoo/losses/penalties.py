"""Penalties on a discriminator's gradient with respect to images.

A penalty says where the gradient is taken and what is made of it. The gradient itself comes from
`MultiPlayerModel.input_gradient`, one row for each example, (batch, …).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from zoo.registry import Catalogue


@dataclasses.dataclass(frozen=True)
class Penalty:
    """A penalty on gradients.

    Args:
        points: (real, fake, seed) to the images at which the gradient is taken.
        value: Gradients, (batch, …), to a scalar.
        weight: What the paper multiplies it by.
    """

    points: Callable[[Any, Any, Any], Any]
    value: Callable[[Any], Any]
    weight: float


def interpolates(real: Any, fake: Any, seed: Any) -> Any:
    """Points e x + (1 - e) G(z), e from U(0, 1) for each pair (Gulrajani et al. 2017, alg. 1)."""
    shape = (ops.shape(real)[0],) + (1,) * (len(real.shape) - 1)
    share = keras.random.uniform(shape, seed=seed, dtype=real.dtype)
    return share * real + (1.0 - share) * fake


def gradient_penalty(gradients: Any) -> Any:
    """E[(||g||_2 - 1)^2], Gulrajani et al. 2017, eq. 3; the norm is that of each example."""
    # The root has no gradient at 0.
    norms = ops.sqrt(_squared_norms(gradients) + 1e-12)
    return ops.mean(ops.square(norms - 1.0))


def r1(gradients: Any) -> Any:
    """E[||g||^2] / 2 on real images, Mescheder et al. 2018, eq. 9 without its weight gamma."""
    return ops.mean(_squared_norms(gradients)) / 2


def _squared_norms(gradients: Any) -> Any:
    return ops.sum(ops.square(gradients), axis=tuple(range(1, len(gradients.shape))))


PENALTIES: Catalogue[Penalty] = Catalogue("penalty")
PENALTIES.add("gradient_penalty", Penalty(interpolates, gradient_penalty, weight=10.0))
PENALTIES.add("r1", Penalty(lambda real, fake, seed: real, r1, weight=10.0))
