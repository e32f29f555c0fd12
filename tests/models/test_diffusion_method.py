"""Training denoisers, of pixels and of latents: what is shown, what is asked, what moves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers, ops

import zoo
from tests.denoisers import untrained
from tests.steps import train_once, values
from zoo import registry
from zoo.diffusion import DiffusionGenerator
from zoo.errors import RecipeError, ZooError
from zoo.latents import to_pixels
from zoo.layers.moments import MOMENTS
from zoo.layers.normalization import normalize
from zoo.models.diffusion import ldm
from zoo.models.diffusion.diffusion import Diffusion, _weights
from zoo.models.diffusion.ldm import LatentDiffusion, LatentScale
from zoo.models.diffusion.predictions import PREDICTIONS, target
from zoo.models.diffusion.schedules import NoiseSchedule
from zoo.models.diffusion.time import DiffusionTime
from zoo.models.diffusion.unet import denoiser
from zoo.pipelines import make_pipeline
from zoo.runs import new_run
from zoo.training.checkpoint import save_checkpoint
from zoo.training.engine import assign_all
from zoo.training.publish import make_card

SHAPE = (8, 8, 1)
RNG = np.random.default_rng(0)
BATCH = {
    "image": RNG.integers(0, 256, (12, *SHAPE)).astype("uint8"),
    "label": np.arange(12) % 3,
}


def number(value: Any) -> np.ndarray:
    return np.asarray(ops.convert_to_numpy(value))


def prepared(batch: dict[str, Any]) -> dict[str, Any]:
    return {**batch, "image": ops.convert_to_tensor(batch["image"].astype("float32"))}


def game(network: keras.Model | None = None, rate: float = 0.01, **options: Any) -> Diffusion:
    keras.utils.set_random_seed(0)
    model = Diffusion(untrained() if network is None else network, **options)
    model.compile(keras.optimizers.SGD(rate))
    return model


def shown(
    model: Any, monkeypatch: pytest.MonkeyPatch, training: bool, batch: dict[str, Any] = BATCH
) -> dict[str, np.ndarray]:
    """What the denoiser is given in one computation of the losses."""
    seen: list[dict[str, np.ndarray]] = []
    call = model.denoiser.call

    def watched(inputs: dict[str, Any], *others: Any, **options: Any) -> Any:
        seen.append({name: number(value) for name, value in inputs.items()})
        return call(inputs, *others, **options)

    with monkeypatch.context() as patch:
        patch.setattr(model.denoiser, "call", watched)
        model.compute_losses(prepared(batch), ("denoiser",), training=training)
    assert len(seen) == 1
    return seen[0]


class Knowing(layers.Layer):
    """Answers as one who knows that every pixel of every image is x0."""

    def __init__(self, schedule: NoiseSchedule, prediction: str, x0: float) -> None:
        super().__init__()
        times = np.arange(schedule.steps)
        self.levels = np.stack([schedule.alpha(times), schedule.sigma(times)]).astype("float32")
        self.prediction, self.x0 = prediction, x0

    def call(self, x: Any, timestep: Any) -> Any:
        taken = ops.take(ops.convert_to_tensor(self.levels), ops.cast(timestep, "int32"), axis=1)
        alpha, sigma = (level[:, None, None, None] for level in (taken[0], taken[1]))
        x0 = ops.ones_like(x) * self.x0
        noise = (x - alpha * x0) / sigma
        return target(self.prediction, x0, noise, alpha, sigma)


def knowing(schedule: dict[str, Any], prediction: str, x0: float) -> keras.Model:
    sample, timestep = keras.Input(SHAPE, name="sample"), keras.Input((), name="timestep")
    idle = 0.0 * ops.sum(DiffusionTime(schedule, prediction, 2)(timestep), axis=-1)
    answer = Knowing(NoiseSchedule.from_config(schedule), prediction, x0)(sample, timestep + idle)
    return keras.Model({"sample": sample, "timestep": timestep}, answer, name="denoiser")


@pytest.mark.parametrize("loss_weight", ["simple", "min_snr"])
@pytest.mark.parametrize("prediction", PREDICTIONS)
@pytest.mark.parametrize("name", ["linear", "cosine"])
def test_who_knows_the_images_has_no_loss(name: str, prediction: str, loss_weight: str) -> None:
    batch = prepared({**BATCH, "image": np.full((64, *SHAPE), 51, "uint8")})
    for x0, least, most in ((51 / 127.5 - 1, 0.0, 1e-6), (0.5, 1e-3, np.inf)):
        model = Diffusion(knowing({"name": name}, prediction, x0), loss_weight=loss_weight)
        for training in (True, False):
            losses, logs = model.compute_losses(batch, ("denoiser",), training=training)
            assert least <= float(losses["denoiser"]) <= most
            assert logs == {}


def test_images_are_shown_with_as_much_noise_as_their_timestep_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    images = np.repeat(BATCH["image"], 50, axis=0)
    batch = {"image": images, "label": np.zeros(len(images), int)}
    model = game()
    for training in (True, False):
        seen = shown(model, monkeypatch, training, batch)
        schedule = model.noise_schedule
        alpha = schedule.alpha(seen["timestep"])[:, None, None, None]
        noise = (seen["sample"] - alpha * (images / 127.5 - 1)) / np.sqrt(1 - alpha**2)
        assert noise.mean() == pytest.approx(0, abs=0.03)
        assert noise.std() == pytest.approx(1, abs=0.03)
        # No example has the noise of another.
        assert abs(np.corrcoef(noise[0].ravel(), noise[1].ravel())[0, 1]) < 0.6


def test_timesteps_are_spread_over_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    model = game()
    parts = np.arange(12) * 1000 / 12
    drawn = []
    for step in range(3):
        model.step.assign(step)
        times = shown(model, monkeypatch, training=True)["timestep"]
        assert ((times >= np.floor(parts)) & (times <= parts + 1000 / 12)).all()
        assert (times == np.floor(times)).all() and times.max() <= 999
        drawn.append(times)
    assert not np.array_equal(drawn[0], drawn[1]) and not np.array_equal(drawn[1], drawn[2])


def test_evaluation_is_always_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    model = game()
    first = shown(model, monkeypatch, training=False)
    model.step.assign(70)
    again = shown(model, monkeypatch, training=False)
    for name, value in first.items():
        np.testing.assert_array_equal(value, again[name])
    np.testing.assert_array_equal(first["timestep"], np.floor((np.arange(12) + 0.5) * 1000 / 12))
    np.testing.assert_array_equal(first["label"], np.eye(3)[BATCH["label"]])


def test_labels_are_left_out_at_times(monkeypatch: pytest.MonkeyPatch) -> None:
    batch = {"image": np.zeros((2000, 8, 8, 1), "uint8"), "label": np.arange(2000) % 3}
    for rate in (0.0, 0.1, 0.5):
        model = game(label_dropout=rate)
        rows = shown(model, monkeypatch, training=True, batch=batch)["label"]
        dropped = rows.sum(axis=1) == 0
        assert dropped.mean() == pytest.approx(rate, abs=0.04)
        np.testing.assert_array_equal(rows[~dropped], np.eye(3)[batch["label"][~dropped]])
        rows = shown(model, monkeypatch, training=False, batch=batch)["label"]
        np.testing.assert_array_equal(rows, np.eye(3)[batch["label"]])


def test_a_network_without_classes_is_told_none(monkeypatch: pytest.MonkeyPatch) -> None:
    model = game(untrained(classes=0))
    assert model.classes == 0 and model.sample_columns is None
    unlabelled = {"image": BATCH["image"]}
    assert set(shown(model, monkeypatch, True, unlabelled)) == {"sample", "timestep"}
    assert model.sample(4).shape == (4, *SHAPE)


@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_min_snr_weighs_the_error_of_the_image(prediction: str) -> None:
    """min(snr, 5) |x0 - answer|^2, whatever is predicted."""
    times = np.arange(1000)
    schedule = NoiseSchedule()
    alpha, sigma = schedule.alpha(times), schedule.sigma(times)
    # By how much the image is off where the prediction is off by 1.
    error = {"epsilon": sigma / alpha, "v": sigma, "sample": np.ones(1000)}[prediction]
    expected = np.minimum((alpha / sigma) ** 2, 5.0) * error**2
    np.testing.assert_allclose(_weights("min_snr", prediction, alpha, sigma), expected, rtol=1e-6)
    np.testing.assert_array_equal(_weights("simple", prediction, alpha, sigma), 1)


def test_a_step_moves_the_whole_denoiser() -> None:
    model = game()
    before = values(model.player_variables("denoiser"))
    logs = train_once(model, BATCH)
    after = values(model.player_variables("denoiser"))
    assert np.isfinite(float(logs["loss"]))
    moved = [not np.array_equal(one, two) for one, two in zip(before, after, strict=True)]
    assert all(moved)


def test_samples_are_of_the_averaged_weights() -> None:
    plain = game()
    averaged = game(ema={"denoiser": 0.9})
    expected = plain.sample(6)
    assert expected.dtype == np.uint8 and expected.shape == (6, *SHAPE)
    raw = [RNG.normal(size=value.shape) * 0.1 for value in values(averaged.denoiser.weights)]
    for model in (plain, averaged):
        assign_all(model.denoiser.weights, raw)
    np.testing.assert_array_equal(averaged.sample(6), expected)
    assert not np.array_equal(plain.sample(6), expected)
    for value, kept in zip(values(averaged.denoiser.weights), raw, strict=True):
        np.testing.assert_allclose(value, kept, rtol=1e-6)


def test_many_samples_are_drawn_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    model = game()
    together = model.sample(7).astype(int)
    monkeypatch.setattr("zoo.models.diffusion.diffusion._AT_ONCE", 3)
    # Batches of another size may round a pixel otherwise, by one level.
    assert np.abs(model.sample(7).astype(int) - together).max() <= 1


def test_samples_of_one_who_knows_are_the_images() -> None:
    for prediction in PREDICTIONS:
        model = Diffusion(knowing({"name": "linear"}, prediction, -0.2))
        assert np.abs(model.sample(3).astype(int) - round(0.8 * 127.5)).max() <= 1


def test_drawn_images_follow_their_label() -> None:
    """Planted: images of class 0 are dark, of mean 40, those of class 1 bright, of mean 215."""
    keras.utils.set_random_seed(1)
    label = np.arange(512) % 2
    grey = np.where(label, 215, 40)[:, None, None, None]
    images = (grey + np.random.default_rng(0).normal(0, 10, (512, *SHAPE))).astype("uint8")
    network = denoiser(SHAPE, classes=2, width=8)
    model = Diffusion(network, ema={"denoiser": 0.95})
    model.compile(keras.optimizers.Adam(3e-3))
    feed = model.training_feed({"image": images, "label": label}, 32, 1, 0, 16)
    history = model.fit(feed, epochs=16, steps_per_epoch=16, shuffle=False, verbose=0).history
    assert history["loss"][-1] < 0.7 * history["loss"][0]
    means = model.sample(16).mean((1, 2, 3))
    assert model.sample_columns == 2
    assert means[0::2].mean() + 40 < means[1::2].mean()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"loss_weight": "snr"}, "loss_weight must be simple or min_snr, got snr"),
        ({"label_dropout": 1.0}, r"label_dropout must be in \[0, 1\), got 1.0"),
        ({"sampling": {"sampelr": "ddim"}}, "got 'sampelr'; did you mean sampler"),
        ({"sampling": {"strength": 0.5}}, "num_inference_steps, guidance_scale, got 'strength'"),
        ({"sampling": {"sampler": "dmim"}}, "unknown sampler 'dmim'; did you mean ddim"),
        ({"sampling": {"num_inference_steps": 1001}}, "1 to 1000, .* got 1001"),
        ({"sampling": {"guidance_scale": -1}}, "guidance_scale must be a number from 0 on, got -1"),
    ],
)
def test_options_that_cannot_be_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises((ValueError, ZooError), match=words):
        game(**options)


def test_guidance_that_a_card_would_keep_needs_classes() -> None:
    with pytest.raises(ValueError, match="guidance_scale needs a denoiser with classes"):
        game(untrained(classes=0), sampling={"guidance_scale": 2.0})


def test_a_recipe_says_how_its_model_draws(sample_home: Path) -> None:
    """As one that was distilled would, of which one step is enough."""
    sampling = {"sampler": "ddim", "num_inference_steps": 1, "guidance_scale": 1.0}
    recipe = registry.recipes().get("ddpm.fashion_mnist")
    for asked, told in (
        (sampling, "ddim, 1 steps, guidance 1"),
        ({"num_inference_steps": 4}, "dpm_solver++, 4 steps, guidance 1.5"),
        ({}, "dpm_solver++, 20 steps, guidance 1.5"),
    ):
        method = {"method": {"name": "diffusion", "sampling": asked}} if asked else {}
        run = new_run(recipe.override(method))
        run.model = game(sampling=asked)
        save_checkpoint(run.folder / "checkpoint.npz", run.model, {})
        networks = run.model.published_networks()
        generator = make_pipeline(make_card(run, networks), networks)
        assert isinstance(generator, DiffusionGenerator) and generator.drawn_by == told


def test_no_weight_for_the_last_timestep_is_refused() -> None:
    schedule = {"name": "linear", "zero_terminal_snr": True}
    with pytest.raises(ValueError, match="min_snr gives the last timestep"):
        game(untrained(schedule=schedule), loss_weight="min_snr")


# Latents.


def autoencoder() -> dict[str, keras.Model]:
    """Moments of 4x4x2 latents for images of 8x8 pixels, and back."""
    keras.utils.set_random_seed(3)
    images = keras.Input(SHAPE, name="images")
    moments = layers.Conv2D(4, 3, strides=2, padding="same", name=MOMENTS)(normalize(images))
    latents = keras.Input((4, 4, 2), name="latents")
    x = layers.Conv2DTranspose(1, 4, strides=2, padding="same", activation="tanh")(latents)
    return {
        "encoder": keras.Model(images, moments, name="encoder"),
        "decoder": keras.Model(latents, x, name="decoder"),
    }


def latent_game(**options: Any) -> tuple[LatentDiffusion, dict[str, keras.Model]]:
    parent = autoencoder()
    parents = {"autoencoder": parent}
    networks = {
        "denoiser": ldm.denoiser(parents, classes=3, width=8, heads=2),
        "encoder": ldm.encoder(parents),
        "decoder": ldm.decoder(parents),
    }
    model = LatentDiffusion(**networks, **options)
    model.compile(keras.optimizers.SGD(0.01))
    return model, parent


def test_latents_have_deviation_1_and_decoding_undoes_it() -> None:
    model, parent = latent_game()
    images = BATCH["image"].astype("float32")
    means = number(parent["encoder"](images))[..., :2]
    np.testing.assert_allclose(number(model.encoder(images)), means, rtol=1e-5, atol=1e-6)
    model.begin(BATCH)
    latents = number(model.encoder(images))
    np.testing.assert_allclose(latents, means / means.std(), rtol=1e-4, atol=1e-5)
    expected = number(parent["decoder"](means))
    np.testing.assert_allclose(number(model.decoder(latents)), expected, atol=1e-5)
    # It is the same when it is begun again, not a scale of what is scaled.
    model.begin(BATCH)
    np.testing.assert_allclose(number(model.encoder(images)), latents, rtol=1e-5, atol=1e-6)


def test_the_scale_is_of_images_from_all_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ldm, "_MEASURED", 4)
    model, parent = latent_game()
    model.begin(BATCH)
    means = number(parent["encoder"](BATCH["image"][::3].astype("float32")))[..., :2]
    scale = next(one for one in model.encoder.layers if isinstance(one, LatentScale))
    assert float(number(scale.deviation)) == pytest.approx(float(means.std()), rel=1e-4)


def test_encoder_and_decoder_do_not_move() -> None:
    model, parent = latent_game(ema={"denoiser": 0.9})
    model.begin(BATCH)
    fixed = [model.encoder, model.decoder, parent["encoder"], parent["decoder"]]
    before = [values(network.weights) for network in fixed]
    denoising = values(model.denoiser.weights)
    for _ in range(2):
        train_once(model, BATCH)
    for network, known in zip(fixed, before, strict=True):
        assert network.trainable_variables == []
        for one, other in zip(values(network.weights), known, strict=True):
            np.testing.assert_array_equal(one, other)
    assert not np.array_equal(values(model.denoiser.weights)[0], denoising[0])


def test_the_denoiser_sees_noisy_latents(monkeypatch: pytest.MonkeyPatch) -> None:
    model, _ = latent_game()
    model.begin(BATCH)
    seen = shown(model, monkeypatch, training=False)
    assert seen["sample"].shape == (12, 4, 4, 2) and seen["label"].shape == (12, 3)
    alpha = model.noise_schedule.alpha(seen["timestep"])[:, None, None, None]
    latents = number(model.encoder(BATCH["image"].astype("float32")))
    noise = (seen["sample"] - alpha * latents) / np.sqrt(1 - alpha**2)
    assert noise.std() == pytest.approx(1, abs=0.15)
    assert not model.clip and Diffusion.clip


def test_what_is_published_decodes_as_it_was_trained(tmp_path: Path) -> None:
    model, _ = latent_game(ema={"denoiser": 0.9})
    model.begin(BATCH)
    networks = model.published_networks()
    assert list(networks) == ["denoiser", "encoder", "decoder"]
    images = BATCH["image"].astype("float32")
    latents = number(model.encoder(images))
    for name, inputs in (("encoder", images), ("decoder", latents)):
        expected = number(getattr(model, name)(inputs))
        np.testing.assert_array_equal(number(networks[name](inputs)), expected)
        networks[name].save(tmp_path / f"{name}.keras")
        loaded = keras.saving.load_model(tmp_path / f"{name}.keras")
        np.testing.assert_array_equal(number(loaded(inputs)), expected)
    drawn = model.sample(6)
    assert drawn.shape == (6, *SHAPE) and drawn.dtype == np.uint8
    np.testing.assert_array_equal(drawn, model.sample(6))


def test_samples_pass_through_the_decoder(monkeypatch: pytest.MonkeyPatch) -> None:
    model, _ = latent_game()
    model.begin(BATCH)
    decoded: list[np.ndarray] = []
    decode = LatentDiffusion.decoded

    def watched(self: LatentDiffusion, samples: np.ndarray) -> np.ndarray:
        decoded.append(decode(self, samples))
        return decoded[-1]

    monkeypatch.setattr(LatentDiffusion, "decoded", watched)
    drawn = model.sample(3)
    np.testing.assert_array_equal(drawn, to_pixels(decoded[0]))


def test_the_whole_game_saves_and_reloads(tmp_path: Path) -> None:
    model, _ = latent_game(label_dropout=0.2)
    model.begin(BATCH)
    model.save(tmp_path / "game.keras")
    loaded = keras.saving.load_model(tmp_path / "game.keras")
    assert loaded.label_dropout == 0.2 and loaded.network_names == model.network_names
    for one, other in zip(values(loaded.weights), values(model.weights), strict=True):
        np.testing.assert_array_equal(one, other)


def test_latents_need_an_autoencoder_of_maps() -> None:
    with pytest.raises(RecipeError, match="ldm: latent diffusion needs a stored autoencoder"):
        zoo.create("ldm")
    with pytest.raises(ValueError, match=r"is for images of shape \(8, 8, 1\), these have \(28"):
        ldm.encoder({"autoencoder": autoencoder()}, (28, 28, 1))
    flat = autoencoder()
    code = layers.Flatten()(flat["encoder"].output)
    flat["encoder"] = keras.Model(flat["encoder"].input, layers.Dense(3, name="code")(code))
    with pytest.raises(ValueError, match="must be maps"):
        ldm.encoder({"autoencoder": flat})
