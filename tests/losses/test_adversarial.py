"""Adversarial losses against closed forms."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from zoo.errors import UnknownModelError
from zoo.losses.adversarial import (
    ADVERSARIAL_LOSSES,
    cross_entropy_discriminator,
    feature_matching,
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


REAL_64, FAKE_64 = REAL.astype(np.float64), FAKE.astype(np.float64)
# By name: the discriminator's and the generator's loss, written out.
WRITTEN_OUT = {
    "least_squares": (
        0.5 * ((REAL_64 - 1) ** 2).mean() + 0.5 * (FAKE_64**2).mean(),
        0.5 * ((FAKE_64 - 1) ** 2).mean(),
    ),
    "hinge": (
        -np.minimum(0, REAL_64 - 1).mean() - np.minimum(0, -FAKE_64 - 1).mean(),
        -FAKE_64.mean(),
    ),
    "wasserstein": (FAKE_64.mean() - REAL_64.mean(), -FAKE_64.mean()),
}


@pytest.mark.parametrize("name", WRITTEN_OUT)
def test_further_losses_are_the_papers(name: str) -> None:
    loss = ADVERSARIAL_LOSSES.get(name)
    on_discriminator, on_generator = WRITTEN_OUT[name]
    assert float(loss.discriminator(REAL, FAKE)) == pytest.approx(on_discriminator, rel=1e-5)
    assert float(loss.generator(FAKE)) == pytest.approx(on_generator, rel=1e-5)


def test_least_squares_aim_at_the_smoothed_label() -> None:
    loss = ADVERSARIAL_LOSSES.get("least_squares").discriminator
    expected = 0.5 * ((REAL_64 - 0.9) ** 2).mean() + 0.5 * (FAKE_64**2).mean()
    assert float(loss(REAL, FAKE, 0.9)) == pytest.approx(expected, rel=1e-5)


def test_matched_features_have_the_same_mean() -> None:
    real, fake = RNG.normal(size=(2, 8, 3, 2)).astype("float32")
    expected = ((real.mean(0) - fake.mean(0)) ** 2).sum()
    assert float(feature_matching(real, fake)) == pytest.approx(expected, rel=1e-5)
    assert float(feature_matching(real, real[::-1].copy())) == pytest.approx(0, abs=1e-9)
