"""What a GAN's discriminator has learned, by a linear classifier on its features.

The experiment of Radford et al. 2016, section 5.1: the maps after every convolution are max-pooled
to 4x4, flattened and joined, and a linear L2-SVM is fitted on them; no label reaches the network.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from zoo.errors import InvalidInputError

if TYPE_CHECKING:
    import keras

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

    maps = [
        layer.output
        for layer in discriminator.layers
        if isinstance(layer, keras.layers.LeakyReLU) and len(layer.output.shape) == 4
    ]
    if not maps:
        raise InvalidInputError(f"{discriminator.name} has no convolutional features to probe")
    pooled = [
        keras.layers.Flatten()(keras.layers.AdaptiveMaxPooling2D(GRID)(output)) for output in maps
    ]
    features = keras.layers.Concatenate()(pooled) if len(pooled) > 1 else pooled[0]
    function = compile_network(keras.Model(discriminator.inputs[0], features))
    parts = [images[start : start + 1000] for start in range(0, len(images), 1000)]
    return np.concatenate([function(part / np.float32(127.5) - 1) for part in parts])


def linear_probe(
    name: str, examples: int = 10_000, penalty: float = 1e-3, seed: int = 0
) -> dict[str, float]:
    """Fits a linear SVM on a stored discriminator's features and counts its right answers.

    A discriminator is stored where the recipe says `method.publish_discriminator=true`.

    Args:
        name: A stored generator, name or name@version, with its discriminator.
        examples: Training images to fit on, drawn at random; all if there are fewer.
        penalty: C of scikit-learn's `LinearSVC`, on features of unit variance.
        seed: Decides which images.

    Returns:
        `accuracy` on the test split that counts, a share; `examples` fitted on; `features`, their
        number.

    Raises:
        InvalidInputError: when the model has no discriminator, or its data have no labels.
        UnknownModelError: for an unknown name.
    """
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import LinearSVC

    from zoo import api, data
    from zoo.recipe import Recipe

    model = api.load(name)
    if "discriminator" not in model.networks:
        raise InvalidInputError(
            f"{name} is stored without its discriminator; train it with "
            "method.publish_discriminator=true"
        )
    spec = Recipe.from_dict(model.card.recipe).data
    train = data.training_examples(spec)[0]
    if "label" not in train:
        raise InvalidInputError(f"{spec.name} has no labels to probe for")
    test = data.examples(spec, data.get(spec.name).tests[0])
    chosen = np.random.default_rng(seed).permutation(len(train["image"]))[:examples]
    network = model.networks["discriminator"]
    features = probe_features(network, train["image"][chosen])
    svm = make_pipeline(StandardScaler(copy=False), LinearSVC(C=penalty, random_state=seed))
    svm.fit(features, train["label"][chosen])
    accuracy = svm.score(probe_features(network, test["image"]), test["label"])
    return {
        "accuracy": float(accuracy),
        "examples": len(chosen),
        "features": features.shape[1],
    }
