"""Pipelines of autoencoders: codes and back, a generator that also reads, the command line."""

from __future__ import annotations

import csv
import dataclasses
import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from PIL import Image

import zoo
from zoo import data, registry
from zoo.autoencoding import Autoencoder, VariationalAutoencoder
from zoo.cards import Card
from zoo.cli import main
from zoo.cli.serve import _served
from zoo.errors import InvalidInputError, UnknownModelError
from zoo.generation import Generator
from zoo.models.autoencoder import convolutional, dense, kl
from zoo.pipelines import Classifier, Pipeline, make_pipeline, pipeline_of
from zoo.report import card_readme

PLAIN, DRAWS = "dense_autoencoder.mnist", "dense_vae.mnist"
FEW: dict[str, Any] = {
    "data.limit": 96,
    "batch_size": 32,
    "epochs": 1,
    "network.units": [16],
}
LATENTS = 5


def made(task: str, networks: dict[str, keras.Model]) -> Pipeline:
    """A pipeline around networks, with the card that training would write."""
    described = pipeline_of(task, networks).describe(networks, data.get("mnist").labels)
    card = Card(
        name="test.mnist",
        task=task,
        family="autoencoder",
        paper="",
        recipe={},
        data={"name": "mnist"},
        metrics=(),
        input=described[0],
        output=described[1],
        networks={},
        parameters={},
        training={},
        licence="",
        versions={},
    )
    return make_pipeline(card, networks)


@pytest.fixture(scope="module")
def autoencoder() -> Autoencoder:
    keras.utils.set_random_seed(0)
    sizes: dict[str, Any] = {"latent_dim": LATENTS, "width": 4, "units": 16}
    networks = {
        "encoder": convolutional.encoder((28, 28, 1), **sizes),
        "decoder": convolutional.decoder((28, 28, 1), **sizes),
    }
    pipeline = made("reconstruction", networks)
    assert isinstance(pipeline, Autoencoder)
    return pipeline


@pytest.fixture(scope="module")
def vae() -> VariationalAutoencoder:
    keras.utils.set_random_seed(0)
    networks = {
        "encoder": dense.variational_encoder(latent_dim=LATENTS, units=(16,)),
        "decoder": dense.decoder(latent_dim=LATENTS, units=(16,), likelihood="bernoulli"),
    }
    pipeline = made("generation", networks)
    assert isinstance(pipeline, VariationalAutoencoder)
    return pipeline


def images(n: int) -> np.ndarray:
    return np.random.default_rng(n).integers(0, 256, (n, 28, 28, 1), dtype=np.uint8)


def number(value: Any) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(value))


def test_its_networks_tell_which_pipeline_a_model_has() -> None:
    assert pipeline_of("generation", ("encoder", "decoder")) is VariationalAutoencoder
    assert pipeline_of("generation", ["generator", "discriminator"]) is Generator
    assert pipeline_of("reconstruction", {"encoder": 1, "decoder": 2}) is Autoencoder
    assert pipeline_of("classification", ("network",)) is Classifier
    told = "a model for reconstruction has a network encoder, this one has network"
    with pytest.raises(InvalidInputError, match=told):
        pipeline_of("reconstruction", ("network",))
    with pytest.raises(UnknownModelError, match="unknown task 'painting'"):
        pipeline_of("painting", ("network",))


def test_codes_and_images_are_those_of_the_networks(autoencoder: Autoencoder) -> None:
    given = images(5)
    codes = autoencoder.encode(given)
    assert codes.shape == (5, LATENTS) and codes.dtype == np.float32
    expected = number(autoencoder.networks["encoder"](given.astype("float32")))
    np.testing.assert_allclose(codes, expected, rtol=1e-3, atol=1e-4)
    decoded = autoencoder.decode(codes)
    drawn = number(autoencoder.networks["decoder"](codes))
    assert decoded.dtype == np.uint8
    np.testing.assert_allclose(decoded, (drawn + 1) * 127.5, atol=0.51)
    for again in (autoencoder.reconstruct(given), autoencoder.run(autoencoder.rows(given))):
        np.testing.assert_array_equal(again, decoded)
    np.testing.assert_array_equal(autoencoder.decode(codes[0].tolist()), decoded[:1])


