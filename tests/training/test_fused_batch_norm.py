"""The fused kernel is Keras' batch normalization: outputs, gradients, statistics."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from zoo.training.engine import MultiPlayerModel

tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="of the TensorFlow backend"
)


def network(**options: Any) -> keras.Model:
    images = keras.Input((5, 4, 3))
    layer = keras.layers.BatchNormalization(name="norm", **options)
    model = keras.Model(images, layer(images))
    rng = np.random.default_rng(3)
    for weight in model.weights:
        weight.assign(rng.uniform(0.5, 1.5, weight.shape))
    return model


def trained(model: keras.Model, images: np.ndarray) -> dict[str, np.ndarray]:
    """One forward and backward pass in training mode."""
    import tensorflow as tf

    inputs = tf.constant(images)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = model(inputs, training=True)
        loss = tf.reduce_sum(tf.sin(outputs))
    variables = [weight.value for weight in model.trainable_weights]
    gradients = tape.gradient(loss, [inputs, *variables])
    found = {"outputs": outputs, **{f"gradient {i}": g for i, g in enumerate(gradients)}}
    found |= {weight.name: weight.value for weight in model.weights}
    return {name: np.asarray(value) for name, value in found.items()}


@tensorflow
@pytest.mark.parametrize(
    "options", [{}, {"scale": False}, {"center": False}, {"epsilon": 1e-5 + 1e-7, "momentum": 0.6}]
)
def test_it_is_keras_own_layer(options: dict[str, Any]) -> None:
    images = np.random.default_rng(0).normal(2, 3, (8, 5, 4, 3)).astype("float32")
    plain, fused = network(**options), network(**options)
    MultiPlayerModel.tune(fused)
    assert "call" in vars(fused.get_layer("norm"))
    expected, found = trained(plain, images), trained(fused, images)
    assert expected.keys() == found.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=2e-4, atol=2e-5, err_msg=name)
    np.testing.assert_allclose(fused(images), plain(images), rtol=1e-4, atol=1e-5)


@tensorflow
@pytest.mark.parametrize("options", [{"axis": 1}, {"epsilon": 1e-7}, {"synchronized": True}])
def test_what_the_kernel_does_not_cover_stays_as_it_was(options: dict[str, Any]) -> None:
    model = network(**options)
    MultiPlayerModel.tune(model)
    assert "call" not in vars(model.get_layer("norm"))


@tensorflow
def test_a_frozen_layer_keeps_its_statistics() -> None:
    model = network()
    MultiPlayerModel.tune(model)
    model.get_layer("norm").trainable = False
    before = [np.asarray(weight).copy() for weight in model.weights]
    model(np.random.default_rng(0).normal(2, 3, (8, 5, 4, 3)), training=True)
    for weight, value in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(weight, value)
