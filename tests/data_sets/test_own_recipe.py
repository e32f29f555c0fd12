"""Recipes for own data: what they are made of, and that they train."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import zoo
from zoo import data, registry
from zoo.cli import main
from zoo.errors import RecipeError, UnknownModelError
from zoo.own_recipe import input_size, recipe_for, recipe_on


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


def test_a_registered_recipe_is_taken_where_there_is_one(sample_home: Path) -> None:
    assert recipe_on("mlp", "fashion_mnist") == registry.recipes().get("mlp.fashion_mnist")


def test_what_cannot_be_trained_is_refused(tmp_path: Path) -> None:
    source = write(tmp_path / "few.npz", 10)
    with pytest.raises(RecipeError, match="dcgan is no classifier; name one of its recipes"):
        recipe_on("dcgan", source)
    with pytest.raises(UnknownModelError, match="resnet20"):
        recipe_on("resnet21", source)


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
