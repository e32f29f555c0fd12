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
from zoo.autoencoding import Coder
from zoo.cards import Card
from zoo.cli import main
from zoo.errors import InvalidInputError
from zoo.evaluation.generation import GENERATED, NO_SPLIT
from zoo.evaluation.translation import SHOWN
from zoo.generation import Generator
from zoo.images import encode_png, image_grid
from zoo.pipelines import Classifier, pipeline_of
from zoo.recipe import DataSpec, Recipe
from zoo.translation import Translator

# What each model promised to reach on the test split before it was trained.
GOALS = {
    "lenet5.mnist": 0.992,
    "mlp.fashion_mnist": 0.895,
    "resnet20.cifar10": 0.9125,
    "resnet20.fashion_mnist": 0.935,
    "small_cnn.fashion_mnist": 0.925,
    "small_cnn.mnist": 0.996,
    "small_cnn.mnist_to_usps-cdan": 0.95,
    "small_cnn.usps": 0.97,
    "small_cnn.usps_to_mnist-cdan": 0.96,
    "speednet.cifar10": 0.94,
    "speednet.fashion_mnist": 0.95,
}
# Nats an image, of digits binarised anew in training.
GREATEST_ELBO = {"vae.mnist": 95.0}
SHIPPED = store.names()
CLASSIFIERS, GENERATORS, TRANSLATORS = (
    [name for name in SHIPPED if store.read_card(name).task == task]
    for task in ("classification", "generation", "translation")
)
CODERS = [name for name in SHIPPED if {*store.read_card(name).networks} == {"encoder", "decoder"}]
# Of these n counts generated images, of which there may be more than real ones.
OF_GENERATED = ("memorised_", "nearer_train_")

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
    source = data.source(card.data["name"])
    assert card.data["n"] == training_images(source, recipe.data)
    assert card.metrics
    sets = source.sets if isinstance(source, data.Pair) else (source,)
    largest = {split: max(one.splits[split] for one in sets) for split in sets[0].tests}
    for metric in card.metrics:
        if metric.split != NO_SPLIT:
            assert metric.split in largest
            limit = GENERATED if metric.name.startswith(OF_GENERATED) else largest[metric.split]
            assert 0 < metric.n <= limit
        # The first cards were made before commands named the version.
        assert metric.command in (f"zoo evaluate {name}", f"zoo evaluate {name}@{card.version}")
    # Which network takes the rows, and how they lie in it, the pipeline knows.
    names = card.input.get("domains", card.labels)
    inputs, output = pipeline_of(card.task, networks).describe(networks, names)
    assert (inputs["name"], inputs["shape"]) == (card.input["name"], card.input["shape"])
    assert output["shape"] == card.output["shape"]
    folder = store.find(name)
    assert (folder / "README.md").read_text().startswith(f"# {card.name}, version {card.version}")
    rows = (folder / "history.csv").read_text().splitlines()
    assert len(rows) == recipe.epochs + 1
    # A classifier names what it answers, a conditional generator what it may be asked for.
    told = card.output.get("labels", card.input.get("labels"))
    assert told is None or tuple(told) == data.labels(recipe.data)
    assert told is not None or card.task != "classification"


