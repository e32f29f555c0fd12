"""Networks against the figures and rules of their papers."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import zoo
from zoo.layers.shortcut import PadShortcut
from zoo.models.gan.dcgan import discriminator, generator
from zoo.models.gan.gan import GAN


@pytest.mark.parametrize("depth", [20, 32, 44, 56, 110])
def test_depth_counts_convolutions_and_the_classifier(depth: int) -> None:
    network = zoo.create(f"resnet{depth}", (32, 32, 3), 10)
    kinds = keras.layers.Conv2D | keras.layers.Dense
    assert sum(isinstance(layer, kinds) for layer in network.layers) == depth
    assert network.get_layer("stage3").output.shape == (None, 8, 8, 64)


def test_the_shortcut_takes_every_second_pixel_and_pads_channels() -> None:
    images = np.arange(2 * 5 * 4 * 3, dtype="float32").reshape(2, 5, 4, 3)
    layer = PadShortcut(filters=8, strides=2)
    output = np.asarray(layer(images))
    assert output.shape == (2, 3, 2, 8) == layer.compute_output_shape(images.shape)
    np.testing.assert_array_equal(output[..., 2:5], images[:, ::2, ::2])
    assert not output[..., :2].any() and not output[..., 5:].any()


def test_normalisation_is_inside_the_network() -> None:
    network = zoo.create("mlp", (4, 4, 1), 2, units=[], mean=[100.0], std=[50.0])
    images = np.full((1, 4, 4, 1), 150.0, "float32")
    bare = keras.Model(network.input, network.get_layer("normalize").output)
    np.testing.assert_allclose(np.asarray(bare(images)), 1.0, rtol=1e-6)


@pytest.mark.parametrize("side", [28, 32, 64])
def test_dcgan_follows_the_guidelines(side: int) -> None:
    """Radford et al., section 3: what the networks may and may not hold."""
    g, d = generator((side, side, 1)), discriminator((side, side, 1))
    assert g.output_shape == (None, side, side, 1)
    pooling = keras.layers.MaxPooling2D | keras.layers.AveragePooling2D
    assert not any(isinstance(layer, pooling) for layer in g.layers + d.layers)
    up = [layer for layer in g.layers if isinstance(layer, keras.layers.Conv2DTranspose)]
    down = [layer for layer in d.layers if isinstance(layer, keras.layers.Conv2D)]
    assert all(layer.strides == (2, 2) for layer in up + down)
    norm = keras.layers.BatchNormalization
    # Batch norm after every weight layer but G's output and D's input (and D's logit).
    assert sum(isinstance(layer, norm) for layer in g.layers) == len(up)
    assert sum(isinstance(layer, norm) for layer in d.layers) == len(down) - 1
    assert not isinstance(d.layers[d.layers.index(down[0]) + 1], norm)
    assert g.layers[-1].activation is keras.activations.tanh
    assert any(isinstance(layer, keras.layers.ReLU) for layer in g.layers)
    slopes = [
        layer.negative_slope for layer in d.layers if isinstance(layer, keras.layers.LeakyReLU)
    ]
    assert slopes == [0.2] * len(down)
    assert [type(layer) for layer in d.layers if isinstance(layer, keras.layers.Dense)] == [
        keras.layers.Dense
    ]


def test_images_start_between_minus_one_and_one() -> None:
    latents = np.random.default_rng(0).normal(size=(4, 100)).astype("float32")
    images = np.asarray(generator()(latents))
    assert images.min() >= -1 and images.max() <= 1
    assert images.std() > 0


def test_real_and_generated_images_have_their_own_batch_statistics() -> None:
    """D sees two batches. One of both together would hide that their statistics differ."""
    game = GAN(generator(), discriminator())
    seen: list[tuple[int, float]] = []
    original = game.discriminator.call

    def spy(inputs, *args, **kwargs):  # type: ignore[no-untyped-def]
        seen.append((inputs.shape[0], float(np.std(np.asarray(inputs)))))
        return original(inputs, *args, **kwargs)

    game.discriminator.call = spy
    batch = {"image": np.full((8, 28, 28, 1), 255.0, "float32")}
    game.compute_losses(batch, ("discriminator",))
    assert [count for count, _ in seen] == [8, 8]
    generated, real = (deviation for _, deviation in seen)
    assert real == 0.0 and generated > 0.0


def test_the_discriminators_loss_does_not_reach_the_generator() -> None:
    import tensorflow as tf

    game = GAN(generator(), discriminator())
    batch = {"image": np.zeros((4, 28, 28, 1), "float32")}
    with tf.GradientTape() as tape:
        losses, _ = game.compute_losses(batch, ("discriminator",))
    grads = tape.gradient(
        losses["discriminator"], [v.value for v in game.generator.trainable_variables]
    )
    assert all(grad is None for grad in grads)


def test_samples_come_from_the_averaged_generator() -> None:
    game = GAN(generator(), discriminator(), ema={"generator": 0.999})
    game.compile({p: keras.optimizers.Adam(1e-2) for p in game.players})
    averaged = game.sample(4)
    for weight in game.generator.trainable_variables:
        weight.assign(weight * 0)
    np.testing.assert_array_equal(game.sample(4), averaged)


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("resnet20", {"widht": 8}, "did you mean width"),
        ("mlp", {"normalization": "btach"}, "normalization must be"),
        ("dcgan", {"input_shape": (30, 30, 1)}, "halve at least twice"),
        ("dcgan", {"generator": {"latent": 3}}, "did you mean latent_dim"),
    ],
)
def test_wrong_options_say_what_is_wrong(name: str, options: dict, words: str) -> None:
    with pytest.raises(zoo.ZooError, match=words):
        zoo.create(name, **options)


def test_an_option_may_go_to_one_network_alone() -> None:
    game = zoo.create("dcgan", latent_dim=8, discriminator={"width": 16})
    assert game.generator.input_shape == (None, 8)
    assert game.discriminator.layers[1].filters == 16
    assert game.generator.layers[-2].filters == 1
