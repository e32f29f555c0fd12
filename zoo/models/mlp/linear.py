"""One layer of weights: the network of the perceptron and of linear and softmax regression."""

from __future__ import annotations

from collections.abc import Sequence

import keras
from keras import layers

from zoo.layers.head import head
from zoo.layers.normalization import DEFAULT_MEAN, DEFAULT_STD, normalize
from zoo.models.mlp.mlp import penalties


def linear(
    input_shape: Sequence[int] = (28, 28, 1),
    classes: int | None = 10,
    l1: float = 0.0,
    l2: float = 0.0,
    mean: Sequence[float] = DEFAULT_MEAN,
    std: Sequence[float] = DEFAULT_STD,
) -> keras.Model:
    """Builds a = W x + b over flattened pixels x. What it is depends on the loss.

    With `perceptron` it is Rosenblatt's: one unit a class fires where its a > 0. That step has no
    slope, but the loss max(0, -t a), t = ±1, has the perceptron rule for its gradient: a unit that
    is wrong about x moves by t x, one that is right stays (Bishop 2006, section 4.1.7). With `bce`
    the units are logistic, firing with probability 1 / (1 + exp(-a)). With `mse` it is linear
    regression on the classes' indicators, with `cross_entropy` softmax regression. The first two
    tell each class from all others; of all four the class of the largest a is the answer.

    Args:
        input_shape: (height, width, channels); pixels are 0 to 255.
        classes: Number of classes, of which each has a row of W; None for the features alone.
        l1: Weight in the loss of the sum of all |W_ij|, at least 0.
        l2: Weight of the sum of all W_ij².
        mean: Mean of the pixels, for the first layer.
        std: Deviation of the pixels.

    Returns:
        A model from `images` to logits of shape (batch, classes). The layer `features` holds x.

    Raises:
        ValueError: for a negative penalty.
    """
    images = keras.Input(tuple(input_shape), name="images")
    x = layers.Flatten()(normalize(images, mean, std))
    return keras.Model(images, head(x, classes, **penalties(l1, l2)), name="linear")
