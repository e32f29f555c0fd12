"""What a GAN's discriminator has learned, by a linear classifier on its features.

The experiment of Radford et al. 2016, section 5.1: the maps after every convolution are max-pooled
to 4x4, flattened and joined, and a linear L2-SVM is fitted on them; no label reaches the network.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from zoo.errors import InvalidInputError
from zoo.evaluation.common import data_of, flat_pixels, in_chunks, trained_on
from zoo.latents import from_pixels

if TYPE_CHECKING:
    import keras

    from zoo.pipelines import Pipeline

GRID = 4


def probe_features(discriminator: keras.Model, images: np.ndarray) -> np.ndarray:
    """Computes the features of images.

    Args:
        discriminator: A network with convolutions whose first input are images in [-1, 1]; of one
            that is told labels they play no part.
        images: uint8 (n, height, width, channels).

    Returns:
        float32 (n, d), d being 16 for each channel of a map.

    Raises:
        InvalidInputError: for a network without convolutions.
    """
    import keras

    from zoo.runtime import compile_network

    maps = _maps(discriminator)
    if not maps:
        raise InvalidInputError(f"{discriminator.name} has no convolutional features to probe")
    pooled = [
        keras.layers.Flatten()(keras.layers.AdaptiveMaxPooling2D(GRID)(output)) for output in maps
    ]
    features = keras.layers.Concatenate()(pooled) if len(pooled) > 1 else pooled[0]
    function = compile_network(keras.Model(discriminator.inputs[0], features))
    return in_chunks(lambda part: function(from_pixels(part.astype(np.float32))), images)


def has_maps(discriminator: keras.Model) -> bool:
    """Returns whether a network has convolutional features to probe."""
    return bool(_maps(discriminator))


def _maps(discriminator: keras.Model) -> list[keras.KerasTensor]:
    import keras

    return [
        layer.output
        for layer in discriminator.layers
        if isinstance(layer, keras.layers.LeakyReLU) and len(layer.output.shape) == 4
    ]


def untrained(network: keras.Model, seed: int = 0) -> keras.Model:
    """Returns a copy of a network that has learned nothing: kernels drawn anew, the rest as built.

    Kernels come from the normal distribution of He et al. 2015. Their scale matters little: biases
    are 0, LeakyReLU keeps ratios, and the probe brings features to unit variance.
    """
    import keras

    fresh = keras.models.clone_model(network)
    rng = np.random.default_rng(seed)
    for weight in fresh.weights:
        if len(weight.shape) > 1:
            deviation = math.sqrt(2 / math.prod(weight.shape[:-1]))
            weight.assign(rng.normal(scale=deviation, size=weight.shape).astype("float32"))
    return fresh


def linear_probe(
    name: str, examples: int = 10_000, penalty: float = 1e-3, seed: int = 0
) -> dict[str, float]:
    """Fits a linear SVM on a stored discriminator's features and counts its right answers.

    A discriminator is stored where the recipe says `method.publish_discriminator=true`.

    Args:
        name: A stored generator, name or name@version, with its discriminator.
        examples: Training images to fit on, drawn at random; all if there are fewer.
        penalty: C of scikit-learn's `LinearSVC`, on features of unit variance.
        seed: Decides which images, and the weights of the untrained discriminator.

    Returns:
        `accuracy` on the test split that counts, a share; beside it, for what it is worth,
        `accuracy_untrained`, that of the same discriminator's features with fresh weights, and
        `accuracy_pixels`, that of the pixels themselves; `examples` fitted on; `tested`, images of
        the test split; `features`, their number.

    Raises:
        InvalidInputError: when the model has no discriminator, or its data have no labels.
        UnknownModelError: for an unknown name.
    """
    from zoo import api

    return probe(api.load(name), examples, penalty, seed)


def probe(
    model: Pipeline, examples: int = 10_000, penalty: float = 1e-3, seed: int = 0
) -> dict[str, float]:
    """Does what `linear_probe` does with a generator that is loaded."""
    from zoo import data

    if "discriminator" not in model.networks:
        raise InvalidInputError(
            f"{model.card.name} is stored without its discriminator; train it with "
            "method.publish_discriminator=true"
        )
    spec, train = data_of(model.card), trained_on(model.card)
    if "label" not in train:
        raise InvalidInputError(f"{spec.name} has no labels to probe for")
    test = data.examples(spec, data.get(spec.name).tests[0])
    chosen = np.random.default_rng(seed).permutation(len(train["image"]))[:examples]

    def score(features: np.ndarray, tested: np.ndarray) -> float:
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler
        from sklearn.svm import LinearSVC

        svm = make_pipeline(StandardScaler(copy=False), LinearSVC(C=penalty, random_state=seed))
        svm.fit(features, train["label"][chosen])
        return float(svm.score(tested, test["label"]))

    network = model.networks["discriminator"]
    images = train["image"][chosen], test["image"]
    learned, fresh = (
        [probe_features(one, part) for part in images]
        for one in (network, untrained(network, seed))
    )
    return {
        "accuracy": score(*learned),
        "accuracy_untrained": score(*fresh),
        "accuracy_pixels": score(*(flat_pixels(part) for part in images)),
        "examples": len(chosen),
        "tested": len(test["label"]),
        "features": learned[0].shape[1],
    }
