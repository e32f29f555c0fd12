"""The translator: directions, rows of their own, the command line, what is measured."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

import zoo
from zoo import data, registry, store
from zoo.cli import main
from zoo.cli.serve import _served
from zoo.errors import InvalidInputError
from zoo.evaluation import measure
from zoo.evaluation.common import judge_of
from zoo.models.mlp.mlp import mlp
from zoo.models.translation.cyclegan import generator
from zoo.pipelines import Classifier, make_pipeline, pipeline_of
from zoo.report import card_readme
from zoo.translation import Translator

NAME = "cyclegan.mnist_usps"
FEW = {
    "data.limit": 64,
    "data.validation": 8,
    "batch_size": 32,
    "epochs": 1,
    "network.width": 4,
    "network.blocks": 1,
    "network.downsamplings": 1,
    "precision": "float32",
}


@pytest.fixture(scope="module")
def home(shared_sample_home: Path) -> Path:
    """A home in which a translator was trained, a little; what judges it is there."""
    if "small_cnn.usps" not in store.names():
        judge = mlp(units=(8,))
        card = dataclasses.replace(
            zoo.card("small_cnn.mnist"),
            name="small_cnn.usps",
            family="mlp",
            metrics=(),
            parameters={"network": judge.count_params()},
            training={},
            costs={},
        )
        store.save(card, {"network": judge})
    zoo.train(registry.recipes().get(NAME).override(FEW), verbose=0)
    return shared_sample_home


@pytest.fixture(scope="module")
def translator(home: Path) -> Translator:
    loaded = zoo.load(NAME)
    assert isinstance(loaded, Translator)
    return loaded


def test_the_card_says_both_directions(translator: Translator) -> None:
    card = translator.card
    assert card.task == "translation" and translator.directions == (
        "mnist_to_usps",
        "usps_to_mnist",
    )
    assert card.output["directions"] == {"mnist_to_usps": "g_ab", "usps_to_mnist": "g_ba"}
    assert card.input["domains"] == ["mnist", "usps"]
    assert card.input["shape"] == card.output["shape"] == [28, 28, 1]
    assert set(card.networks) == {"g_ab", "g_ba"}
    assert card.data["name"] == "mnist_usps" and card.data["n"] == 64


def test_each_direction_is_its_network(translator: Translator) -> None:
    images = data.load("mnist", "test")["image"][:5]
    for direction, network in (("mnist_to_usps", "g_ab"), ("usps_to_mnist", "g_ba")):
        answer = translator.translate(images, direction)
        raw = translator.networks[network](images / 127.5 - 1.0, training=False)
        expected = (keras.ops.convert_to_numpy(raw) + 1) * 127.5
        assert answer.shape == images.shape and answer.dtype == np.uint8
        np.testing.assert_allclose(answer, expected, atol=0.51)
    rows = translator.rows(images)
    np.testing.assert_array_equal(translator.run(rows), translator.run(rows, "mnist_to_usps"))


def test_a_row_does_not_depend_on_its_batch_mates(translator: Translator) -> None:
    rows = translator.rows(data.load("usps", "test")["image"][:40])
    together = translator.run(rows, "usps_to_mnist")
    for part in (slice(0, 1), slice(3, 10), slice(11, 40)):
        np.testing.assert_array_equal(translator.run(rows[part], "usps_to_mnist"), together[part])


def test_images_of_any_kind_and_size_are_taken(translator: Translator) -> None:
    picture = Image.fromarray(np.full((50, 40, 3), 90, np.uint8))
    assert translator.translate(picture, "mnist_to_usps").shape == (1, 28, 28, 1)


@pytest.mark.parametrize("wrong", ["mnist_to_upsp", "", "g_ab"])
def test_an_unknown_direction_is_one_line(translator: Translator, wrong: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        translator.translate(np.zeros((28, 28), np.uint8), wrong)
    told = str(caught.value)
    assert "\n" not in told and "translates mnist_to_usps and usps_to_mnist" in told
    if wrong == "mnist_to_upsp":
        assert "did you mean mnist_to_usps" in told


def test_what_is_measured(home: Path, translator: Translator) -> None:
    found = measure(translator)
    errors = {metric.name: metric for metric in found.metrics}
    test = data.load_pair("mnist_usps", "test")
    there = translator.run(test["a/image"], "mnist_to_usps")
    back = translator.run(there, "usps_to_mnist").astype(float)
    metric = errors["mnist_to_usps_reconstruction"]
    assert metric.value == pytest.approx(np.mean(np.abs(back - test["a/image"])))
    assert metric.n == len(test["a/image"]) and metric.split == "test"
    assert errors["usps_to_mnist_reconstruction"].n == len(test["b/image"])
    judge = zoo.load("small_cnn.usps@1")
    assert isinstance(judge, Classifier)
    for name, images, labels in (
        ("mnist_to_usps_accuracy", there, test["a/label"]),
        ("mnist_to_usps_untranslated_accuracy", test["a/image"], test["a/label"]),
        ("real_usps_accuracy", test["b/image"], test["b/label"]),
    ):
        assert errors[name].value == np.mean(judge.scores(images).argmax(1) == labels)
        assert (errors[name].n, errors[name].note) == (len(labels), "labels by small_cnn.usps@1")
    # Nobody paired these digits.
    assert not [name for name in errors if name.endswith(("_pairs", "_difference"))]
    assert found.pictures["translations.png"].startswith(b"\x89PNG")
    stored = {metric.name: metric.value for metric in translator.card.metrics}
    assert stored == pytest.approx({name: m.value for name, m in errors.items()})
    assert "translations.png" in translator.card.sha256


def exact(name: str, inverts: bool, shape: tuple[int, ...] = (28, 28, 1)) -> Translator:
    """A translator that leaves an image alone or gives its negative."""
    card = zoo.card(NAME)
    networks = {}
    for way in ("g_ab", "g_ba"):
        images = keras.Input(shape, name="images")
        scaled = keras.layers.Rescaling(-1.0 if inverts else 1.0)(images)
        networks[way] = keras.Model(images, scaled)
    described = Translator.describe(
        networks, [d.name for d in data.PAIRS.get(name).domains.values()]
    )
    record = {**card.to_dict(), "input": described[0], "output": described[1]}
    record["data"] = {"name": name}
    made = make_pipeline(type(card).from_dict(record), networks)
    assert isinstance(made, Translator)
    return made


def test_pairs_and_labels_of_a_planted_pair(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A true translation finds every pair; one that only inverts finds few."""

    class Judge:
        card = zoo.card(NAME)

        def scores(self, images: np.ndarray) -> np.ndarray:
            """Knows each test digit by its pixels; of anything else it says 0."""
            test = data.load("mnist", "test")
            known = {
                i.tobytes(): label for i, label in zip(test["image"], test["label"], strict=True)
            }
            return np.eye(10)[[known.get(np.ascontiguousarray(i).tobytes(), 0) for i in images]]

    from zoo.data.domains import turn, turn_back
    from zoo.evaluation import translation

    monkeypatch.setattr(translation, "judge_of", lambda name, images: Judge() if name else None)
    made = exact("mnist_inverted", inverts=True)
    inverting = {m.name: m.value for m in measure(made).metrics}
    monkeypatch.setattr(
        made,
        "run",
        lambda rows, way: (turn if way == "digit_to_inverted" else turn_back)(
            rows.astype(np.uint8)
        ),
    )
    true = {m.name: m.value for m in measure(made).metrics}
    for way, domain in (("digit_to_inverted", "inverted"), ("inverted_to_digit", "digit")):
        assert true[f"{way}_pairs"] == 1.0 and true[f"{way}_accuracy"] == 1.0
        assert true[f"{way}_reconstruction"] == 0.0 and true[f"real_{domain}_accuracy"] == 1.0
        assert inverting[f"{way}_pairs"] < 0.3 and inverting[f"{way}_accuracy"] < 0.5
        # The original does as badly as it would unseen, whatever the translator makes of it.
        untranslated = true[f"{way}_untranslated_accuracy"]
        assert untranslated == inverting[f"{way}_untranslated_accuracy"] < 0.5
        assert true[f"{way}_difference"] == 0.0 < inverting[f"{way}_difference"]
        far = true[f"{way}_untranslated_difference"]
        assert far == inverting[f"{way}_untranslated_difference"] > 100


