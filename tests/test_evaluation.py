"""What is measured of a classifier, on which examples, and how a card tells it."""

from __future__ import annotations

import ast
import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

import zoo
from zoo import data, evaluation, store
from zoo.cards import Card
from zoo.cli import main
from zoo.errors import InvalidInputError
from zoo.evaluation import common
from zoo.evaluation.classification import _pictures
from zoo.metrics.corruptions import CORRUPTIONS, corrupt
from zoo.models.mlp.mlp import mlp
from zoo.pipelines import Classifier, Pipeline, make_pipeline
from zoo.recipe import DataSpec
from zoo.runtime.batches import LARGEST

NAME = "mlp.fashion_mnist"
Sample = Callable[[str, str], dict[str, np.ndarray]]


def make_card(**fields: object) -> Card:
    labels = list(data.get("fashion_mnist").labels)
    return Card(
        **{  # type: ignore[arg-type]
            "name": NAME,
            "task": "classification",
            "family": "mlp",
            "paper": "none",
            "recipe": {},
            "data": {"name": "fashion_mnist"},
            "metrics": (),
            "input": {"name": "images", "shape": [28, 28, 1], "dtype": "float32"},
            "output": {"labels": labels},
            "networks": {},
            "parameters": {"network": 7850},
            "training": {"seconds": 1, "epochs": 1},
            "licence": "none",
            "versions": {},
            **fields,
        }
    )


@pytest.fixture(scope="module")
def classifier() -> Pipeline:
    keras.utils.set_random_seed(3)
    return make_pipeline(make_card(), {"network": mlp(units=())})


@pytest.fixture
def stored(classifier: Classifier, sample_home: Path) -> Path:
    measured = evaluation.measure(classifier)
    costs = evaluation.costs(classifier)
    card = dataclasses.replace(classifier.card, metrics=measured.metrics, costs=costs)
    return store.save(card, classifier.networks, measured.pictures)


def test_metrics_are_those_of_the_test_split(
    classifier: Classifier, sample_home: Path, sample: Sample
) -> None:
    test = sample("fashion_mnist", "test")
    measured = {metric.name: metric for metric in evaluation.measure(classifier).metrics}
    names = ["accuracy", "nll", "ece", "corruption_accuracy"]
    assert list(measured) == [*names, *(f"accuracy_{kind}" for kind in CORRUPTIONS)]
    right = classifier.scores(test["image"]).argmax(1) == test["label"]
    assert measured["accuracy"].value == right.mean()
    noisy = classifier.scores(corrupt(test["image"], "gaussian_noise")).argmax(1) == test["label"]
    assert measured["accuracy_gaussian_noise"].value == noisy.mean()
    assert "severity 3: deviation 0.08" in measured["accuracy_gaussian_noise"].note
    each = [measured[f"accuracy_{kind}"].value for kind in CORRUPTIONS]
    assert measured["corruption_accuracy"].value == pytest.approx(np.mean(each))
    for metric in measured.values():
        assert (metric.split, metric.n) == ("test", 256)
        assert metric.command == f"zoo evaluate {NAME}"


