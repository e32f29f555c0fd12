"""What one answer of a network costs: operations and time."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable
from typing import Any

import keras
from keras import layers

# The kernel is used once at each position of the output …
_AT_OUTPUTS = (
    layers.Dense,
    layers.Conv1D,
    layers.Conv2D,
    layers.Conv3D,
    layers.DepthwiseConv1D,
    layers.DepthwiseConv2D,
    layers.SeparableConv1D,
    layers.SeparableConv2D,
)
# … or of the input.
_AT_INPUTS = (layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose)
# Their weights may be matrices, but nothing is multiplied by them as one.
_WITHOUT_KERNEL = (layers.Embedding, layers.LayerNormalization, layers.PReLU)


def flops(network: keras.Model) -> int | None:
    """Counts the floating-point operations of one inference: 2 for each multiply-add.

    Counted are convolutions, depthwise, separable and transposed ones, and dense layers, wherever
    the network holds them, in networks within it too, once for each use. At the border of an image
    the zeros of the padding are counted like pixels, as papers do. Biases, normalisation,
    activations, pooling and sums are left out, as are products of two activations.

    Args:
        network: A functional or sequential network of a fixed input size.

    Returns:
        The number for one row of the input; None where a layer of another kind has a matrix of
        weights, or a position's size is not known.
    """
    total = 0
    function = network._functional if isinstance(network, keras.Sequential) else network
    if function is None or not hasattr(function, "_nodes_by_depth"):
        return None
    for nodes in function._nodes_by_depth.values():
        for node in nodes:
            if node.is_input:
                continue
            count = _node_flops(node)
            if count is None:
                return None
            total += count
    return total


def _node_flops(node: Any) -> int | None:
    layer = node.operation
    if isinstance(layer, keras.Model):
        return flops(layer)
    weights = getattr(layer, "weights", [])
    size = sum(math.prod(weight.shape) for weight in weights if len(weight.shape) > 1)
    if not size or isinstance(layer, _WITHOUT_KERNEL):
        return 0
    if isinstance(layer, _AT_OUTPUTS):
        shape = node.outputs[0].shape
    elif isinstance(layer, _AT_INPUTS):
        shape = node.input_tensors[0].shape
    else:
        return None
    first = getattr(layer, "data_format", None) == "channels_first"
    positions = shape[2:] if first else shape[1:-1]
    return None if None in positions else 2 * size * math.prod(positions)


def median_seconds(call: Callable[[], Any], budget: float = 0.3, least: int = 5) -> float:
    """Times a call: the median of repetitions, after two that are not counted.

    Args:
        call: What to time.
        budget: Seconds to spend on repetitions, about.
        least: Repetitions that are made whatever they take.
    """
    call()
    call()
    seconds: list[float] = []
    while len(seconds) < least or sum(seconds) < budget:
        began = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)
