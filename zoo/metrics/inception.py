"""The Fréchet Inception distance, as far as its network can be had here."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
from keras import ops

from zoo.errors import DataUnavailableError, InvalidInputError
from zoo.latents import from_pixels
from zoo.metrics.frechet import Moments, frechet_distance

_SIDE = 299
_BATCH = 50


def fid_inception(
    generated: np.ndarray, real: np.ndarray, weights: str | Path = "imagenet"
) -> float:
    """Fréchet distance over the 2,048 pooled features of InceptionV3 (Heusel et al. 2017).

    **Not the FID of papers.** That one uses the weights of the Inception release of December 2015,
    with 1,008 outputs, a maximum in place of an average in its last block, and images resized by
    the rule of its day, whose grid lies half a pixel off. This one uses the ImageNet weights of
    keras.applications, another training of nearly the same network, and `keras.ops.image.resize`.
    Compare its values with each other only. Grey images are repeated in three channels.

    Args:
        generated: uint8 (n, height, width, 1 or 3).
        real: uint8 (m, height, width, 1 or 3); use equal n and m, 10,000 at least.
        weights: "imagenet", which Keras downloads once, or the path of that file without the
            classifier, `inception_v3_weights_tf_dim_ordering_tf_kernels_notop.h5`.

    Returns:
        A number of at least 0. Images go through by batches, so memory does not grow with n.

    Raises:
        DataUnavailableError: when the weights are neither here nor to be downloaded.
        InvalidInputError: for arrays that are not images.
    """
    for images in (generated, real):
        if images.ndim != 4 or images.shape[-1] not in (1, 3) or len(images) < 2:
            raise InvalidInputError(
                "expected 2 or more images (n, height, width, 1 or 3), "
                f"got an array of shape {images.shape}"
            )
    network = inception_network(weights)
    return frechet_distance(_moments(network, generated), _moments(network, real))


def inception_network(weights: str | Path | None = "imagenet") -> keras.Model:
    """Returns InceptionV3 from (n, 299, 299, 3) in [-1, 1] to pooled features (n, 2048).

    Args:
        weights: As for `fid_inception`; None for random ones.

    Raises:
        DataUnavailableError: as for `fid_inception`.
    """
    if weights not in (None, "imagenet") and not Path(weights).is_file():
        raise DataUnavailableError(f"there is no file {weights} with weights of InceptionV3")
    try:
        return keras.applications.InceptionV3(
            include_top=False,
            pooling="avg",
            input_shape=(_SIDE, _SIDE, 3),
            weights=weights if weights is None else str(weights),
        )
    except Exception as error:
        # Keras raises a bare Exception for this.
        if not str(error).startswith("URL fetch failure"):
            raise
        raise DataUnavailableError(
            f"the weights of InceptionV3 cannot be downloaded ({error}); without a connection give "
            "the path of their file; fd and kid over this project's own networks need none"
        ) from error


def _moments(network: keras.Model, images: np.ndarray) -> Moments:
    moments = Moments()
    for start in range(0, len(images), _BATCH):
        pixels = from_pixels(ops.cast(images[start : start + _BATCH], "float32"))
        if pixels.shape[-1] == 1:
            pixels = ops.repeat(pixels, 3, axis=-1)
        resized = ops.image.resize(
            pixels, (_SIDE, _SIDE), interpolation="bilinear", data_format="channels_last"
        )
        moments.add(ops.convert_to_numpy(network(resized, training=False)))
    return moments
