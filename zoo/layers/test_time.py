"""Test-time augmentation as part of a network."""

from __future__ import annotations

import keras
from keras import layers, ops

_BODY = "body_of_all_views"


def with_views(network: keras.Model, flip: bool = True, shift: int = 0) -> keras.Model:
    """Builds a classifier that looks at several views of each image.

    The features of the views are averaged (Krizhevsky et al. 2012, section 4.1, averages
    predictions), and since the logits are linear in them, so are these. One inference costs as many
    of the network as there are views: 2 for a flip, 3 for shifts, 6 for both.

    Args:
        network: A classifier whose layer `logits` is a dense one on its layer `features`. The
            result shares its weights.
        flip: Whether each view is seen mirrored, too.
        shift: Pixels by which two further views are moved, one up and left, one down and right,
            with the edge mirrored; together they weigh as much as the view in place (Jordan 2024,
            section 3.5). 0 for none.

    Raises:
        ValueError: for another network, or no further view.
    """
    names = [layer.name for layer in network.layers]
    if names[-2:] != ["features", "logits"]:
        raise ValueError(
            "test-time views need a network that ends with the layers features and logits, "
            f"got {', '.join(names[-2:])}"
        )
    if not flip and not shift:
        raise ValueError("expected flip or shift, got neither")
    body = keras.Model(network.input, network.get_layer("features").output, name=_BODY)
    height, width, _ = network.input_shape[1:]
    images = keras.Input(network.input_shape[1:], name=network.input.name)
    views, weights = [images], [2 if shift else 1]
    if shift:
        wider = ops.pad(images, [[0, 0], [shift, shift], [shift, shift], [0, 0]], "reflect")
        views += [wider[:, :height, :width], wider[:, 2 * shift :, 2 * shift :]]
        weights += [1, 1]
    if flip:
        views += [ops.flip(view, axis=2) for view in views]
        weights += weights
    each = [body(view) for view in views]
    weighed = [seen for seen, weight in zip(each, weights, strict=True) for _ in range(weight)]
    features = layers.Average(name="features")(weighed)
    return keras.Model(images, network.get_layer("logits")(features), name=network.name)


def without_views(network: keras.Model) -> keras.Model:
    """Returns the classifier inside one that `with_views` built; another is returned as it is."""
    body = next((layer for layer in network.layers if layer.name == _BODY), None)
    if body is None:
        return network
    return keras.Model(body.input, network.get_layer("logits")(body.output), name=network.name)
