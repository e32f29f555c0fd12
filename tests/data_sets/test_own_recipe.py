"""Recipes for own data: what they are made of, and that they train."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import zoo
from tests.store.common import fakes, make_card
from zoo import data, registry, store
from zoo.cli import main
from zoo.data import own
from zoo.errors import InvalidInputError, RecipeError, UnknownModelError
from zoo.generation import Generator
from zoo.own_recipe import input_size, recipe_for, recipe_on, recipe_to_train
from zoo.recipe import DataSpec


def write(path: Path, per_class: int, shape: tuple[int, ...] = (6, 6, 3)) -> Path:
    """Writes an npz of two classes, dark and light."""
    rng = np.random.default_rng(1)
    label = np.repeat([0, 1], per_class)
    image = rng.integers(0, 120, (2 * per_class, *shape)) + 120 * label.reshape(-1, 1, 1, 1)
    np.savez(path, image=image.astype(np.uint8), label=label, labels=["dark", "light"])
    return path


@pytest.mark.parametrize(
    ("per_class", "validation", "batch_size"), [(10, 0, 4), (40, 10, 13), (1000, 240, 64)]
)
def test_a_recipe_suits_the_number_of_images(
    tmp_path: Path, per_class: int, validation: int, batch_size: int
) -> None:
    recipe = recipe_on("resnet20", write(tmp_path / "few.npz", per_class), size=8)
    assert recipe.name == "resnet20.few"
    count = data.get("few").splits["train"]
    assert recipe.data.validation == validation == (round(0.15 * count) if count >= 40 else 0)
    trained = count - validation
    assert recipe.batch_size == batch_size
    assert batch_size <= trained / 4
    assert recipe.epochs * (trained // batch_size) >= 600
    assert recipe.override(["epochs=3", "augmentation=[]"]).epochs == 3


def test_another_recipe_keeps_its_settings(tmp_path: Path) -> None:
    base = registry.recipes().get("mlp.fashion_mnist")
    recipe = recipe_on("mlp.fashion_mnist", write(tmp_path / "few.npz", 30))
    assert recipe.name == "mlp.few"
    assert data.get("few").shape == (28, 28, 3), "the size of its own images"
    assert recipe.batch_size == (48 - 7) // 4
    kept = {"optimizer", "schedule", "network", "augmentation", "epochs", "ema", "method"}
    for field in kept:
        assert getattr(recipe, field) == getattr(base, field)
    generator = registry.recipes().get("dcgan.fashion_mnist")
    assert recipe_for("dcgan", "few", generator).name == "dcgan.few"


def test_what_another_recipe_is_built_on_is_kept_and_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = recipe_on("ldm.fashion_mnist", write(tmp_path / "few.npz", 30))
    assert recipe.name == "ldm.few"
    assert recipe.parents == {"autoencoder": {"model": "kl_autoencoder.fashion_mnist"}}
    assert (
        "ldm.few is built on kl_autoencoder.fashion_mnist, as ldm.fashion_mnist is; "
        "`--set parents.autoencoder.model=NAME` names another"
    ) in capsys.readouterr().err


def test_a_registered_recipe_is_taken_where_there_is_one(sample_home: Path) -> None:
    assert recipe_on("mlp", "fashion_mnist") == registry.recipes().get("mlp.fashion_mnist")


def test_what_cannot_be_trained_is_refused_before_an_image_is_read(
    tmp_path: Path, private_home: Path
) -> None:
    source = write(tmp_path / "few.npz", 10)
    shape = {"shape": [8, 8, 3]}
    store.save(make_card("mlp.shades", recipe={"architecture": "mlp"}, input=shape), fakes())
    with pytest.raises(RecipeError, match="dcgan is no classifier; name one of its recipes"):
        recipe_on("dcgan", source)
    with pytest.raises(UnknownModelError, match="resnet20"):
        recipe_on("resnet21", source)
    for base in ("resnet20", "resnet20.fashion_mnist"):
        with pytest.raises(RecipeError, match=r"mlp\.shades@1 is mlp, the recipe is for resnet20"):
            recipe_to_train(base, source, parent="mlp.shades")
    with pytest.raises(RecipeError, match=r"dcgan\.fashion_mnist@\d+ is for generation"):
        recipe_to_train("mlp", source, parent="dcgan.fashion_mnist")
    with pytest.raises(RecipeError, match="policy must be"):
        recipe_to_train("mlp", source, parent="mlp.shades", policy="frozen")
    assert not (private_home / "data").exists()
    recipe = recipe_to_train("mlp", source, parent="mlp.shades")
    assert recipe.transfer["from"] == "mlp.shades"
    assert data.get("few").shape == (8, 8, 3), "the size that the parent takes"


def test_a_size_that_was_kept_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = write(tmp_path / "few.npz", 10)
    recipe_on("mlp", source, size=8)
    assert "mlp gets" not in capsys.readouterr().err
    recipe_on("mlp", source, size=12)
    told = capsys.readouterr().err
    again = f"zoo data prepare {source} --name few_12 --size 12"
    assert "mlp gets few as it was prepared, 8 pixels high and wide, not 12" in told
    assert f"`{again}`" in told
    assert data.get("few").shape == (8, 8, 3)
    assert main(again.split()[1:]) == 0
    capsys.readouterr()
    assert recipe_on("mlp", "few_12", size=12).name == "mlp.few_12"
    assert "mlp gets" not in capsys.readouterr().err


def test_examples_are_counted_without_their_images(tmp_path: Path, private_home: Path) -> None:
    own.prepare(write(tmp_path / "few.npz", 30), size=8)
    expected = recipe_for("mlp", "few")
    stored = private_home / "data" / "few" / "train.npz"
    np.savez(stored, label=data.load("few", "train")["label"])
    assert recipe_for("mlp", "few") == expected
    np.testing.assert_array_equal(data.class_counts("few", "train"), [24, 24])


@pytest.fixture
def clouds(tmp_path: Path) -> Path:
    """A folder of fifty pictures in colour, of no class."""
    rng = np.random.default_rng(4)
    (tmp_path / "clouds").mkdir()
    for index in range(50):
        pixels = rng.integers(0, 256, (9, 11, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "clouds" / f"{index}.png")
    return tmp_path / "clouds"


def test_a_generator_learns_from_pictures_alone(
    clouds: Path, private_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zoo.evaluation.generation.GENERATED", 16)
    monkeypatch.setattr("zoo.evaluation.generation.PATHS", 2)
    for classifier in ("mlp", "mlp.fashion_mnist"):
        with pytest.raises(InvalidInputError, match="clouds has pictures and no class folders"):
            recipe_on(classifier, clouds)
    assert not (private_home / "data").exists()
    own.prepare(clouds, size=16)
    # Nothing is held out for validation, whose losses would say nothing of a game.
    assert recipe_on("dcgan.fashion_mnist", clouds).data == DataSpec("clouds")
    assert recipe_on("dcgan.att_faces", clouds).data == DataSpec("clouds", repeat=20)
    run = zoo.train(
        "dcgan.fashion_mnist",
        data=clouds,
        epochs=1,
        precision="float32",
        network={"latent_dim": 4, "width": 4},
        verbose=0,
    )
    assert run.stored is not None
    card = zoo.card("dcgan.clouds")
    assert card.data["n"] == 40 and card.recipe["batch_size"] == 10
    generator = zoo.load("dcgan.clouds")
    assert isinstance(generator, Generator)
    assert generator.generate(3, seed=0).shape == (3, 16, 16, 3)


def test_the_size_is_that_of_the_architecture_s_recipes() -> None:
    assert input_size("mlp") == 28
    without = next(
        name
        for name in registry.architectures()
        if not any(r.startswith(f"{name}.") for r in registry.recipes())
    )
    assert input_size(without) == 64


@pytest.mark.parametrize("shape", [(6, 6, 3), (6, 6, 1)])
def test_own_images_become_a_stored_classifier(
    tmp_path: Path, shape: tuple[int, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """Grey and colour, with the augmentation of the default recipe, through the Python API."""
    source = write(tmp_path / "shades.npz", 30, shape)
    run = zoo.train("mlp", data=source, epochs=1, network={"units": [4]}, verbose=0)
    assert run.stored is not None
    card = zoo.card("mlp.shades")
    assert card.labels == ["dark", "light"]
    assert card.data["name"] == "shades"
    assert card.licence == "as its owner says"
    assert card.input["shape"][-1] == shape[-1]
    assert {metric.n for metric in card.metrics if metric.name == "accuracy"} == {12}
    capsys.readouterr()
    assert main(["data", "list", "--json"]) == 0
    (entry,) = [e for e in json.loads(capsys.readouterr().out) if e["name"] == "shades"]
    assert entry["prepared"] and entry["classes"] == 2


def test_the_command_line_takes_a_source(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = str(write(tmp_path / "shades.npz", 10))
    assert main(["data", "prepare", source, "--size", "12", "--colour", "grey"]) == 0
    assert main(["train", "mlp", "--data", source, "--set", "epochs=2", "--dry-run"]) == 0
    recipe = json.loads(capsys.readouterr().out)
    assert recipe["name"] == "mlp.shades"
    assert recipe["epochs"] == 2
    assert data.get("shades").shape == (12, 12, 1)
    assert main(["data", "prepare", "mnist", "--size", "12"]) == 2
    assert "--name, --size, --colour, --skip-bad are not for mnist" in capsys.readouterr().err
    assert main(["data", "prepare", source, "--from", str(tmp_path)]) == 2
