"""The shipped models: whole, as good as their cards say, within their limits."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import zoo
from zoo import data, paths, registry, store
from zoo.cards import Card
from zoo.cli import main
from zoo.evaluation.generation import NO_SPLIT
from zoo.images import encode_png
from zoo.pipelines import Classifier, Generator
from zoo.recipe import Recipe

# What each model promised to reach on the test split before it was trained.
GOALS = {
    "lenet5.mnist": 0.992,
    "mlp.fashion_mnist": 0.895,
    "resnet20.cifar10": 0.9125,
    "resnet20.fashion_mnist": 0.935,
    "small_cnn.fashion_mnist": 0.925,
    "small_cnn.mnist": 0.996,
}
SHIPPED = store.names()
CLASSIFIERS, GENERATORS = (
    [name for name in SHIPPED if store.read_card(name).task == task]
    for task in ("classification", "generation")
)

Sample = Callable[[str, str], dict[str, np.ndarray]]


def test_the_three_first_models_are_there() -> None:
    assert {"mlp.fashion_mnist", "resnet20.fashion_mnist", "dcgan.fashion_mnist"} <= set(SHIPPED)


def test_all_of_them_stay_small() -> None:
    files = [path for path in paths.shipped_models().rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 120 * 2**20


@pytest.mark.parametrize("name", SHIPPED)
def test_every_claim_of_a_card_that_can_be_checked_here_holds(name: str) -> None:
    card, networks = store.load(name)
    assert card.parameters == {key: network.count_params() for key, network in networks.items()}
    recipe = Recipe.from_dict(card.recipe)
    assert recipe.architecture in registry.architectures()
    assert card.training["epochs"] == recipe.epochs
    dataset = data.get(card.data["name"])
    assert card.data["n"] == dataset.splits["train"] - recipe.data.validation
    assert card.metrics
    for metric in card.metrics:
        if metric.split != NO_SPLIT:
            assert metric.split in dataset.tests and metric.n <= dataset.splits[metric.split]
        # The first cards were made before commands named the version.
        assert metric.command in (f"zoo evaluate {name}", f"zoo evaluate {name}@{card.version}")
    first = next(iter(networks.values()))
    assert list(first.input_shape[1:]) == card.input["shape"]
    assert first.input.name == card.input["name"]
    folder = store.find(name)
    assert (folder / "README.md").read_text().startswith(f"# {card.name}, version {card.version}")
    rows = (folder / "history.csv").read_text().splitlines()
    assert len(rows) == recipe.epochs + 1


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_a_classifier_is_right_about_as_often_as_its_card_says(name: str, sample: Sample) -> None:
    classifier = zoo.load(name)
    assert isinstance(classifier, Classifier)
    accuracy = _value(classifier.card, "accuracy")
    assert accuracy >= GOALS.get(name, 0.0)
    name = classifier.card.data["name"]
    test = sample(name, data.get(name).tests[0])
    right = (classifier.scores(test["image"]).argmax(1) == test["label"]).mean()
    # Three standard errors of a share measured on this many images.
    margin = 3 * np.sqrt(accuracy * (1 - accuracy) / len(test["label"]))
    assert abs(right - accuracy) < margin


@pytest.mark.parametrize("name", GENERATORS)
def test_a_generator_draws_its_samples_again(name: str) -> None:
    generator = zoo.load(name)
    assert isinstance(generator, Generator)
    grid = generator.grid(64, seed=0)
    stored = np.asarray(Image.open(store.find(name) / "samples.png"))
    drawn = np.asarray(Image.open(io.BytesIO(encode_png(grid))))
    # Another processor may round a pixel otherwise, by one level.
    assert np.abs(stored.astype(int) - drawn.astype(int)).max() <= 1
    distances = {metric.name: metric.value for metric in generator.card.metrics}
    for measure, value in distances.items():
        if measure.startswith(("fd_", "kid_")) and not measure.endswith("_floor"):
            assert value > distances[f"{measure}_floor"]


def test_what_it_draws_is_clothes_of_every_kind() -> None:
    """A classifier that never saw a drawing is sure of most, and finds all ten classes."""
    images = zoo.load("dcgan.fashion_mnist").generate(256, seed=0)  # type: ignore[attr-defined]
    judge = zoo.load("resnet20.fashion_mnist")
    assert isinstance(judge, Classifier)
    scores = judge.scores(images)
    counts = np.bincount(scores.argmax(1), minlength=10)
    assert counts.min() >= 3
    assert (scores.max(1) > 0.7).mean() > 0.6


def _value(card: Card, name: str) -> float:
    metric = card.metric(name)
    assert metric is not None
    return metric.value


@pytest.mark.full
@pytest.mark.timeout(900)
def test_every_number_of_every_card_measures_again(
    full_home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ZOO_HOME", str(full_home))
    assert main(["verify", "--metrics"]) == 0, capsys.readouterr().out