def test_the_card_says_what_goes_in_and_out(autoencoder: Autoencoder, vae: Pipeline) -> None:
    card = autoencoder.card
    assert card.input == {
        "name": "images",
        "shape": [28, 28, 1],
        "dtype": "float32",
        "range": [0, 255],
    }
    assert card.output["code"] == [LATENTS] and card.output["shape"] == [28, 28, 1]
    assert card.labels == []
    # A variational one is a generator: it takes latents.
    assert vae.card.input["name"] == "latents" and vae.card.input["shape"] == [LATENTS]
    assert vae.card.input["range"] == "N(0, 1)" and vae.card.output["kind"] == "pixels"


def test_a_row_does_not_depend_on_its_batch_mates(
    autoencoder: Autoencoder, vae: VariationalAutoencoder
) -> None:
    given = images(40)
    for coder in (autoencoder, vae):
        together = coder.reconstruct(given)
        codes = coder.encode(given)
        for part in (slice(0, 1), slice(3, 10), slice(11, 40)):
            alone = coder.reconstruct(given[part]).astype(int)
            # A batch of another size may round otherwise.
            assert np.abs(alone - together[part]).max() <= 1
            np.testing.assert_allclose(coder.encode(given[part]), codes[part], rtol=1e-4, atol=1e-5)


def test_codes_may_be_maps() -> None:
    networks = {"encoder": kl.encoder(width=16), "decoder": kl.decoder(width=16)}
    coder = made("reconstruction", networks)
    assert isinstance(coder, Autoencoder) and coder.code_shape == (7, 7, 4)
    given = images(3)
    codes = coder.encode(given)
    assert codes.shape == (3, 7, 7, 4)
    moments = number(networks["encoder"](given.astype("float32")))
    np.testing.assert_allclose(codes, moments[..., :4], rtol=1e-3, atol=1e-4)
    assert coder.decode(codes[0]).shape == (1, 28, 28, 1)
    assert coder.card.output["code"] == [7, 7, 4]
    coder.warm((2,))


def test_a_variational_one_draws_as_a_generator_does(vae: VariationalAutoencoder) -> None:
    together = vae.generate(20, seed=100)
    assert together.shape == (20, 28, 28, 1) and together.dtype == np.uint8
    assert np.abs(vae.generate(3, seed=107).astype(int) - together[7:10]).max() <= 1
    np.testing.assert_array_equal(vae.decode(vae.rows(20, 100)), together)
    assert vae.labels == [] and vae.latent_dim == LATENTS
    one, other = images(2)
    begin, end = vae.encode([one, other])
    way = vae.interpolate(begin, end, steps=5)
    ends = vae.reconstruct(np.stack([one, other])).astype(int)
    # A path leaves its ends by way of lengths and directions, which rounds.
    assert np.abs(way[[0, -1]] - ends).max() <= 1


def test_the_code_of_an_image_is_the_mean_of_its_posterior(vae: VariationalAutoencoder) -> None:
    given = images(6)
    mean, log_variance = vae.posterior(given)
    np.testing.assert_allclose(vae.encode(given), mean, rtol=1e-5, atol=1e-6)
    moments = number(vae.networks["encoder"](given.astype("float32")))
    np.testing.assert_allclose(log_variance, moments[:, LATENTS:], rtol=1e-3, atol=1e-4)
    assert vae.likelihood == "bernoulli"


@pytest.mark.parametrize(
    ("codes", "words"),
    [
        (np.zeros((2, 4)), r"codes of shape \(5,\), one or many, got an array of shape \(2, 4\)"),
        (np.zeros((0, LATENTS)), r"got an array of shape \(0, 5\)"),
        (np.full(LATENTS, np.nan), "holds finite numbers"),
        ([[1.0, 2.0], [3.0]], "codes are arrays of numbers"),
        ("seven", "codes are arrays of numbers"),
    ],
)
def test_what_is_no_code_is_one_line(autoencoder: Autoencoder, codes: Any, words: str) -> None:
    with pytest.raises(InvalidInputError, match=words) as refused:
        autoencoder.decode(codes)
    assert "\n" not in str(refused.value)


