"""The fast network: whitened patches, filters that hand inputs on, a look at the mirror image."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

import zoo
from zoo.layers.test_time import with_views, without_views
from zoo.metrics.costs import flops
from zoo.models.cnn.speednet import PartialIdentity, whitening
from zoo.networks import features_of
from zoo.training.engine import let_learn

IMAGES = np.random.default_rng(0).integers(0, 256, (200, 24, 24, 3), np.uint8)
# Neighbours alike, as in pictures.
IMAGES = IMAGES // 2 + np.roll(IMAGES, 1, axis=1) // 4 + np.roll(IMAGES, 1, axis=2) // 4
MEAN, STD = [120.0, 130.0, 110.0], [60.0, 50.0, 70.0]


def array(tensor: object) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(tensor))


def test_the_first_layer_whitens_patches_and_stays() -> None:
    network = zoo.create("speednet", input_shape=(24, 24, 3), mean=MEAN, std=STD, images=IMAGES)
    layer = network.get_layer("whiten")
    normalized = network.get_layer("normalize")(IMAGES.astype("float32"))
    answers = array(layer(normalized)).reshape(-1, 24).astype("float64")
    np.testing.assert_allclose(answers[:, :12], -answers[:, 12:], atol=1e-3)
    moments = answers[:, :12].T @ answers[:, :12] / len(answers)
    np.testing.assert_allclose(moments, np.eye(12), atol=0.02)
    assert not layer.trainable_weights
    assert layer.trainable
    let_learn(network)
    assert all(variable is not layer.kernel for variable in network.trainable_variables)


def test_whitening_has_the_shape_of_a_kernel() -> None:
    assert whitening(IMAGES, MEAN, STD).shape == (2, 2, 3, 24)
    assert whitening(IMAGES[..., :1], [120.0], [60.0]).shape == (2, 2, 1, 8)


@pytest.mark.parametrize("filters", [3, 4, 9])
def test_a_partial_identity_hands_its_inputs_on(filters: int) -> None:
    kernel = array(PartialIdentity()((3, 3, 4, filters), "float32"))
    convolution = keras.layers.Conv2D(filters, 3, padding="same", use_bias=False)
    images = np.random.default_rng(1).normal(size=(2, 5, 6, 4)).astype("float32")
    convolution.build(images.shape)
    convolution.set_weights([kernel])
    handed = min(filters, 4)
    found = array(convolution(images))
    np.testing.assert_allclose(found[..., :handed], images[..., :handed], atol=1e-6)
    if filters > 4:
        assert kernel[..., 4:].std() == pytest.approx(1 / np.sqrt(3 * 36), rel=0.2)


@pytest.mark.parametrize("name", ["speednet", "small_cnn", "resnet8"])
def test_the_mirror_is_averaged_in(name: str, tmp_path: Path) -> None:
    network = zoo.create(name, input_shape=(24, 24, 3))
    both = with_views(network)
    images = IMAGES[:4].astype("float32")
    expected = (array(network(images)) + array(network(images[:, :, ::-1]))) / 2
    np.testing.assert_allclose(array(both(images)), expected, atol=1e-4)
    np.testing.assert_allclose(array(both(images)), array(both(images[:, :, ::-1])), atol=1e-4)
    assert both.count_params() == network.count_params()
    np.testing.assert_allclose(
        array(without_views(both)(images)), array(network(images)), atol=1e-5
    )
    assert without_views(network) is network
    stage, alone = (features_of(one, "stage2") for one in (both, network))
    np.testing.assert_array_equal(array(stage(images)), array(alone(images)))
    both.save(tmp_path / "both.keras")
    loaded = keras.models.load_model(tmp_path / "both.keras")
    np.testing.assert_allclose(array(loaded(images)), array(both(images)), atol=1e-5)
    assert (
        loaded.get_layer("features").output.shape[1:]
        == network.get_layer("features").output.shape[1:]
    )


@pytest.mark.parametrize("flip", [False, True])
def test_shifted_views_are_averaged_in(flip: bool, tmp_path: Path) -> None:
    network = zoo.create("small_cnn", input_shape=(24, 20, 1))
    images = IMAGES[:4, :, :20, :1].astype("float32")
    wider = np.pad(images, ((0, 0), (2, 2), (2, 2), (0, 0)), mode="reflect")
    views = {(2, 2): 0.5, (0, 0): 0.25, (4, 4): 0.25}
    expected = np.zeros((4, 10))
    for (top, left), weight in views.items():
        view = wider[:, top : top + 24, left : left + 20]
        sides = [view, view[:, :, ::-1]] if flip else [view]
        expected += weight * np.mean([array(network(side)) for side in sides], axis=0)
    seen = with_views(network, flip=flip, shift=2)
    np.testing.assert_allclose(array(seen(images)), expected, atol=1e-4)
    # All but the last layer is run for each view.
    once, last = flops(network), 2 * network.get_layer("features").output.shape[-1] * 10
    assert once and flops(seen) == (6 if flip else 3) * (once - last) + last
    seen.save(tmp_path / "seen.keras")
    loaded = keras.models.load_model(tmp_path / "seen.keras")
    np.testing.assert_allclose(array(loaded(images)), expected, atol=1e-4)


def test_no_further_view_is_refused() -> None:
    with pytest.raises(ValueError, match="expected flip or shift, got neither"):
        with_views(zoo.create("small_cnn", input_shape=(24, 24, 1)), flip=False)


def test_a_network_without_the_two_last_layers_is_refused() -> None:
    network = keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Flatten(name="flat")])
    with pytest.raises(ValueError, match="ends with the layers features and logits, got flat"):
        with_views(network)


def test_an_image_too_small_is_refused() -> None:
    with pytest.raises(zoo.errors.RecipeError, match=r"at least 24x24, got \(16, 16, 3\)"):
        zoo.create("speednet", input_shape=(16, 16, 3))