def test_a_translator_that_changes_nothing_gains_nothing(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It reconstructs perfectly, and its distance to the mates is that of the originals."""
    test = data.load_pair("facades", "test")
    photos, maps = test["a/image"], test["b/image"]
    made = exact("facades", inverts=False, shape=photos.shape[1:])
    same = {m.name: m for m in measure(made).metrics}
    apart = np.mean([abs(int(p) - int(q)) for p, q in zip(photos.flat, maps.flat, strict=True)])
    for way in ("photo_to_map", "map_to_photo"):
        assert same[f"{way}_reconstruction"].value == 0.0
        for name in ("difference", "untranslated_difference"):
            assert same[f"{way}_{name}"].value == pytest.approx(apart)
            assert same[f"{way}_{name}"].n == len(photos)
    mates = {photo.tobytes(): plan for photo, plan in zip(photos, maps, strict=True)}
    mates |= {plan.tobytes(): photo for photo, plan in zip(photos, maps, strict=True)}
    monkeypatch.setattr(
        made,
        "run",
        lambda rows, way: np.stack([mates[np.ascontiguousarray(row).tobytes()] for row in rows]),
    )
    true = {m.name: m.value for m in measure(made).metrics}
    for way in ("photo_to_map", "map_to_photo"):
        assert true[f"{way}_difference"] == 0.0 and true[f"{way}_pairs"] == 1.0
        assert true[f"{way}_untranslated_difference"] == pytest.approx(apart)
    assert set(true) == {
        f"{way}_{name}"
        for way in ("photo_to_map", "map_to_photo")
        for name in ("difference", "untranslated_difference", "pairs", "reconstruction")
    }


def test_without_a_stored_judge_its_numbers_are_left_out_with_a_line(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert judge_of(None, "maps") is None and capsys.readouterr().err == ""
    assert judge_of("nobody.nothing@1", "digits") is None
    told = capsys.readouterr().err
    assert "nobody.nothing@1, the judge of digits, is not stored" in told
    assert told.count("\n") == 1 and "`zoo train nobody.nothing` makes it" in told


def test_the_command_line_translates_files(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [str(tmp_path / f"{name}.png") for name in ("one", "two")]
    for path in paths:
        Image.fromarray(np.zeros((30, 40), np.uint8)).save(path)
    folder = tmp_path / "out"
    command = ["translate", NAME, *paths, "--direction"]
    assert main([*command, "mnist_to_usps", "--output", str(folder), "--json"]) == 0
    entries = json.loads(capsys.readouterr().out)
    assert [entry["output"] for entry in entries] == [
        str(folder / f"{n}.png") for n in ("one", "two")
    ]
    assert all(Image.open(entry["output"]).size == (28, 28) for entry in entries)

    def refused(*arguments: str) -> str:
        assert main([*arguments]) == 2
        told = capsys.readouterr().err
        assert told.count("\n") == 1
        return told

    assert "did you mean usps_to_mnist" in refused(*command, "usps_mnist", "-o", str(folder))
    told = refused(*command, "mnist_to_usps", "-o", str(tmp_path))
    assert "would take the place of its own original" in told
    told = refused(*command, "mnist_to_usps", "-o", paths[0])
    assert "the output is a folder" in told
    twice = ["translate", NAME, paths[0], paths[0], "--direction", "mnist_to_usps", "-o"]
    assert "several pictures would become" in refused(*twice, str(folder))
    one = ["translate", "resnet20.fashion_mnist", paths[0], "--direction", "x", "-o", str(folder)]
    assert "is for classification, not for translation" in refused(*one)
    assert f"{NAME} is for translation, not for classification" in refused(
        "predict", NAME, paths[0]
    )


def test_list_show_verify_and_evaluate_know_it(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["list", "--task", "translation", "--json"]) == 0
    entries = {entry["name"]: entry for entry in json.loads(capsys.readouterr().out)}
    assert {"cyclegan", "discogan", NAME, "cyclegan.facades"} <= set(entries)
    assert entries[NAME]["versions"] == [1]
    assert main(["verify", NAME, "--metrics"]) == 0
    assert main(["evaluate", NAME, "--json"]) == 0
    assert main(["show", "cyclegan"]) == 0
    capsys.readouterr()
    assert main(["show", NAME]) == 0
    shown = capsys.readouterr().out
    assert 'translator.translate("picture.png", direction="mnist_to_usps")' in shown
    folder = zoo.store.find(NAME)
    assert "translations.png" in card_readme(zoo.card(NAME), folder)
    assert main(["evaluate", NAME, "--data", "mnist"]) == 2
    assert "only a classifier is measured on other data" in capsys.readouterr().err


def test_a_server_leaves_it_out_or_says_so(home: Path) -> None:
    tasks = ("classification", "generation")
    assert NAME not in _served(["*"], tasks)
    with pytest.raises(InvalidInputError, match="is for translation, which is not served"):
        _served([NAME], tasks)


def test_its_pipeline_is_found_by_its_task() -> None:
    assert pipeline_of("translation", ("g_ab", "g_ba")) is Translator
    assert generator((28, 28, 1), width=4, blocks=1).output_shape == (None, 28, 28, 1)
