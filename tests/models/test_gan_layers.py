"""Layers of the GANs: minibatch discrimination, virtual batch norm, altered images."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import ops

from zoo.layers.differentiable_augmentation import AUGMENTATIONS, parse_policy
from zoo.layers.labelled_rows import SplitLabel, classes_of
from zoo.layers.minibatch_discrimination import MinibatchDiscrimination
from zoo.models.gan import cdcgan, dcgan
from zoo.training.noise import CounterSeed

RNG = np.random.default_rng(0)
IMAGES = RNG.uniform(-1, 1, (64, 16, 16, 3)).astype("float32")


def test_minibatch_discrimination_adds_up_closeness() -> None:
    x = RNG.normal(size=(5, 7)).astype("float32")
    layer = MinibatchDiscrimination(kernels=3, dims=2)
    layer.build(x.shape)
    kernel = RNG.normal(size=(7, 6)).astype("float32")
    layer.set_weights([kernel])
    m = (x.astype(np.float64) @ kernel).reshape(5, 3, 2)
    expected = [
        [sum(np.exp(-np.abs(m[i, b] - m[j, b]).sum()) for j in range(5)) for b in range(3)]
        for i in range(5)
    ]
    outputs = np.asarray(layer(x))
    np.testing.assert_array_equal(outputs[:, :7], x)
    np.testing.assert_allclose(outputs[:, 7:], expected, rtol=1e-4)


@pytest.mark.parametrize("features", [64, 6272])
def test_minibatch_discrimination_is_alive_at_birth(features: int) -> None:
    """However many features there are, unlike examples are neither 0 nor 1 close."""
    keras.utils.set_random_seed(0)
    x = RNG.normal(size=(16, features)).astype("float32")
    closeness = np.asarray(MinibatchDiscrimination()(x))[:, features:]
    others = (closeness - 1) / 15
    assert 0.1 < others.mean() < 0.9 and others.min() > 0.01


def test_a_sample_of_virtual_batch_norm_does_not_depend_on_its_mates() -> None:
    keras.utils.set_random_seed(0)
    network = dcgan.generator((16, 16, 1), latent_dim=8, width=4, virtual_batch=6)
    rows = RNG.normal(size=(5, 8)).astype("float32")
    for training in (False, True):
        together = np.asarray(network(rows, training=training))
        others = np.asarray(network(rows[[2, 4, 4]] * [[1], [9], [9]], training=training))
        assert together.shape == (5, 16, 16, 1)
        np.testing.assert_allclose(others[0], together[2], atol=1e-5)
    plain = dcgan.generator((16, 16, 1), latent_dim=8, width=4)
    one, other = (np.asarray(plain(r, training=True))[0] for r in (rows, rows[[0, 4, 4]]))
    assert np.abs(one - other).max() > 1e-4


def test_virtual_batch_norm_takes_the_reference_and_the_example_together() -> None:
    from zoo.layers.virtual_batch_norm import VirtualBatchNormalization

    x = RNG.normal(2, 3, (7, 4, 4, 2)).astype("float32")  # 4 of the reference, then 3 examples
    outputs = np.asarray(VirtualBatchNormalization(4, epsilon=0.0)(x))
    for i in (4, 5, 6):
        seen = np.concatenate([x[:4], x[i : i + 1]]).astype(np.float64)
        expected = (x[i] - seen.mean((0, 1, 2))) / seen.std((0, 1, 2))
        np.testing.assert_allclose(outputs[i], expected, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(outputs[:4].mean((0, 1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(outputs[:4].std((0, 1, 2)), 1, rtol=1e-4)


def altered(name: str, images: np.ndarray = IMAGES, step: int = 0) -> np.ndarray:
    return np.asarray(AUGMENTATIONS[name](ops.convert_to_tensor(images), CounterSeed(1, "a", step)))


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_a_seed_alters_any_images_alike_and_each_otherwise(name: str) -> None:
    """Real and generated images get one operation: only the seed decides what is done."""
    equal = np.repeat(IMAGES[:1], 64, 0)
    outputs = altered(name, equal)
    np.testing.assert_array_equal(outputs, altered(name, equal))
    assert not np.array_equal(outputs, altered(name, equal, step=1))
    assert len(np.unique(outputs.reshape(64, -1), axis=0)) > 8
    # What is done to an image is linear or a stretch: scaled images come out scaled.
    if name != "color":
        np.testing.assert_allclose(altered(name, equal / 2), outputs / 2, atol=1e-6)


def test_translation_moves_whole_pixels_and_fills_with_grey() -> None:
    shifts = set()
    for image, moved in zip(IMAGES, altered("translation"), strict=True):
        found = [
            (down, across)
            for down in range(-2, 3)
            for across in range(-2, 3)
            if np.allclose(shifted(image, down, across), moved, atol=1e-6)
        ]
        assert len(found) == 1
        shifts.add(found[0])
    assert {d for d, _ in shifts} == {a for _, a in shifts} == {-2, -1, 0, 1, 2}


def shifted(image: np.ndarray, down: int, across: int) -> np.ndarray:
    padded = np.pad(image, ((2, 2), (2, 2), (0, 0)))
    return padded[2 + down : 18 + down, 2 + across : 18 + across]


def test_cutout_takes_one_square_of_half_the_side() -> None:
    sizes = set()
    for image, cut in zip(IMAGES, altered("cutout"), strict=True):
        gone = (cut == 0).all(-1)
        rows, columns = np.where(gone.any(1))[0], np.where(gone.any(0))[0]
        assert np.ptp(rows) < 8 and np.ptp(columns) < 8
        assert gone.sum() == (np.ptp(rows) + 1) * (np.ptp(columns) + 1)
        np.testing.assert_array_equal(cut[~gone], image[~gone])
        sizes.add(int(gone.sum()))
    assert max(sizes) == 64


def test_colour_keeps_what_it_should() -> None:
    """Brightness and contrast are affine in each image, saturation leaves the mean of colours."""
    for image, changed in zip(IMAGES, altered("color"), strict=True):
        grey, new = image.mean(-1).ravel(), changed.mean(-1).ravel()
        slope, offset = np.polyfit(grey, new, 1)
        np.testing.assert_allclose(new, slope * grey + offset, atol=1e-5)
        assert 0.5 <= slope <= 1.5
        assert abs(new.mean() - grey.mean()) <= 0.5 + 1e-5


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="a tape of TensorFlow")
def test_gradients_pass_through_what_is_altered() -> None:
    import tensorflow as tf

    images = tf.Variable(IMAGES[:4])
    with tf.GradientTape() as tape:
        outputs = images * 1.0
        for alter in parse_policy("color, translation,cutout"):
            outputs = alter(outputs, CounterSeed(1, "a", 0))
        loss = tf.reduce_sum(outputs**2)
    gradient = tape.gradient(loss, images).numpy()
    assert np.isfinite(gradient).all() and (gradient != 0).mean() > 0.3


def test_an_unknown_alteration_is_refused() -> None:
    assert parse_policy("") == []
    with pytest.raises(ValueError, match="augment names color, translation, cutout, got 'flip'"):
        parse_policy("color,flip")


def test_a_conditional_generator_is_known_by_its_layer() -> None:
    network = cdcgan.generator((16, 16, 1), classes=3, latent_dim=5, width=2)
    assert network.input_shape == (None, 8) and classes_of(network) == 3
    assert classes_of(dcgan.generator((16, 16, 1), latent_dim=5, width=2)) == 0
    rows = np.arange(16, dtype=np.float32).reshape(2, 8)
    latents, label = SplitLabel(3)(rows)
    np.testing.assert_array_equal(np.concatenate([latents, label], 1), rows)
    assert latents.shape == (2, 5)
    with pytest.raises(ValueError, match="a label needs at least 1 class, got 0"):
        SplitLabel(0)


def test_batch_norm_has_a_scale_and_an_offset_for_each_class() -> None:
    """They begin alike; with 0 for both, nothing is left of a class but the last bias, 0."""
    keras.utils.set_random_seed(0)
    network = cdcgan.generator((16, 16, 1), classes=2, latent_dim=3, width=2)
    network.get_layer("embedding").set_weights([np.zeros((2, 32), np.float32)])
    latents = RNG.normal(size=(5, 3)).astype("float32")

    def drawn(label: int) -> np.ndarray:
        rows = np.concatenate([latents, np.eye(2, dtype="float32")[[label] * 5]], axis=1)
        return np.asarray(network(rows, training=True))

    before = drawn(0)
    np.testing.assert_allclose(drawn(1), before, atol=1e-6)
    scale = network.get_layer("scale_8")
    (kernel,) = scale.get_weights()
    np.testing.assert_array_equal(kernel, 1)
    kernel[1] = 0
    scale.set_weights([kernel])
    np.testing.assert_array_equal(drawn(1), 0)
    np.testing.assert_allclose(drawn(0), before, atol=1e-6)
    plain = cdcgan.generator((16, 16, 1), classes=2, width=2, conditional_norm=False)
    assert not any(layer.name.startswith("scale") for layer in plain.layers)


def test_the_projection_is_a_logit_of_its_own_for_each_class() -> None:
    network = cdcgan.discriminator((16, 16, 1), classes=3, width=2, batch_norm=False)
    images = RNG.uniform(-1, 1, (4, 16, 16, 1)).astype("float32")
    features = keras.Model(network.inputs, network.get_layer("features").output)
    h = np.asarray(features([images, np.eye(3, dtype="float32")[[0] * 4]]))
    v = network.get_layer("class_vectors").get_weights()[0]
    w, b = network.get_layer("logits").get_weights()
    for label in range(3):
        rows = np.eye(3, dtype="float32")[[label] * 4]
        expected = h @ (w[:, 0] + v[label]) + b
        np.testing.assert_allclose(np.asarray(network([images, rows]))[:, 0], expected, rtol=1e-3)
