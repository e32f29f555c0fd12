"""Autoencoders and their training: shapes, sums, bounds against a likelihood in closed form."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import ops
from scipy import stats

from zoo.errors import RecipeError
from zoo.layers.moments import LatentMean, split_moments
from zoo.models.autoencoder import convolutional, dense, kl
from zoo.models.autoencoder.autoencoder import Autoencoder
from zoo.models.autoencoder.vae import VAE
from zoo.networks import features_of, latent_mean
from zoo.training.build import build_method

SHAPE = (8, 8, 1)
PIXELS = 64
RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (12, *SHAPE)).astype("uint8")
SMALL: dict[str, Any] = {"input_shape": SHAPE, "latent_dim": 3}
PLAYERS = ("autoencoder",)
on_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="steps run eagerly there"
)


def number(value: Any) -> np.ndarray:
    return np.asarray(ops.convert_to_numpy(value))


def losses(model: Any, images: np.ndarray = IMAGES, training: bool = False) -> dict[str, float]:
    """The loss and what is logged of a batch, without a step."""
    batch = {"image": ops.convert_to_tensor(images.astype("float32"))}
    found, logs = model.compute_losses(batch, PLAYERS, training=training)
    return {"loss": float(found["autoencoder"]), **{k: float(v) for k, v in logs.items()}}


def vae(likelihood: str = "bernoulli", **options: Any) -> VAE:
    keras.utils.set_random_seed(0)
    return VAE(
        dense.variational_encoder(**SMALL, units=(16,)),
        dense.decoder(**SMALL, units=(16,), likelihood=likelihood),
        **options,
    )


def without_weights(network: keras.Model, layer: str, bias: Any = 0.0) -> None:
    """Has a network answer the bias of its last layer with weights, whatever it is shown."""
    for weight in network.weights:
        weight.assign(ops.zeros_like(weight))
    last = network.get_layer(layer)
    last.bias.assign(ops.broadcast_to(ops.convert_to_tensor(bias, "float32"), last.bias.shape))


def last_dense(network: keras.Model) -> str:
    return [one.name for one in network.layers if isinstance(one, keras.layers.Dense)][-1]


def planted(bias: Any = (1.0, 0.5, -2.0, 0.3, -1.0, 0.0), **options: Any) -> VAE:
    """Its posterior is the same Gaussian for every image, its logits are 0."""
    model = vae(**options)
    without_weights(model.encoder, "moments", bias)
    without_weights(model.decoder, last_dense(model.decoder))
    return model


KL = 0.5 * (1 + 0.25 + 4 + np.exp(0.3) + np.exp(-1) + 1 - 0.3 + 1 - 0 - 3)


@pytest.mark.parametrize("builders", [dense, convolutional])
@pytest.mark.parametrize("shape", [(28, 28, 1), (32, 32, 3)])
def test_a_vector_goes_between_encoder_and_decoder(builders: Any, shape: tuple[int, ...]) -> None:
    sizes = {"units": (8,)} if builders is dense else {"units": 8, "width": 4}
    encoder = builders.encoder(shape, latent_dim=5, **sizes)
    assert encoder.get_layer("code").output.shape == encoder.output.shape == (None, 5)
    moments = builders.variational_encoder(shape, latent_dim=5, **sizes)
    assert moments.get_layer("moments").output.shape == moments.output.shape == (None, 10)
    decoder = builders.decoder(shape, latent_dim=5, **sizes)
    assert decoder.input_shape == (None, 5) and decoder.output_shape == (None, *shape)
    images = number(decoder(RNG.normal(size=(2, 5)).astype("float32") * 100))
    assert np.abs(images).max() <= 1


@pytest.mark.parametrize(("times", "side"), [(1, 14), (2, 7)])
def test_the_code_of_latent_diffusion_is_a_small_map(times: int, side: int) -> None:
    options: dict[str, Any] = {"channels": 4, "width": 16, "downsamplings": times}
    encoder, decoder = kl.encoder(**options), kl.decoder(**options)
    assert encoder.output_shape == (None, side, side, 8)
    assert latent_mean(encoder).output_shape == decoder.input_shape == (None, side, side, 4)
    assert decoder.output_shape == (None, 28, 28, 1)


def test_dense_decoders_are_encoders_turned_round() -> None:
    sizes = [
        [one.units for one in network.layers if isinstance(one, keras.layers.Dense)]
        for network in (
            dense.encoder(SHAPE, 3, units=(32, 16)),
            dense.decoder(SHAPE, 3, units=(32, 16)),
        )
    ]
    assert sizes == [[32, 16, 3], [16, 32, 64]]


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: dense.decoder(SHAPE, likelihood="cauchy"), "gaussian or bernoulli, got 'cauchy'"),
        (lambda: convolutional.encoder((30, 30, 1)), "need sides that halve down to 4 to 8 pixels"),
        (lambda: kl.encoder((30, 28, 1)), "multiples of 4, got 30x28"),
        (lambda: kl.decoder(width=24), "width must be a multiple of 16, got 24"),
        (lambda: kl.decoder(downsamplings=0), "downsamplings must be at least 1"),
    ],
)
def test_what_cannot_be_built_is_refused(build: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        build()


def test_logits_and_images_say_the_same() -> None:
    """Pixels are 2 s(l) - 1, so that the share of white is the probability of the logits."""
    decoder = dense.decoder(SHAPE, 3, likelihood="bernoulli")
    latents = RNG.normal(size=(4, 3)).astype("float32") * 3
    logits = number(features_of(decoder, "logits")(latents)).astype(np.float64)
    shares = (number(decoder(latents)) + 1) / 2
    np.testing.assert_allclose(shares, 1 / (1 + np.exp(-logits)), atol=1e-6)
    plain = dense.decoder(SHAPE, 3, likelihood="gaussian")
    assert "logits" not in [layer.name for layer in plain.layers]


def test_moments_are_split_and_variances_kept_in_range() -> None:
    moments = np.array([[1.0, -2.0, 99.0, -99.0], [0.0, 3.0, 0.5, -0.5]], np.float32)
    mean, log_variance = (number(part) for part in split_moments(moments))
    np.testing.assert_array_equal(mean, moments[:, :2])
    np.testing.assert_allclose(log_variance, np.array([[20, -30], [0.5, -0.5]]))
    np.testing.assert_array_equal(number(LatentMean()(moments)), mean)


def test_one_code_of_an_image_is_its_mean() -> None:
    encoder = convolutional.variational_encoder(latent_dim=3, width=4, units=8)
    images = RNG.integers(0, 256, (5, 28, 28, 1)).astype("float32")
    means = latent_mean(encoder)
    np.testing.assert_allclose(
        number(means(images)), number(encoder(images))[:, :3], rtol=1e-6, atol=1e-6
    )
    assert keras.models.clone_model(means).output_shape == (None, 3)
    plain = convolutional.encoder(latent_dim=3, width=4, units=8)
    assert latent_mean(plain) is plain


def test_pixels_and_latents_are_summed_and_only_images_averaged() -> None:
    """Logits of 0 cost log 2 a pixel; the divergence is that of the planted moments."""
    found = losses(planted())
    assert found["reconstruction_loss"] == pytest.approx(PIXELS * np.log(2), rel=1e-5)
    assert found["kl"] == pytest.approx(KL, rel=1e-5)
    assert found["loss"] == pytest.approx(PIXELS * np.log(2) + KL, rel=1e-5)
    # However many images there are.
    assert losses(planted(), IMAGES[:5])["loss"] == pytest.approx(found["loss"], rel=1e-5)


def test_a_gaussian_of_given_deviation_is_its_density() -> None:
    model = planted(likelihood="gaussian", deviation=0.5)
    pixels = IMAGES / 127.5 - 1
    expected = -stats.norm.logpdf(pixels, 0.0, 0.5).sum(axis=(1, 2, 3)).mean()
    assert losses(model)["reconstruction_loss"] == pytest.approx(expected, rel=1e-5)


def test_the_optimal_deviation_is_the_best_of_all() -> None:
    pixels = IMAGES / 127.5 - 1
    best = np.sqrt(np.mean(pixels**2))
    found = losses(planted(likelihood="gaussian"))["reconstruction_loss"]
    expected = PIXELS * (np.log(best) + np.log(2 * np.pi) / 2 + 0.5)
    assert found == pytest.approx(expected, rel=1e-5)
    for factor in (0.8, 1.25):
        other = planted(likelihood="gaussian", deviation=float(factor * best))
        assert losses(other)["reconstruction_loss"] > found


def test_beta_weighs_the_divergence_alone() -> None:
    found = losses(planted(beta=4.0))
    assert found["loss"] == pytest.approx(PIXELS * np.log(2) + 4 * KL, rel=1e-5)
    assert found["kl"] == pytest.approx(KL, rel=1e-5)


@pytest.mark.parametrize(("step", "share"), [(0, 0.0), (2, 0.4), (5, 1.0), (9, 1.0)])
def test_the_divergence_grows_while_it_warms_up(step: int, share: float) -> None:
    model = planted(beta=2.0, kl_warmup=0.5)
    model.total_steps = 10
    model.step.assign(step)
    expected = PIXELS * np.log(2) + share * 2 * KL
    assert losses(model, training=True)["loss"] == pytest.approx(expected, rel=1e-5)
    assert losses(model)["loss"] == pytest.approx(PIXELS * np.log(2) + 2 * KL, rel=1e-5)


def seen_by(model: Any, training: bool = True, images: np.ndarray = IMAGES) -> np.ndarray:
    """What the encoder is shown in one pass."""
    seen: list[np.ndarray] = []
    look = model.encoder.call

    def watched(inputs: Any, *args: Any, **kwargs: Any) -> Any:
        seen.append(number(inputs))
        return look(inputs, *args, **kwargs)

    model.encoder.call = watched
    losses(model, images, training)
    model.encoder.call = look
    return seen[0]


@on_tensorflow
def test_digits_are_binarised_afresh_in_each_step() -> None:
    grey = np.full((200, *SHAPE), 64, np.uint8)
    model = vae(binarise=True)
    first = seen_by(model, images=grey)
    assert set(np.unique(first)) == {0.0, 255.0}
    # 12,800 pixels: the deviation of the share is 0.004.
    assert np.mean(first) / 255 == pytest.approx(64 / 255, abs=0.016)
    np.testing.assert_array_equal(seen_by(model, images=grey), first)
    model.step.assign(1)
    assert np.mean(seen_by(model, images=grey) != first) > 0.2
    ends = np.stack([np.zeros(SHAPE), np.full(SHAPE, 255)]).astype("uint8")
    np.testing.assert_array_equal(seen_by(model, images=ends), ends)


@pytest.mark.parametrize("options", [{}, {"binarise": True}, {"samples": 3}])
def test_evaluation_is_always_the_same_and_training_is_not(options: dict[str, Any]) -> None:
    model = vae(**options)
    first, trained = losses(model), losses(model, training=True)
    model.step.assign(70)
    assert losses(model) == first
    assert losses(model, training=True)["loss"] != trained["loss"]


def test_the_weighted_bound_is_tighter_and_of_one_latent_the_same() -> None:
    images = np.repeat(IMAGES, 60, axis=0)
    model, tight = vae(), vae(samples=20)
    assert losses(tight, images)["loss"] < losses(model, images)["loss"] - 0.01
    assert losses(tight, images)["kl"] == pytest.approx(losses(model, images)["kl"], rel=1e-5)
    # Nothing is left to weigh where the posterior is the prior and the decoder is blind.
    for samples in (1, 5):
        blind = planted(bias=0.0, samples=samples)
        assert losses(blind)["loss"] == pytest.approx(PIXELS * np.log(2), rel=1e-5)


# A linear Gaussian model of four pixels and two latents, whose likelihood is a Gaussian's.
COLUMNS = np.array([[0.6, 0.0], [0.0, 0.9], [0.8, 0.0], [0.0, -0.5]])
OFFSET = np.array([0.1, -0.2, 0.0, 0.3])
NOISE = 0.4


def linear(offset_of_mean: float = 0.0, factor_of_deviation: float = 1.0, **options: Any) -> VAE:
    """Its decoder is the model, its encoder the true posterior or, if asked for, beside it.

    The columns are orthogonal, so that the posterior of each latent is independent of the other.
    """
    precision = 1 + (COLUMNS**2).sum(axis=0) / NOISE**2
    read = COLUMNS / NOISE**2 / precision
    images = keras.Input((2, 2, 1))
    x = keras.layers.Flatten()(keras.layers.Rescaling(1 / 127.5, -1.0)(images))
    encoder = keras.Model(images, keras.layers.Dense(4, name="moments")(x))
    log_variance = np.log(factor_of_deviation**2 / precision)
    encoder.layers[-1].set_weights(
        [
            np.concatenate([read, np.zeros((4, 2))], axis=1),
            np.concatenate([-OFFSET @ read + offset_of_mean, log_variance]),
        ]
    )
    latents = keras.Input((2,))
    x = keras.layers.Dense(4, name="means")(latents)
    decoder = keras.Model(latents, keras.layers.Reshape((2, 2, 1), name="images")(x))
    decoder.get_layer("means").set_weights([COLUMNS.T, OFFSET])
    return VAE(encoder, decoder, deviation=NOISE, **options)


def exact(images: np.ndarray) -> float:
    """The mean log-likelihood of the linear model."""
    pixels = images.reshape(-1, 4) / 127.5 - 1
    covariance = COLUMNS @ COLUMNS.T + NOISE**2 * np.eye(4)
    return float(stats.multivariate_normal(OFFSET, covariance).logpdf(pixels).mean())


LINEAR_IMAGES = RNG.integers(0, 256, (16, 2, 2, 1)).astype("uint8")


def test_with_the_true_posterior_the_bound_is_the_likelihood() -> None:
    for samples in (2, 5):
        found = losses(linear(samples=samples), LINEAR_IMAGES)["loss"]
        assert found == pytest.approx(-exact(LINEAR_IMAGES), rel=1e-4)
    # With one latent the divergence is exact and the rest drawn: of 32,000 draws.
    many = np.repeat(LINEAR_IMAGES, 2000, axis=0)
    assert losses(linear(), many)["loss"] == pytest.approx(-exact(LINEAR_IMAGES), abs=0.05)


@pytest.mark.parametrize("wrong", [{"offset_of_mean": 0.4}, {"factor_of_deviation": 1.6}])
def test_with_another_posterior_it_is_a_bound_that_more_latents_tighten(wrong: Any) -> None:
    many = np.repeat(LINEAR_IMAGES, 500, axis=0)
    found = [losses(linear(**wrong, samples=k), many)["loss"] for k in (1, 5, 50)]
    assert found[0] > found[1] > found[2] > -exact(LINEAR_IMAGES) - 0.02
    assert found[2] == pytest.approx(-exact(LINEAR_IMAGES), abs=0.3)


def plain(**options: Any) -> Autoencoder:
    keras.utils.set_random_seed(0)
    likelihood = options.pop("likelihood", "gaussian")
    return Autoencoder(
        dense.encoder(**SMALL, units=(16,)),
        dense.decoder(**SMALL, units=(16,), likelihood=likelihood),
        **options,
    )


def test_squares_are_summed_over_pixels_of_one_unit() -> None:
    """Grey 0.5 is given for every pixel."""
    model = plain()
    without_weights(model.decoder, last_dense(model.decoder))
    squares = np.square(IMAGES / 255 - 0.5)
    found = losses(model)
    assert found["loss"] == pytest.approx(squares.sum(axis=(1, 2, 3)).mean(), rel=1e-5)
    assert found["mse"] == pytest.approx(squares.mean(), rel=1e-5)
    model = plain(likelihood="bernoulli")
    without_weights(model.decoder, last_dense(model.decoder))
    found = losses(model)
    assert found["loss"] == pytest.approx(PIXELS * np.log(2), rel=1e-5)
    assert found["mse"] == pytest.approx(squares.mean(), rel=1e-5)


def test_a_sparse_code_costs_its_absolute_sum() -> None:
    free, sparse = plain(), plain(sparsity=0.25)
    for model in (free, sparse):
        without_weights(model.encoder, "code", [2.0, -1.0, 0.5])
    assert losses(sparse)["loss"] - losses(free)["loss"] == pytest.approx(0.25 * 3.5, rel=1e-3)


@on_tensorflow
def test_noise_is_added_to_what_is_seen_in_training_alone() -> None:
    model = plain(noise=0.1)
    grey = np.full((50, *SHAPE), 128, np.uint8)
    seen = seen_by(model, images=grey)
    assert np.std(seen - 128) == pytest.approx(25.5, rel=0.05)
    assert seen_by(model).min() >= 0 and seen_by(model).max() <= 255
    np.testing.assert_array_equal(seen_by(model, training=False), IMAGES)
    # What is to come out is the clean image: a blind decoder costs the same.
    without_weights(model.decoder, last_dense(model.decoder))
    assert losses(model, training=True)["loss"] == pytest.approx(losses(model)["loss"])


@pytest.mark.parametrize(
    ("method", "networks", "options", "words"),
    [
        ("vae", "bernoulli", {"beta": -1.0}, "beta must be 0 or more"),
        ("vae", "bernoulli", {"kl_warmup": 1.5}, "a share of the run, 0 to 1, got 1.5"),
        ("vae", "bernoulli", {"samples": 0}, "samples must be at least 1"),
        ("vae", "bernoulli", {"deviation": 0.1}, "deviation is for a Gaussian likelihood"),
        ("vae", "gaussian", {"deviation": "best"}, "above 0 or 'optimal', got 'best'"),
        ("vae", "gaussian", {"deviation": 0.0}, "above 0 or 'optimal', got 0.0"),
        ("vae", "gaussian", {"binarise": True}, "set network.likelihood=bernoulli"),
        ("vae", "plain", {}, "ends in a layer moments for the method vae"),
        ("autoencoder", "gaussian", {}, "ends in a layer code for the method autoencoder"),
        ("autoencoder", "plain", {"noise": -0.1}, "noise must be 0 or more"),
        ("autoencoder", "plain", {"sparsity": -0.1}, "sparsity must be 0 or more"),
        ("autoencoder", "apart", {}, r"codes of shape \(3,\), the decoder takes \(4,\)"),
    ],
)
def test_bad_options_are_one_line(
    method: str, networks: str, options: dict[str, Any], words: str
) -> None:
    variational = networks in ("bernoulli", "gaussian")
    encoder = (dense.variational_encoder if variational else dense.encoder)(**SMALL, units=())
    decoder = dense.decoder(
        SHAPE,
        latent_dim=4 if networks == "apart" else 3,
        units=(),
        likelihood="bernoulli" if networks == "bernoulli" else "gaussian",
    )
    config = {"name": method, **options}
    with pytest.raises(RecipeError, match=words) as refused:
        build_method(config, {"encoder": encoder, "decoder": decoder})
    assert "\n" not in str(refused.value)


def fitted(model: Any, steps: int, images: np.ndarray = IMAGES) -> list[float]:
    """Takes so many steps on all images and returns the losses."""
    model.compile(keras.optimizers.Adam(0.01))
    model.watch({"image": images})
    feed = model.training_feed({"image": images}, len(images), 0, 0, steps)
    done = model.fit(feed, steps_per_epoch=1, epochs=steps, shuffle=False, verbose=0)
    return done.history["loss"]


@pytest.mark.parametrize("make", [plain, vae])
def test_it_learns(make: Any) -> None:
    """The images are dark, and what an untrained network gives is grey."""
    history = fitted(make(), 60, IMAGES // 4)
    assert history[-1] < 0.9 * history[0]


def test_pictures_of_a_run_are_draws_or_reconstructions() -> None:
    model = vae()
    fitted(model, 1)
    drawn = model.sample(6)
    assert drawn.shape == (6, *SHAPE) and model.sample_columns is None
    np.testing.assert_array_equal(drawn, model.sample(6))
    model = plain()
    fitted(model, 1)
    rows = model.sample(32)
    assert rows.shape == (32, *SHAPE) and model.sample_columns == 8
    np.testing.assert_array_equal(rows[:8], IMAGES[:8])
    np.testing.assert_array_equal(rows[16:20], IMAGES[8:12])
    assert not np.array_equal(rows[8:16], IMAGES[:8])
