"""Adversarial losses against closed forms."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from zoo.errors import UnknownModelError
from zoo.losses.adversarial import (
    ADVERSARIAL_LOSSES,
    cross_entropy_discriminator,
    minimax_generator,
    non_saturating_generator,
)

RNG = np.random.default_rng(0)
REAL, FAKE = RNG.normal(size=(2, 64, 1)).astype("float32") * 3


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x.astype(np.float64)))


@pytest.mark.parametrize("real_label", [1.0, 0.9])
def test_discriminator_is_the_binary_cross_entropy(real_label: float) -> None:
    p, q = sigmoid(REAL), sigmoid(FAKE)
    expected = -(real_label * np.log(p) + (1 - real_label) * np.log(1 - p)).mean()
    expected -= np.log(1 - q).mean()
    loss = float(cross_entropy_discriminator(REAL, FAKE, real_label))
    assert loss == pytest.approx(expected, rel=1e-5)


def test_generator_losses_are_the_papers() -> None:
    q = sigmoid(FAKE)
    assert float(non_saturating_generator(FAKE)) == pytest.approx(-np.log(q).mean(), rel=1e-5)
    assert float(minimax_generator(FAKE)) == pytest.approx(np.log(1 - q).mean(), rel=1e-5)


def gradient_at(loss: str, logit: float) -> float:
    x = tf.Variable([[logit]])
    with tf.GradientTape() as tape:
        value = ADVERSARIAL_LOSSES.get(loss).generator(x)
    return float(tape.gradient(value, x)[0, 0])


def test_only_the_non_saturating_gradient_survives_a_confident_discriminator() -> None:
    logit = float(np.log(1e-6))  # D(G(z)) = 1e-6
    assert gradient_at("non_saturating", logit) == pytest.approx(-1.0, abs=1e-4)
    assert gradient_at("minimax", logit) == pytest.approx(-1e-6, rel=1e-2)


def test_extreme_logits_stay_finite() -> None:
    extreme = np.array([[-1e4], [1e4]], np.float32)
    for loss in ADVERSARIAL_LOSSES:
        pair = ADVERSARIAL_LOSSES.get(loss)
        assert np.isfinite(float(pair.generator(extreme)))
        assert np.isfinite(float(pair.discriminator(extreme, extreme)))


def test_an_unknown_loss_names_near_ones() -> None:
    with pytest.raises(UnknownModelError, match="did you mean minimax"):
        ADVERSARIAL_LOSSES.get("minmax")
