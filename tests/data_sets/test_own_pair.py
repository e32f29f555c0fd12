"""Two folders of own images: prepared as a pair by one rule, trained on, used."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

import zoo
from zoo import data, registry
from zoo.cli import main
from zoo.data import own
from zoo.data.own_pair import pair_source
from zoo.errors import InvalidInputError, RecipeError
from zoo.own_recipe import recipe_for, recipe_on, recipe_to_train
from zoo.recipe import DataSpec
from zoo.training.run import begin_run, fit_run
from zoo.translation import Translator


def write(folder: Path, count: int, low: int, shape: tuple[int, ...] = (9, 11, 3)) -> Path:
    """Writes pictures with pixels from `low` to `low` + 99, one of them in an inner folder."""
    rng = np.random.default_rng(low)
    (folder / "inner").mkdir(parents=True)
    for index in range(count):
        pixels = rng.integers(low, low + 100, shape, dtype=np.uint8)
        Image.fromarray(pixels).save(folder / ("" if index else "inner") / f"{index}.png")
    return folder


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    """Thirty dark pictures and twelve light ones, in folders with other names than a domain's."""
    return [write(tmp_path / "Night Shots", 30, 0), write(tmp_path / "day", 12, 150)]


def test_two_folders_become_a_pair(folders: list[Path]) -> None:
    name = own.prepare(pair_source(folders), size=16)
    assert name == "night_shots_day" and name in data.PAIRS and name in list(data.PAIRS)
    pair = data.source(name)
    assert isinstance(pair, data.Pair) and pair.licence == "as its owner says"
    assert data.labels(DataSpec(name)) == ("night_shots", "day")
    for split, counts in (("train", (24, 10)), ("test", (6, 2))):
        arrays = data.load_pair(name, split)
        assert set(arrays) == {"a/image", "b/image"}
        assert arrays["a/image"].shape == (counts[0], 16, 16, 3)
        assert arrays["b/image"].shape == (counts[1], 16, 16, 3)
        assert arrays["a/image"].max() < 100 and arrays["b/image"].min() >= 150
    assert data.split_checksum(name, "train") != data.split_checksum(name, "test")
    train, held = data.training_examples(DataSpec(name, validation=2))
    assert [len(one) for one in train.values()] == [22, 8] and held is not None
    assert "pair_of_nobody" not in data.PAIRS
    assert data.PAIRS.names() == list(data.PAIRS) and data.PAIRS.names("night*") == [name]


def test_one_rule_says_what_is_grey(tmp_path: Path) -> None:
    """Grey where every image of both is, else both are in colour."""
    one = write(tmp_path / "one", 5, 0, (9, 9))
    other = write(tmp_path / "other", 5, 90, (20, 30))
    name = own.resolve(pair_source([one, other]), size=16)
    assert data.load_pair(name, "train")["b/image"].shape == (4, 16, 16, 1)
    write(other / "more", 1, 130)
    assert own.resolve(pair_source([one, other]), size=32) == name
    arrays = data.load_pair(name, "train")
    assert arrays["a/image"].shape == (4, 16, 16, 3), "a size once chosen is kept"
    assert len(arrays["b/image"]) == 5
    shutil.rmtree(one)
    assert own.resolve(name) == name, "what is prepared outlives its folders"


def test_what_cannot_be_used_is_listed_by_name(folders: list[Path]) -> None:
    (folders[0] / "empty.png").touch()
    (folders[1] / "notes.txt").write_text("no image")
    shutil.copy(folders[0] / "1.png", folders[1] / "same.png")
    source = pair_source(folders)
    with pytest.raises(InvalidInputError) as caught:
        own.prepare(source, size=16)
    told = str(caught.value)
    for line in (
        "empty: Night Shots/empty.png",
        "not an image: day/notes.txt",
        "duplicate with two labels: day/same.png",
    ):
        assert line in told
    assert not data.is_prepared("night_shots_day")
    name = own.prepare(source, size=16, skip_bad=True)
    assert [len(one) for one in data.load_pair(name, "test").values()] == [6, 2]


