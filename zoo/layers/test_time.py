"""Test-time augmentation as part of a network."""

from __future__ import annotations

import keras
from keras import layers, ops

_BODY = "body_of_both"


def with_mirror(network: keras.Model) -> keras.Model:
    """Builds a classifier that looks at each image and at its mirror image.

    The features of both are averaged (Krizhevsky et al. 2012, section 4.1, averages predictions),
    and since the logits are linear in them, so are these. One inference costs two of the network.

    Args:
        network: A classifier whose layer `logits` is a dense one on its layer `features`. The
            result shares its weights.

    Raises:
        ValueError: for another network.
    """
    names = [layer.name for layer in network.layers]
    if names[-2:] != ["features", "logits"]:
        raise ValueError(
            "test_time_flip needs a network that ends with the layers features and logits, "
            f"got {', '.join(names[-2:])}"
        )
    body = keras.Model(network.input, network.get_layer("features").output, name=_BODY)
    images = keras.Input(network.input_shape[1:], name=network.input.name)
    mirrored = ops.flip(images, axis=2)
    features = layers.Average(name="features")([body(images), body(mirrored)])
    return keras.Model(images, network.get_layer("logits")(features), name=network.name)


def without_mirror(network: keras.Model) -> keras.Model:
    """Returns the classifier inside one that `with_mirror` built; another is returned as it is."""
    body = next((layer for layer in network.layers if layer.name == _BODY), None)
    if body is None:
        return network
    return keras.Model(body.input, network.get_layer("logits")(body.output), name=network.name)
