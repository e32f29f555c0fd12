"""What is measured of autoencoders: planted ones have known numbers."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import pytest
from scipy.special import logsumexp

from zoo import data, evaluation, registry
from zoo.autoencoding import VariationalAutoencoder
from zoo.cards import Card, Metric
from zoo.errors import RecipeError
from zoo.evaluation import generation, reconstruction, variational
from zoo.evaluation.common import require_judges
from zoo.evaluation.variational import binarised
from zoo.images import image_grid, paired_grid
from zoo.models.autoencoder import dense
from zoo.pipelines import make_pipeline, pipeline_of
from zoo.recipe import DataSpec, Recipe
from zoo.report import format_value, models_table, scatter_png

Sample = Callable[[str, str], dict[str, np.ndarray]]
SHAPE, PIXELS = (28, 28, 1), 784
READ = ("code_accuracy", "code_neighbour_accuracy", "pixel_accuracy", "pixel_neighbour_accuracy")
pytestmark = pytest.mark.usefixtures("sample_home")


def made(task: str, networks: dict[str, keras.Model], name: str = "mnist") -> Any:
    architecture = {"reconstruction": "autoencoder", "generation": "vae"}[task]
    recipe = Recipe(f"{architecture}.{name}", architecture, DataSpec(name))
    inputs, output = pipeline_of(task, networks).describe(networks, ())
    card = Card(
        name=recipe.name,
        task=task,
        family="autoencoder",
        paper="none",
        recipe=recipe.to_dict(),
        data={"name": name},
        metrics=(),
        input=inputs,
        output=output,
        networks={},
        parameters={},
        training={},
        licence="none",
        versions={},
    )
    return make_pipeline(card, networks)


def exact() -> dict[str, keras.Model]:
    """Codes are the pixels."""
    images = keras.Input(SHAPE, name="images")
    x = keras.layers.Flatten()(keras.layers.Rescaling(1 / 127.5, -1.0)(images))
    codes = keras.layers.Identity(name="code")(x)
    latents = keras.Input((PIXELS,), name="latents")
    drawn = keras.layers.Reshape(SHAPE, name="images")(latents)
    return {"encoder": keras.Model(images, codes), "decoder": keras.Model(latents, drawn)}


def blind(likelihood: str, moments: Sequence[float], latent_dim: int = 2) -> dict[str, Any]:
    """One posterior for every image, of which the decoder sees nothing; its pixels are grey."""
    networks = {
        "encoder": dense.variational_encoder(latent_dim=latent_dim, units=()),
        "decoder": dense.decoder(latent_dim=latent_dim, units=(), likelihood=likelihood),
    }
    for network in networks.values():
        for weight in network.weights:
            weight.assign(keras.ops.zeros_like(weight))
    networks["encoder"].get_layer("moments").bias.assign(moments)
    return networks


def values(metrics: Sequence[Metric]) -> dict[str, float]:
    return {metric.name: metric.value for metric in metrics}


def bounds(pipeline: VariationalAutoencoder, images: np.ndarray) -> dict[str, Metric]:
    return {metric.name: metric for metric in variational._bounds(pipeline, "test", images)}


def test_what_gives_every_image_back_has_no_error_and_the_pixels_labels(sample: Sample) -> None:
    measured = evaluation.measure(made("reconstruction", exact()))
    found = values(measured.metrics)
    assert found["mse"] == 0.0
    # What rounding to 8 bits leaves is the smallest error that is told.
    assert found["psnr"] == pytest.approx(58.92, abs=0.01)
    assert found["code_accuracy"] == pytest.approx(found["pixel_accuracy"], abs=0.02)
    assert found["code_neighbour_accuracy"] == pytest.approx(
        found["pixel_neighbour_accuracy"], abs=0.01
    )
    assert found["pixel_accuracy"] > 0.7 and found["pixel_neighbour_accuracy"] > 0.7
    assert set(found) == {"mse", "psnr", *READ}
    assert set(measured.pictures) == {"reconstructions.png"}
    noted = {metric.name: metric for metric in measured.metrics}
    assert "784 pixels in 784 numbers: 1 to 1, in bytes 0.25 to 1" in noted["mse"].note
    assert noted["code_accuracy"].note == "logistic regression on the codes of 512 train images"
    for metric in measured.metrics:
        assert (metric.split, metric.n) == ("test", 256)
        assert metric.command == "zoo evaluate autoencoder.mnist"


def test_what_gives_grey_has_the_distance_from_grey(sample: Sample) -> None:
    keras.utils.set_random_seed(0)
    networks = {"encoder": dense.encoder(latent_dim=2), "decoder": dense.decoder(latent_dim=2)}
    for weight in networks["decoder"].weights:
        weight.assign(keras.ops.zeros_like(weight))
    measured = evaluation.measure(made("reconstruction", networks))
    found = values(measured.metrics)
    test = sample("mnist", "test")["image"]
    # 127.5 is no pixel; it is rounded to the even one.
    expected = np.mean(np.square((test - 128.0) / 255))
    assert found["mse"] == pytest.approx(expected, rel=1e-5)
    assert found["psnr"] == pytest.approx(-10 * np.log10(expected), rel=1e-5)
    # Two numbers of a random network tell less than the pixels, and are drawn.
    assert found["code_accuracy"] < found["pixel_accuracy"]
    assert measured.pictures["codes.png"].startswith(b"\x89PNG")


def test_test_labels_are_only_compared_with(
    sample: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Readers learn from training labels: where all test labels are others, they are wrong."""
    pipeline = made("reconstruction", exact())
    whole = data.examples

    def relabelled(spec: DataSpec, split: str) -> dict[str, np.ndarray]:
        arrays = whole(spec, split)
        return {**arrays, "label": (arrays["label"] + 1) % 10} if split == "test" else arrays

    before = values(evaluation.measure(pipeline).metrics)
    monkeypatch.setattr("zoo.data.examples", relabelled)
    after = values(evaluation.measure(pipeline).metrics)
    assert before["mse"] == after["mse"]
    for name in READ:
        assert after[name] < 0.15 < before[name]