def test_what_is_no_pair_is_one_line(folders: list[Path], tmp_path: Path) -> None:
    def refused(*given: Path | str) -> str:
        with pytest.raises(InvalidInputError) as caught:
            own.prepare(pair_source(given), size=16)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    dark, light = folders
    (tmp_path / "none").mkdir()
    assert "domain none needs 5 images or more, got none in" in refused(dark, tmp_path / "none")
    few = write(tmp_path / "few", 4, 0)
    assert "domain few needs 5 images or more, got 4 in" in refused(few, light)
    assert "is a folder of images, and 'nowhere' is none" in refused(dark, "nowhere")
    assert "two folders; got 3" in refused(dark, light, few)
    assert "need different names" in refused(dark, dark)
    shutil.copytree(light, tmp_path / "a:b")
    assert "must not have ':' in it" in refused(dark, tmp_path / "a:b")
    for name in ("mnist", "usps"):
        shutil.copytree(light, tmp_path / name)
    told = refused(tmp_path / "mnist", tmp_path / "usps")
    assert "mnist_usps is a pair of domains of the catalogue; choose another name" in told
    for index in range(4):
        (few / f"bad{index}.png").touch()
    with pytest.raises(InvalidInputError, match="domain few needs 5 images or more, got 4 that"):
        own.prepare(pair_source([few, light]), size=16, skip_bad=True)


def test_recipes_suit_a_pair(folders: list[Path], sample_home: Path) -> None:
    own.prepare(pair_source(folders), size=16)
    recipe = recipe_on("cyclegan", folders)
    assert recipe.name == "cyclegan.night_shots_day"
    assert recipe.data == DataSpec("night_shots_day")
    assert recipe.network == {"width": 24} and recipe.method == {"name": "cyclegan"}
    assert recipe.batch_size == 2 and recipe.epochs * (24 // 2) >= 5000
    assert recipe_on("cyclegan", "night_shots_day") == recipe
    facades = registry.recipes().get("cyclegan.facades")
    kept = recipe_on("cyclegan.facades", folders)
    assert (kept.method, kept.network, kept.epochs) == (
        facades.method,
        facades.network,
        facades.epochs,
    )
    assert recipe_on("cyclegan", "mnist_usps") == registry.recipes().get("cyclegan.mnist_usps")
    assert recipe_for("discogan", "mnist_usps").data == DataSpec("mnist_usps", validation=16)
    with pytest.raises(RecipeError, match="pairs of domains are for translation"):
        recipe_on("mlp", folders)
    with pytest.raises(RecipeError, match="pairs of domains are for translation"):
        recipe_on("cyclegan", folders[0])


def test_a_pair_is_trained_on_resumed_and_used(
    folders: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "prepare", f"pair:{folders[0]}:{folders[1]}", "--size", "16"]) == 0
    few = {"epochs": 2, "batch_size": 8, "precision": "float32", "network.width": 4}

    class Stop(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: object = None) -> None:
            if epoch:
                raise KeyboardInterrupt

    run = begin_run(recipe_to_train("discogan", folders).override(few), resume=False)
    with pytest.raises(KeyboardInterrupt):
        fit_run(run, verbose=0, callbacks=[Stop()])
    settings = [word for key, value in few.items() for word in ("--set", f"{key}={value}")]
    command = ["train", "discogan", "--data", *map(str, folders), *settings]
    capsys.readouterr()
    assert main([*command, "--resume", "--json"]) == 0
    card = json.loads(capsys.readouterr().out)
    assert card["name"] == "discogan.night_shots_day" and card["training"]["epochs"] == 2
    assert card["input"]["domains"] == ["night_shots", "day"]
    assert card["licence"] == "as its owner says"
    translator = zoo.load("discogan.night_shots_day")
    assert isinstance(translator, Translator)
    assert translator.directions == ("night_shots_to_day", "day_to_night_shots")
    assert main(["evaluate", card["name"], "--json"]) == 0
    picture = str(folders[1] / "3.png")
    direction = ["--direction", "day_to_night_shots", "--output", str(tmp_path / "out")]
    assert main(["translate", card["name"], picture, *direction]) == 0
    assert Image.open(tmp_path / "out" / "3.png").size == (16, 16)
    capsys.readouterr()
    assert main(["data", "list"]) == 0
    (line,) = [row for row in capsys.readouterr().out.splitlines() if "night_shots_day" in row]
    assert "night_shots and day" in line and "16x16x3; train 34, test 8" in line
    assert main(["data", "list", "--json"]) == 0
    listed = [entry["name"] for entry in json.loads(capsys.readouterr().out)]
    assert listed.count("night_shots_day") == 1 and len(listed) == len(set(listed))
