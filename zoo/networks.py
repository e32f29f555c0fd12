"""Parts of a network, and small things put behind it: inner layers, one output, scores, means."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import keras

from zoo.errors import InvalidInputError, did_you_mean, nearest
from zoo.layers.moments import MOMENTS, LatentMean
from zoo.layers.test_time import without_views

# What the zoo's classifiers name alike; other layers can be asked for by whatever name they have.
LANDMARK = re.compile(r"stage\d+|features|logits")


def features_of(network: keras.Model, layers: str | Sequence[str]) -> keras.Model:
    """Returns a network up to inner layers; for distillation, comparisons, fine-tuning.

    It shares layers and weights with the whole: what trains one trains the other. Every classifier
    has `features`, the vector before the logits, and those in stages have `stage1`, `stage2`, …,
    the maps at the end of each.
    Of one that averages over several views of an image the parts are those for one view.

    Args:
        network: A functional network, such as one from `zoo.create`, or
            `zoo.load(name).networks["network"]`.
        layers: Name of a layer, or several names.

    Returns:
        A model with the same input. Its output is that of the layer; for several names a
        dictionary of outputs by name.

    Raises:
        InvalidInputError: for a name that no layer has, or no name.

    Example:
        body = zoo.features_of(network, ("stage2", "features"))
        body(images)["stage2"]
    """
    network = without_views(network)
    if isinstance(layers, str):
        return keras.Model(network.input, _output(network, layers), name=network.name)
    if not layers:
        raise InvalidInputError(f"expected names of layers of {network.name}, got none")
    outputs = {name: _output(network, name) for name in layers}
    return keras.Model(network.input, outputs, name=network.name)


def with_layers(network: keras.Model, layers: Sequence[str]) -> keras.Model:
    """Returns a network that gives, of one pass, its outputs and those of inner layers.

    It shares layers and weights with the whole, and takes images of any size that its layers take.

    Args:
        network: A functional network of one view of an image, see `features_of`.
        layers: Names of layers, one or more.

    Returns:
        A model with the same input. It gives a list: the outputs, and `{name: output}`.

    Raises:
        InvalidInputError: as for `features_of`.
    """
    whole = keras.Model(network.input, [network.output, features_of(network, layers).output])
    # Where training begins with small images it would complain of their size.
    whole.input_spec = None
    return whole


def main_output(network: keras.Model) -> keras.Model:
    """Returns a classifier without the auxiliary outputs that it may have for training.

    Args:
        network: A functional network. Of several outputs the first is the main one or, in a
            dictionary, `logits`.
    """
    outputs = network.output
    if isinstance(outputs, keras.KerasTensor):
        return network
    main, _ = split_outputs(outputs)
    return keras.Model(network.input, main, name=network.name)


def split_outputs(outputs: Any) -> tuple[Any, list[Any]]:
    """Splits a classifier's outputs into its logits and the auxiliary ones, often none."""
    if isinstance(outputs, Mapping):
        return outputs["logits"], [value for key, value in outputs.items() if key != "logits"]
    if isinstance(outputs, list | tuple):
        return outputs[0], list(outputs[1:])
    return outputs, []


def with_scores(classifier: keras.Model) -> keras.Model:
    """Returns a classifier that gives scores, which sum to 1, for logits; it shares its layers."""
    # A sequential one that was read from a file has these lists alone.
    (images,), (logits,) = classifier.inputs, classifier.outputs
    scores = keras.layers.Softmax(dtype="float32", name="scores")(logits)
    return keras.Model(images, scores, name=classifier.name)


def latent_mean(encoder: keras.Model) -> keras.Model:
    """Returns an encoder that gives one code for an image; it shares layers and weights.

    Args:
        encoder: A functional one. One that ends in the layer `moments`, means and log-variances
            side by side along the last axis, gives its means; any other is returned as it is.
    """
    if not any(layer.name == MOMENTS for layer in encoder.layers):
        return encoder
    return keras.Model(encoder.input, LatentMean()(encoder.output), name=encoder.name)


def _output(network: keras.Model, name: str) -> keras.KerasTensor:
    known = [layer.name for layer in network.layers]
    if name not in known:
        landmarks = [other for other in known if LANDMARK.fullmatch(other)]
        shown = landmarks or known[-5:]
        others = f" and {len(known) - len(shown)} more" if len(known) > len(shown) else ""
        near = did_you_mean(nearest(str(name), known))
        raise InvalidInputError(
            f"{network.name} has no layer {name!r}{near}; it has {', '.join(shown)}{others}"
        )
    return network.get_layer(name).output
