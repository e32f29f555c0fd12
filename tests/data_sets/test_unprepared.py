"""Own images that are in no data set: every one is measured on, and none is kept."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

from tests.store.common import make_card
from zoo import data, evaluation, store
from zoo.cli import main
from zoo.data import own
from zoo.errors import InvalidInputError
from zoo.models.mlp.mlp import mlp
from zoo.pipelines import Classifier, Pipeline, make_pipeline

SIZE = 28
COUNTS = {"ant": 7, "bee": 3}
# Another order than that of the folders.
LABELS = ["bee", "ant"]


def write(root: Path, counts: dict[str, int], seed: int = 0) -> list[Path]:
    """Writes so many pictures into each class's folder; returns them in order."""
    rng = np.random.default_rng(seed)
    paths = []
    for label, count in counts.items():
        (root / label).mkdir(parents=True, exist_ok=True)
        for index in range(count):
            paths.append(root / label / f"{index}.png")
            pixels = rng.integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(paths[-1])
    return paths


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Seven pictures of one class and three of the other, too few to hold one of them out."""
    write(tmp_path / "more", COUNTS)
    return tmp_path / "more"


@pytest.fixture(scope="module")
def classifier() -> Pipeline:
    keras.utils.set_random_seed(1)
    shape = {"shape": [SIZE, SIZE, 3]}
    card = make_card("mlp.insects", input=shape, output={"labels": LABELS}, metrics=())
    return make_pipeline(card, {"network": mlp((SIZE, SIZE, 3), 2, units=())})


def right(classifier: Classifier, paths: list[Path]) -> np.ndarray:
    """Returns which pictures the classifier gives the name of their folder."""
    guesses = [ranked[0][0] for ranked in classifier.predict(paths)]
    return np.array([guess == path.parent.name for guess, path in zip(guesses, paths, strict=True)])


def test_all_images_of_a_folder_count_and_none_is_kept(
    classifier: Classifier, folder: Path, private_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = evaluation.measure(classifier, str(folder)).metrics
    paths = sorted(folder.rglob("*.png"))
    assert {metric.n for metric in found} == {len(paths)} == {10}
    assert {metric.split for metric in found} == {"all"}
    assert found[0].name == "accuracy" and found[0].value == right(classifier, paths).mean()
    assert found[0].command.endswith(f"--data {folder}")
    assert "10 images are measured on, all that there are" in capsys.readouterr().err
    assert not (private_home / "data").exists()
    (folder / "cat").mkdir()
    shutil.copy(folder / "ant" / "0.png", folder / "cat" / "0.png")
    (folder / "ant" / "0.png").unlink()
    with pytest.raises(InvalidInputError, match=r"tells 2 classes apart, .* has 3"):
        evaluation.measure(classifier, str(folder))


def test_the_command_line_measures_a_folder_whole(
    classifier: Classifier, folder: Path, private_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store.save(classifier.card, classifier.networks)
    assert main(["evaluate", "mlp.insects", "--data", str(folder), "--json"]) == 0
    assert {one["n"] for one in json.loads(capsys.readouterr().out)} == {sum(COUNTS.values())}
    assert not (private_home / "data").exists()


def test_images_for_testing_count_alone_where_a_source_has_some(
    classifier: Classifier, folder: Path
) -> None:
    paths = sorted(folder.rglob("*.png"))
    rows = [
        f"{path.relative_to(folder)},{path.parent.name},{'train' if index % 2 else 'test'}"
        for index, path in enumerate(paths)
    ]
    table = folder / "list.csv"
    table.write_text("\n".join(["path,label,split", *rows]))
    accuracy = evaluation.measure(classifier, str(table)).metrics[0]
    assert (accuracy.n, accuracy.split) == (5, "test")
    assert accuracy.value == right(classifier, paths[::2]).mean()


def test_of_images_that_were_prepared_the_held_out_ones_count(
    classifier: Classifier, tmp_path: Path
) -> None:
    write(tmp_path / "insects", {"ant": 10, "bee": 15})
    source = str(tmp_path / "insects")
    own.prepare(source, "mine", size=SIZE)
    accuracy = evaluation.measure(classifier, source).metrics[0]
    assert (accuracy.n, accuracy.split) == (5, "test") == (data.get("mine").splits["test"], "test")
    assert accuracy.command.endswith("--data mine")
    own.prepare(source, "yours", size=SIZE)
    with pytest.raises(InvalidInputError, match="several data sets, name one: mine, yours"):
        evaluation.measure(classifier, source)


def test_what_cannot_be_measured_on_is_said(
    classifier: Classifier, folder: Path, private_home: Path
) -> None:
    with pytest.raises(InvalidInputError, match="ant has pictures and no class folders"):
        evaluation.measure(classifier, str(folder / "ant"))
    (folder / "bee" / "none.png").touch()
    with pytest.raises(InvalidInputError, match=r"nothing was measured: 1 empty\n.*bee/none\.png"):
        evaluation.measure(classifier, str(folder))
    assert not (private_home / "data").exists()
