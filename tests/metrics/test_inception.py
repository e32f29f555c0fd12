"""The distance over InceptionV3's features, with a network whose features are known."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

from zoo.errors import DataUnavailableError, InvalidInputError
from zoo.metrics import inception
from zoo.metrics.frechet import frechet_distance

RNG = np.random.default_rng(0)


def test_images_reach_the_network_in_its_range_and_three_channels(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The colour of a plain image is the same whatever the size, so the distance is known."""
    colour = keras.Sequential([keras.Input((299, 299, 3)), keras.layers.GlobalMaxPooling2D()])
    monkeypatch.setattr(inception, "inception_network", lambda weights: colour)
    red, grey = RNG.integers(0, 256, (53, 1, 1, 3)), RNG.integers(0, 256, (52, 1, 1, 1))
    generated, real = (
        np.broadcast_to(plain, (len(plain), 8, 6, plain.shape[-1])).astype(np.uint8)
        for plain in (red, grey)
    )
    expected = frechet_distance(
        red.reshape(-1, 3) / 127.5 - 1, np.repeat(grey.reshape(-1, 1), 3, axis=1) / 127.5 - 1
    )
    assert inception.fid_inception(generated, real) == pytest.approx(expected, rel=1e-4)


def test_without_weights_one_line_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refuse(**options: object) -> None:
        raise Exception("URL fetch failure on https://example.org: None")

    monkeypatch.setattr(keras.applications, "InceptionV3", refuse)
    with pytest.raises(DataUnavailableError, match="give the path of their file"):
        inception.inception_network()
    with pytest.raises(DataUnavailableError, match="there is no file"):
        inception.inception_network(tmp_path / "missing.h5")


def test_what_is_no_image_is_refused() -> None:
    with pytest.raises(InvalidInputError, match=r"got an array of shape \(5, 8, 8\)"):
        inception.fid_inception(np.zeros((5, 8, 8), np.uint8), np.zeros((5, 8, 8, 1), np.uint8))