@pytest.fixture(scope="module")
def home(shared_sample_home: Path) -> Path:
    """A home in which an autoencoder and a variational one were trained, a little."""
    known = dataclasses.replace(data.get("mnist"), judge=None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("zoo.data.get", lambda name: known)
        patch.setattr("zoo.data.source", lambda name: known)
        patch.setattr("zoo.evaluation.generation.GENERATED", 64)
        patch.setattr("zoo.evaluation.generation.PATHS", 4)
        patch.setattr("zoo.evaluation.variational.SAMPLES", 3)
        for name in (PLAIN, DRAWS):
            zoo.train(registry.recipes().get(name).override(FEW), verbose=0)
    return shared_sample_home


@pytest.fixture
def pictures(tmp_path: Path) -> list[str]:
    paths = [tmp_path / f"{name}.png" for name in ("one", "two", "three")]
    for path, image in zip(paths, images(3), strict=True):
        Image.fromarray(image[..., 0]).save(path)
    return [str(path) for path in paths]


@pytest.mark.parametrize("name", [PLAIN, DRAWS])
def test_the_command_line_writes_pictures_and_codes(
    home: Path, name: str, pictures: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    coder: Any = zoo.load(name)
    target, codes, table = (tmp_path / f for f in ("both.png", "codes.npy", "codes.csv"))
    assert main(["reconstruct", name, *pictures, "-o", str(target), "--codes", str(codes)]) == 0
    assert f"wrote {target} and {codes}" in capsys.readouterr().out
    shown = np.asarray(Image.open(target))
    assert shown.shape == (2 * 30 + 2, 3 * 30 + 2)
    np.testing.assert_array_equal(shown[2:30, 32:60], images(3)[1, ..., 0])
    np.testing.assert_array_equal(shown[32:60, 32:60], coder.reconstruct(images(3))[1, ..., 0])
    np.testing.assert_array_equal(np.load(codes), coder.encode(images(3)))
    assert main(["reconstruct", name, *pictures, "--codes", str(table), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0][:2] == ["image", "code_0"] and [row[0] for row in rows[1:]] == pictures
    for row, entry, code in zip(rows[1:], found, coder.encode(images(3)), strict=True):
        np.testing.assert_allclose([float(part) for part in row[1:]], code, rtol=1e-6)
        np.testing.assert_allclose(entry["code"], code, rtol=1e-6)
        assert 0 < entry["mse"] < 1


def test_bad_input_is_one_line(
    home: Path, pictures: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(*arguments: str) -> str:
        assert main(["reconstruct", *arguments]) == 2
        told = capsys.readouterr().err
        assert told.startswith("zoo: ") and told.count("\n") == 1
        return told

    png = ["-o", str(tmp_path / "both.png")]
    assert "say where the picture goes" in refused(PLAIN, *pictures)
    assert "the output is a .png file" in refused(PLAIN, *pictures, "-o", "both.jpg")
    assert "written to .npy or .csv" in refused(PLAIN, *pictures, "--codes", "codes.txt")
    assert "is one of the pictures" in refused(PLAIN, *pictures, "-o", pictures[0])
    told = refused("dcgan.fashion_mnist", *pictures, *png)
    assert "dcgan.fashion_mnist is for generation, and no autoencoder" in told
    assert "is for classification, and no" in refused("resnet20.fashion_mnist", *pictures, *png)
    assert "there is no file" in refused(PLAIN, str(tmp_path / "missing.png"), *png)
    assert not (tmp_path / "both.png").exists()


def test_list_show_and_generate_know_them(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["list", "--task", "reconstruction", "--json"]) == 0
    entries = {entry["name"] for entry in json.loads(capsys.readouterr().out)}
    assert {"autoencoder", "dense_autoencoder", "kl_autoencoder", PLAIN} <= entries
    assert not {"vae", DRAWS} & entries
    assert main(["show", PLAIN]) == 0
    assert 'codes = autoencoder.encode("picture.png")' in capsys.readouterr().out
    folder = zoo.store.find(PLAIN)
    assert "](reconstructions.png)" in card_readme(zoo.card(PLAIN), folder)
    assert main(["generate", DRAWS, "-n", "4", "-o", str(tmp_path / "drawn.png")]) == 0
    assert main(["generate", PLAIN, "-o", str(tmp_path / "no.png")]) == 2
    assert "is for reconstruction, not for generation" in capsys.readouterr().err


def test_a_server_draws_with_one_and_leaves_the_other_out(home: Path) -> None:
    tasks = ("classification", "generation")
    served = _served(["*"], tasks)
    assert DRAWS in served and PLAIN not in served
    with pytest.raises(InvalidInputError, match="is for reconstruction, which is not served"):
        _served([PLAIN], tasks)