def test_data_without_labels_have_errors_alone(
    monkeypatch: pytest.MonkeyPatch, sample: Sample
) -> None:
    images = {"image": sample("mnist", "test")["image"]}
    monkeypatch.setattr("zoo.data.examples", lambda spec, split: images)
    monkeypatch.setattr("zoo.data.labels", lambda spec: ())
    networks = {"encoder": dense.encoder(latent_dim=3), "decoder": dense.decoder(latent_dim=3)}
    measured = evaluation.measure(made("reconstruction", networks))
    assert set(values(measured.metrics)) == {"mse", "psnr"}
    assert set(measured.pictures) == {"reconstructions.png", "codes.png"}


def test_no_judge_is_asked_for_where_none_measures(monkeypatch: pytest.MonkeyPatch) -> None:
    missing = dataclasses.replace(data.get("mnist"), judge="missing.mnist@1")
    monkeypatch.setattr("zoo.data.source", lambda name: missing)
    require_judges(registry.recipes().get("dense_autoencoder.mnist"))
    with pytest.raises(RecipeError, match=r"gan\.mnist is measured by missing\.mnist@1"):
        require_judges(registry.recipes().get("gan.mnist"))


def test_pixels_are_binarised_by_their_share_and_always_alike() -> None:
    images = np.random.default_rng(0).integers(0, 256, (400, *SHAPE), dtype=np.uint8)
    found = binarised(images)
    assert found.dtype == np.uint8 and set(np.unique(found)) == {0, 255}
    np.testing.assert_array_equal(found, binarised(images))
    assert (found[images == 0] == 0).all() and (found[images == 255] == 255).all()
    dark, bright = found[images < 64], found[images >= 192]
    assert np.mean(dark) == pytest.approx(np.mean(images[images < 64]), rel=0.05)
    assert np.mean(bright) == pytest.approx(np.mean(images[images >= 192]), rel=0.05)
    assert np.mean(binarised(images, 1) != found) > 0.2


