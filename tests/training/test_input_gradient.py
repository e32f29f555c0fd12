"""Gradients with respect to examples, inside a step, against closed forms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

from tests.steps import train_once, values
from zoo.training.engine import Batch, Losses, MultiPlayerModel
from zoo.training.precision import set_precision


class Slope(MultiPlayerModel):
    """Learns the weight of D by the squared slope of D, R1 without its half."""

    players = {"critic": ("network",)}
    rounds = (("critic",),)
    published = ("network",)
    logged = ("slope",)

    def __init__(self, network: keras.Model, **kwargs: Any) -> None:
        super().__init__({"network": network}, **kwargs)

    def compute_losses(
        self, batch: Batch, players: Sequence[str], training: bool = True
    ) -> tuple[Losses, Losses]:
        self.network(batch["image"], training=training)
        slopes = self.input_gradient(
            lambda images: self.network(images, training=training), batch["image"] * 3
        )
        self.dtypes = {keras.backend.standardize_dtype(slopes.dtype)}
        squares = ops.mean(ops.sum(ops.square(slopes), axis=-1))
        return {"critic": squares}, {"slope": ops.mean(slopes)}


def step(*layers: keras.layers.Layer, precision: str = "float32") -> tuple[Slope, dict[str, Any]]:
    network = keras.Sequential([keras.Input((2,)), *layers])
    network = keras.Model(network.inputs, network.outputs)
    set_precision(network, precision)
    model = Slope(network)
    model.compile(keras.optimizers.SGD(0.1))
    return model, train_once(model, {"image": IMAGES})


IMAGES = np.array([[1, 2], [3, 5], [0, 1], [2, 2]], np.float32)


class Square(keras.layers.Layer):
    """x to x^2."""

    def call(self, inputs: Any) -> Any:
        return ops.square(inputs)


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
def test_the_gradient_of_a_gradient_is_the_closed_form(precision: str) -> None:
    """D(x) = (w x)^2: the slope is 2 w (w x); of its mean square L the derivative is by w."""
    weight = np.array([[0.5], [-0.25]], np.float32)
    start = keras.initializers.Constant(0.0)
    dense = keras.layers.Dense(1, use_bias=False, kernel_initializer=start)
    network = keras.Sequential([keras.Input((2,)), dense, Square(dtype="float32")])
    network = keras.Model(network.inputs, network.outputs)
    set_precision(network, precision)
    dense.set_weights([weight])
    model = Slope(network)
    model.compile(keras.optimizers.SGD(0.01))
    logs = train_once(model, {"image": IMAGES})
    x, w = 3 * IMAGES.astype(np.float64), weight[:, 0].astype(np.float64)
    u = x @ w
    slopes = 2 * u[:, None] * w
    tolerance = 1e-5 if precision == "float32" else 2e-2
    assert float(logs["loss"]) == pytest.approx((slopes**2).sum(1).mean(), rel=tolerance)
    # d/dw of mean 4 u^2 |w|^2.
    gradient = (8 * u[:, None] * x * (w @ w) + 8 * (u**2)[:, None] * w).mean(0)
    moved = (w - values([dense.kernel])[0][:, 0]) / 0.01
    np.testing.assert_allclose(moved, gradient, rtol=1e-4 if precision == "float32" else 5e-2)
    assert model.dtypes == {"float32"}


def test_statistics_are_those_of_the_real_pass_alone() -> None:
    """The pass at other points, three times as large, leaves no trace in the averages."""
    norm = keras.layers.BatchNormalization(momentum=0.9)
    step(norm, keras.layers.Dense(1))
    np.testing.assert_allclose(values([norm.moving_mean])[0], 0.1 * IMAGES.mean(0), rtol=1e-5)
    np.testing.assert_allclose(
        values([norm.moving_variance])[0], 0.9 + 0.1 * IMAGES.var(0), rtol=1e-5
    )


def test_it_works_under_fit_in_a_compiled_step() -> None:
    dense = keras.layers.Dense(1, use_bias=False)
    network = keras.Sequential([keras.Input((2,)), dense, Square()])
    model = Slope(keras.Model(network.inputs, network.outputs))
    model.compile(keras.optimizers.SGD(1e-4))
    feed = model.training_feed({"image": IMAGES}, 2, 0, 0, 6)
    history = model.fit(feed, epochs=6, steps_per_epoch=2, shuffle=False, verbose=0).history["loss"]
    assert history[-1] < history[0]