def training_images(source: data.DataSet | data.Pair, spec: DataSpec) -> int:
    """Returns how many images an epoch passes over: those of the longest domain of a pair."""
    sizes = [source.splits["train"]] if isinstance(source, data.DataSet) else []
    for domain in source.domains.values() if isinstance(source, data.Pair) else ():
        size = data.get(domain.dataset).splits["train"]
        sizes.append(size if domain.half is None else (size + 1 - domain.half) // 2)
    return max(min(size - spec.validation, spec.limit or size) for size in sizes)


@pytest.mark.parametrize(
    ("name", "expected"), [("mnist", 59_000), ("mnist_usps", 59_000), ("mnist_inverted", 29_000)]
)
def test_training_images_are_counted_by_the_longest_domain(name: str, expected: int) -> None:
    assert training_images(data.source(name), DataSpec(name, validation=1000)) == expected
    assert training_images(data.source(name), DataSpec(name, limit=70)) == 70


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_a_classifier_is_right_about_as_often_as_its_card_says(name: str, sample: Sample) -> None:
    classifier = zoo.load(name)
    assert isinstance(classifier, Classifier)
    accuracy = _value(classifier.card, "accuracy")
    assert accuracy >= GOALS.get(name, 0.0)
    learned = data.source(classifier.card.data["name"])
    known = learned.target if isinstance(learned, data.Shift) else data.get(learned.name)
    test = sample(known.name, known.tests[0])
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


@pytest.mark.parametrize("name", GENERATORS)
def test_a_conditional_generator_draws_what_it_is_asked_for(name: str) -> None:
    generator = zoo.load(name)
    assert isinstance(generator, Generator)
    if not generator.labels:
        with pytest.raises(InvalidInputError, match="draws no labels on demand"):
            generator.generate(1, label=0)
        return
    judge = data.get(generator.card.data["name"]).judge
    assert judge is not None
    classifier = zoo.load(judge)
    assert isinstance(classifier, Classifier) and generator.labels == classifier.labels
    asked = np.arange(20 * len(generator.labels)) % len(generator.labels)
    images = generator.generate(len(asked), seed=1000, label=asked.tolist())
    assert np.mean(classifier.scores(images).argmax(1) == asked) > 0.7


@pytest.mark.parametrize("name", TRANSLATORS)
def test_a_translator_translates_its_pictures_again(name: str) -> None:
    """The originals are in the picture, above what was made of them."""
    translator = zoo.load(name)
    assert isinstance(translator, Translator)
    picture = np.asarray(Image.open(store.find(name) / "translations.png"))
    stored = cells(picture.reshape(*picture.shape[:2], -1), translator.input_shape, rows=4)
    assert stored.shape[1] <= SHOWN
    for number, direction in enumerate(translator.directions):
        originals, translated = stored[2 * number : 2 * number + 2]
        again = translator.translate(originals, direction)
        # Another processor may round otherwise, and instance norm carries that on.
        assert np.abs(translated.astype(int) - again.astype(int)).max() <= 2
        accuracy = translator.card.metric(f"{direction}_accuracy")
        if accuracy is not None:
            assert accuracy.value > _value(translator.card, f"{direction}_untranslated_accuracy")


@pytest.mark.parametrize("name", CODERS)
def test_an_autoencoder_gives_its_pictures_back_again(name: str) -> None:
    coder = zoo.load(name)
    assert isinstance(coder, Coder)
    picture = np.asarray(Image.open(store.find(name) / "reconstructions.png"))
    stored = cells(picture.reshape(*picture.shape[:2], -1), coder.input_shape, rows=4)
    for originals, made in (stored[:2], stored[2:]):
        again = coder.reconstruct(originals)
        # Another processor may round otherwise, and group norm carries that on.
        assert np.abs(made.astype(int) - again.astype(int)).max() <= 2
    elbo = coder.card.metric("negative_elbo")
    assert elbo is None or elbo.value <= GREATEST_ELBO.get(name, np.inf)


def cells(grid: np.ndarray, shape: tuple[int, ...], rows: int, gap: int = 2) -> np.ndarray:
    """Returns the images that `image_grid` laid out, (rows, columns, height, width, channels)."""
    height, width = shape[:2]
    columns = (grid.shape[1] - gap) // (width + gap)
    assert grid.shape[0] == rows * (height + gap) + gap
    return np.stack(
        [
            [
                grid[top : top + height, left : left + width]
                for left in range(gap, columns * (width + gap), width + gap)
            ]
            for top in range(gap, rows * (height + gap), height + gap)
        ]
    )


def test_the_images_of_a_grid_are_found_again() -> None:
    images = np.random.default_rng(0).integers(0, 256, (12, 5, 4, 3), dtype=np.uint8)
    found = cells(image_grid(images, columns=3), (5, 4, 3), rows=4)
    np.testing.assert_array_equal(found, images.reshape(4, 3, 5, 4, 3))


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