def test_the_bound_of_a_blind_model_is_a_bit_a_pixel(
    sample: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(variational, "SAMPLES", 4)
    images = sample("mnist", "test")["image"][:40]
    # The posterior is the prior.
    found = bounds(made("generation", blind("bernoulli", [0, 0, 0, 0])), images)
    for name in ("negative_elbo", "negative_importance_bound", "reconstruction_nats"):
        assert found[name].value == pytest.approx(PIXELS * np.log(2), rel=1e-5)
        assert found[name].note.startswith("nats an image; test images binarised with seed 0")
    assert found["kl"].value == found["active_units"].value == 0.0
    assert "of 2 latents" in found["active_units"].note
    # Another posterior, of which nothing is gained, costs its divergence.
    found = bounds(made("generation", blind("bernoulli", [1.0, -0.5, 0.2, -0.4])), images)
    kl = (1 + 0.25 + np.exp(0.2) + np.exp(-0.4) - 0.2 + 0.4 - 2) / 2
    assert found["kl"].value == pytest.approx(kl, rel=1e-5)
    assert found["negative_elbo"].value == pytest.approx(PIXELS * np.log(2) + kl, rel=1e-5)
    weighted = found["negative_importance_bound"].value
    assert PIXELS * np.log(2) - 0.3 < weighted < found["negative_elbo"].value
    assert found["active_units"].value == 0.0


def test_the_bounds_are_those_of_the_definition(
    sample: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside another computation, from the networks' own outputs and in float64."""
    monkeypatch.setattr(variational, "SAMPLES", 5)
    keras.utils.set_random_seed(0)
    networks = {
        "encoder": dense.variational_encoder(latent_dim=3, units=(8,)),
        "decoder": dense.decoder(latent_dim=3, units=(8,), likelihood="bernoulli"),
    }
    images = sample("mnist", "test")["image"][:30]
    found = bounds(made("generation", networks), images)
    x = binarised(images)
    moments = np.asarray(keras.ops.convert_to_numpy(networks["encoder"](x.astype("float32"))))
    mean, log_variance = np.split(moments.astype(np.float64), 2, axis=1)
    rng = np.random.Generator(np.random.Philox(0))
    costs, weights = [], []
    for _ in range(5):
        noise = rng.standard_normal(mean.shape, np.float32)
        z = mean + np.exp(log_variance / 2) * noise
        drawn = networks["decoder"](z.astype("float32"))
        p = (np.asarray(keras.ops.convert_to_numpy(drawn)).astype(np.float64) + 1) / 2
        cost = -np.log(np.where(x == 255, p, 1 - p)).sum(axis=(1, 2, 3))
        prior = -(z**2).sum(axis=1) / 2
        posterior = -(noise**2 + log_variance).sum(axis=1) / 2
        costs.append(cost)
        weights.append(prior - posterior - cost)
    assert found["reconstruction_nats"].value == pytest.approx(np.mean(costs), rel=1e-4)
    weighted = np.mean(logsumexp(weights, axis=0) - np.log(5))
    assert found["negative_importance_bound"].value == pytest.approx(-weighted, rel=1e-4)
    kl = (mean**2 + np.exp(log_variance) - log_variance - 1).sum(axis=1).mean() / 2
    assert found["kl"].value == pytest.approx(kl, rel=1e-4)
    active = (mean.var(axis=0) > 0.01).sum()
    assert found["active_units"].value == active


def test_of_a_density_no_nats_are_given(sample: Sample) -> None:
    images = sample("mnist", "test")["image"][:20]
    found = bounds(made("generation", blind("gaussian", [1.0, 0, 0, 0])), images)
    assert set(found) == {"kl", "active_units"}
    assert found["kl"].value == pytest.approx(0.5) and found["kl"].note == "nats an image"


def test_a_variational_autoencoder_is_measured_as_all_that_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(variational, "SAMPLES", 2)
    monkeypatch.setattr(generation, "PATHS", 4)
    monkeypatch.setattr(generation, "GENERATED", 64)
    monkeypatch.setattr(reconstruction, "PROBED", 100)
    known = dataclasses.replace(data.get("mnist"), judge=None)
    monkeypatch.setattr("zoo.data.get", lambda name: known)
    keras.utils.set_random_seed(0)
    networks = {
        "encoder": dense.variational_encoder(latent_dim=2, units=(8,)),
        "decoder": dense.decoder(latent_dim=2, units=(8,), likelihood="bernoulli"),
    }
    measured = evaluation.measure(made("generation", networks))
    found = values(measured.metrics)
    bounded = {"negative_elbo", "negative_importance_bound", "reconstruction_nats", "kl"}
    others = {"memorised_pixels", "jump", "mse", "psnr", "active_units"}
    assert {*bounded, *others, *READ} <= set(found)
    assert found["negative_elbo"] == pytest.approx(found["reconstruction_nats"] + found["kl"])
    assert set(measured.pictures) == {
        "samples.png",
        "neighbours.png",
        "reconstructions.png",
        "codes.png",
    }


def test_a_table_tells_errors_and_what_codes_are_worth() -> None:
    metrics = tuple(
        Metric(name, 0.25, "test", 10, "zoo evaluate x")
        for name in ("mse", "psnr", *READ, "negative_elbo")
    )
    card: Card = made("reconstruction", exact()).card
    training = {"seconds": 60, "epochs": 1}
    table = models_table([dataclasses.replace(card, metrics=metrics, training=training)])
    shown = "mse 0.25, psnr 0.25, code_accuracy 25.00%, code_neighbour_accuracy 25.00% |"
    assert shown in table and "pixel" not in table
    drawn = dataclasses.replace(card, task="generation", metrics=metrics, training=training)
    assert "negative_elbo 0.25 |" in models_table([drawn])
    assert all(format_value(m).endswith("%") is m.name.endswith("accuracy") for m in metrics)


@pytest.mark.parametrize("dimensions", [2, 3])
def test_points_are_drawn_in_the_plane_and_in_space(dimensions: int) -> None:
    points = np.random.default_rng(0).normal(size=(30, dimensions))
    labelled = scatter_png(points, np.arange(30) % 12, [f"class {i}" for i in range(12)])
    assert labelled.startswith(b"\x89PNG")
    assert scatter_png(points, None, ()) != labelled


def test_counterparts_are_below_each_other() -> None:
    above = np.random.default_rng(0).integers(0, 255, (5, 4, 3, 1), dtype=np.uint8)
    below = above[:, ::-1]
    white = np.full((1, 4, 3, 1), 255, np.uint8)
    rows = [above[:3], below[:3], above[3:], white, below[3:], white]
    np.testing.assert_array_equal(
        paired_grid(above, below, columns=3), image_grid(np.concatenate(rows), 3)
    )
    np.testing.assert_array_equal(
        paired_grid(above, below), image_grid(np.concatenate([above, below]), 5)
    )
