"""Operations counted from the layers, against closed forms and other counts."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import zoo
from tests.weightless import weightless
from zoo.metrics.costs import flops, median_seconds

LAYERS: dict[str, tuple[Any, tuple[int, ...]]] = {
    "convolution": (layers.Conv2D(5, (3, 2), strides=2), (9, 8, 3)),
    "grouped": (layers.Conv2D(6, 3, groups=2), (7, 7, 4)),
    "depthwise": (layers.DepthwiseConv2D(3, depth_multiplier=2), (7, 6, 4)),
    "transposed": (layers.Conv2DTranspose(5, 3, strides=2), (4, 5, 3)),
    "one dimension": (layers.Conv1D(4, 3, dilation_rate=2), (11, 2)),
    "dense": (layers.Dense(7), (12,)),
    "dense at each place": (layers.Dense(7), (3, 4, 12)),
}


@pytest.mark.parametrize("kind", LAYERS)
def test_ones_through_a_kernel_of_ones_count_its_multiply_adds(kind: str) -> None:
    """Every product is 1, so the sum of the outputs is how many there were."""
    layer, shape = LAYERS[kind]
    inputs = keras.Input(shape)
    network = keras.Model(inputs, layer(inputs))
    layer.set_weights([np.full_like(w, w.ndim > 1) for w in layer.get_weights()])
    products = float(np.asarray(network(np.ones((1, *shape), "float32"))).sum())
    assert flops(network) == 2 * products


def test_a_small_network_in_closed_form() -> None:
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, padding="same")(inputs)
    x = layers.BatchNormalization()(x)
    x = layers.SeparableConv2D(6, 3, padding="same", strides=2)(layers.ReLU()(x))
    network = keras.Model(inputs, layers.Dense(10)(layers.Flatten()(x)))
    products = 64 * 9 * 3 * 4 + 16 * (9 * 4 + 4 * 6) + 16 * 6 * 10
    assert flops(network) == 2 * products


def test_networks_within_networks_count_once_for_each_use() -> None:
    inner = keras.Sequential([keras.Input((6,)), layers.Dense(5), layers.Dense(6)])
    inputs = keras.Input((6,))
    twice = keras.Model(inputs, layers.Add()([inner(inner(inputs)), inputs]))
    assert flops(twice) == 2 * 2 * (30 + 30)
    outer = keras.Input((6,))
    assert flops(keras.Model(outer, layers.Dense(2)(twice(outer)))) == 2 * (120 + 12)


def test_what_cannot_be_counted_is_not_counted_wrong() -> None:
    inputs = keras.Input((4, 8))
    attention = layers.MultiHeadAttention(2, 4)(inputs, inputs)
    assert flops(keras.Model(inputs, attention)) is None
    anything = keras.Input((None, None, 3))
    assert flops(keras.Model(anything, layers.Conv2D(2, 3)(anything))) is None


def test_resnet50_takes_the_published_4_billion_multiply_adds() -> None:
    with weightless():
        counted = flops(zoo.create("resnet50", (224, 224, 3), 1000))
    assert counted is not None
    assert counted / 2 == pytest.approx(4.09e9, rel=0.002)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="TensorFlow's own count")
def test_tensorflow_counts_the_same_products_in_a_resnet() -> None:
    import tensorflow as tf
    from tensorflow.python.profiler import model_analyzer, option_builder

    network = zoo.create("resnet20", (32, 32, 3), 10)
    signature = tf.TensorSpec((1, 32, 32, 3))
    traced = tf.function(lambda rows: network(rows, training=False)).get_concrete_function(
        signature
    )
    builder = option_builder.ProfileOptionBuilder
    options = builder(builder.float_operation()).with_empty_output().build()
    profile = model_analyzer.profile(traced.graph, options=options, cmd="op")
    found: dict[str, int] = {}
    nodes = [profile]
    while nodes:
        node = nodes.pop()
        found[node.name] = node.float_ops
        nodes += node.children
    assert found["Conv2D"] + found["MatMul"] == flops(network)


def test_the_median_of_repetitions_forgives_a_slow_one() -> None:
    import time

    pauses = iter([0.0, 0.0, 0.05, *[0.002] * 20])
    median = median_seconds(lambda: time.sleep(next(pauses)), budget=0.0, least=5)
    assert 0.002 <= median < 0.03