def test_further_test_splits_give_a_second_accuracy(
    classifier: Classifier, sample_home: Path, sample: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = data.get("fashion_mnist")
    more = dataclasses.replace(
        known, splits={**known.splits, "official": 100}, tests=("test", "official")
    )
    monkeypatch.setattr("zoo.data.get", lambda name: more)
    part = {key: value[:100] for key, value in sample("fashion_mnist", "test").items()}
    whole = data.examples

    def examples(spec: DataSpec, split: str) -> dict[str, np.ndarray]:
        return part if split == "official" else whole(spec, split)

    monkeypatch.setattr("zoo.data.examples", examples)
    metrics = evaluation.measure(classifier).metrics
    assert [m.name for m in metrics if m.split == "official"] == ["accuracy"]
    card = make_card(metrics=metrics)
    first, second = card.metric("accuracy"), card.metric("accuracy", "official")
    assert first is not None and first.split == "test"
    assert second is not None and second.n == 100
    right = classifier.scores(part["image"]).argmax(1) == part["label"]
    assert second.value == right.mean()


def test_images_become_pixels_in_chunks_and_the_numbers_stay(
    classifier: Classifier, sample_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zoo.evaluation.classification._pictures", lambda *drawn: {})
    whole = evaluation.measure(classifier).metrics
    assert common.CHUNK % LARGEST == 0
    rows = classifier.rows
    counts: set[int] = set()

    def counted(images: np.ndarray) -> np.ndarray:
        counts.add(len(images))
        return rows(images)

    monkeypatch.setattr(classifier, "rows", counted)
    monkeypatch.setattr(common, "CHUNK", 100)
    parts = evaluation.measure(classifier).metrics
    assert counts == {100, 56}
    assert [metric.value for metric in parts] == pytest.approx([m.value for m in whole], rel=1e-5)


def test_pictures_are_drawn_and_errors_only_where_there_are_some(
    classifier: Classifier, sample_home: Path, sample: Sample
) -> None:
    pictures = evaluation.measure(classifier).pictures
    assert set(pictures) == {"confusion.png", "calibration.png", "errors.png"}
    assert all(picture.startswith(b"\x89PNG") for picture in pictures.values())
    images = sample("fashion_mnist", "test")["image"]
    scores = classifier.scores(images)
    right = _pictures(images, scores.argmax(1), scores, classifier.labels)
    assert set(right) == {"confusion.png", "calibration.png"}


def test_a_stored_version_tells_its_numbers_costs_and_commands(
    stored: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    card = store.read_card(NAME)
    reference = f"{NAME}@{card.version}"
    assert {metric.command for metric in card.metrics} == {f"zoo evaluate {reference}"}
    assert card.costs["flops"] == 2 * 784 * 10
    assert card.costs["bytes"] == {"network": (stored / "network.keras").stat().st_size}
    assert card.costs["latency_ms"] > 0 and card.costs["images_per_second"] > 0
    assert card.costs["threads"] >= 1 and card.costs["device"] and card.costs["processor"]
    readme = (stored / "README.md").read_text(encoding="utf-8")
    for words in (
        "| corruption_accuracy |",
        "| 15,680 (2 for each multiply-add) |",
        "calibration.png",
        "errors.png",
    ):
        assert words in readme
    assert main(["show", NAME]) == 0
    assert "| latency of one image |" in capsys.readouterr().out
    assert main(["evaluate", reference, "--costs", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["flops"] == card.costs["flops"]


def test_verify_compares_accuracy_and_flops_but_no_time(
    stored: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    card = store.read_card(NAME)
    slow = {**card.costs, "latency_ms": 1e9, "images_per_second": 0}
    older = [metric for metric in card.metrics if "corruption" not in metric.name]

    def with_fields(**fields: object) -> None:
        record = json.loads(dataclasses.replace(card, **fields).to_json())  # type: ignore[arg-type]
        (stored / "card.json").write_text(json.dumps(record), encoding="utf-8")

    verify = ["verify", f"{NAME}@{card.version}", "--metrics"]
    with_fields(costs=slow, metrics=tuple(older))
    assert main(verify) == 0, capsys.readouterr().out
    with_fields(costs={**card.costs, "flops": 3})
    assert main(verify) == 2
    assert "takes 15680 FLOPs, the card says 3" in capsys.readouterr().out
    wrong = dataclasses.replace(card.metrics[0], value=0.99)
    gone = dataclasses.replace(card.metrics[0], name="f1")
    with_fields(metrics=(wrong, gone))
    assert main(verify) == 2
    shown = capsys.readouterr().out
    assert "accuracy is" in shown and "f1 on test was not measured again" in shown


def test_another_data_set_with_as_many_classes_can_be_measured_on(
    stored: Path, sample: Sample, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", NAME, "--data", "mnist", "--json"]) == 0
    accuracy = json.loads(capsys.readouterr().out)[0]
    version = store.read_card(NAME).version
    assert accuracy["command"] == f"zoo evaluate {NAME}@{version} --data mnist"
    classifier = zoo.load(NAME)
    assert isinstance(classifier, Classifier)
    digits = sample("mnist", "test")
    right = classifier.scores(digits["image"]).argmax(1) == digits["label"]
    assert accuracy["value"] == right.mean() == zoo.evaluate(NAME, data="mnist")[0].value


def test_own_images_are_measured_with_classes_by_their_names(
    classifier: Classifier, sample_home: Path, sample: Sample, tmp_path: Path
) -> None:
    clothes = sample("fashion_mnist", "test")
    names = data.get("fashion_mnist").labels
    folder = tmp_path / "clothes"
    for number, (image, label) in enumerate(zip(*clothes.values(), strict=True)):
        # A class's folder; in the order of folders they are not those of the classifier.
        path = folder / "test" / names[label].replace("/", " ") / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[..., 0]).save(path)
        train = folder / "train" / path.parent.name / path.name
        train.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(255 - image[..., 0]).save(train)
    labels = [name.replace("/", " ") for name in names]
    assert labels != sorted(labels)
    named = make_pipeline(make_card(output={"labels": labels}), classifier.networks)
    found = evaluation.measure(named, str(folder)).metrics[0]
    right = classifier.scores(clothes["image"]).argmax(1) == clothes["label"]
    assert found.value == right.mean() and found.n == len(right)
    assert found.command.endswith(f"--data {folder}") and found.split == "test"


def test_a_data_set_with_other_classes_is_refused(
    classifier: Classifier, sample_home: Path
) -> None:
    few = make_pipeline(make_card(output={"labels": ["a", "b"]}), classifier.networks)
    with pytest.raises(InvalidInputError, match="tells 2 classes apart, mnist has 10"):
        evaluation.measure(few, "mnist")


def test_of_some_classes_only_their_examples_count(
    classifier: Classifier, sample_home: Path, sample: Sample
) -> None:
    network = mlp(units=(), classes=2)
    card = make_card(
        data={"name": "fashion_mnist", "classes": [7, 2]},
        output={"labels": ["Sneaker", "Pullover"]},
    )
    accuracy = evaluation.measure(make_pipeline(card, {"network": network})).metrics[0]
    assert accuracy.n == np.isin(sample("fashion_mnist", "test")["label"], [7, 2]).sum()


def test_nothing_but_evaluation_names_a_test_split() -> None:
    """Other files neither ask a data set for its test splits nor load one by its usual name."""
    root = Path(zoo.__file__).parents[1]
    for folder in ("zoo", "tuning", "serving"):
        for path in sorted((root / folder).rglob("*.py")):
            where = path.relative_to(root).as_posix()
            if where.startswith(("zoo/evaluation/", "zoo/data/")):
                continue
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                asks = isinstance(node, ast.Attribute) and node.attr == "tests"
                names = isinstance(node, ast.Constant) and node.value in ("test", "heldout")
                assert not asks and not names, f"{where}:{node.lineno}"  # type: ignore[attr-defined]
