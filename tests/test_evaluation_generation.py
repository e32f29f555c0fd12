"""What is measured of a generator: planted ones have known numbers."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import zoo
from zoo import data, evaluation, registry, store
from zoo.cards import Card, Metric
from zoo.errors import InvalidInputError, RecipeError
from zoo.evaluation import common, generation
from zoo.evaluation.accuracy_score import classifier_accuracy_score, score_recipe
from zoo.evaluation.common import judge_of, require_judges
from zoo.evaluation.spaces import ALIGNED, Space
from zoo.generation import Generator
from zoo.metrics.alignment import comparisons
from zoo.metrics.neighbours import nearest
from zoo.metrics.smoothness import SMOOTH
from zoo.models.mlp.mlp import mlp
from zoo.pipelines import make_pipeline
from zoo.recipe import DataSpec, Recipe
from zoo.runs import new_run
from zoo.runtime import KerasFunctions
from zoo.training.publish import publish

Sample = Callable[[str, str], dict[str, np.ndarray]]
MEASURES = ("fd", "kid", "precision", "recall", "density", "coverage")
JUDGE = "mlp.fashion_mnist"


def make_recipe(name: str, **options: Any) -> Recipe:
    architecture, _, dataset = name.partition(".")
    return Recipe(name=name, architecture=architecture, data=DataSpec(dataset, **options))


def make_card(name: str, **fields: Any) -> Card:
    return Card(
        **{
            "name": name,
            "task": "generation",
            "family": "gan",
            "paper": "none",
            "recipe": make_recipe(name).to_dict(),
            "data": {"name": "fashion_mnist"},
            "metrics": (),
            "input": {"name": "latents", "shape": [8], "dtype": "float32"},
            "output": {"kind": "pixels"},
            "networks": {},
            "parameters": {},
            "training": {},
            "licence": "none",
            "versions": {},
            **fields,
        }
    )


@pytest.fixture
def judged(sample_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A small judge of fashion_mnist is stored; few images are drawn and few paths walked."""
    keras.utils.set_random_seed(0)
    labels = list(data.get("fashion_mnist").labels)
    card = make_card(
        JUDGE,
        task="classification",
        family="mlp",
        input={"name": "images", "shape": [28, 28, 1]},
        output={"labels": labels},
    )
    store.save(card, {"network": mlp(units=(16,))})
    known = dataclasses.replace(data.get("fashion_mnist"), judge=f"{JUDGE}@1")
    monkeypatch.setattr("zoo.data.get", lambda name: known)
    monkeypatch.setattr(generation, "PATHS", 4)
    monkeypatch.setattr(generation, "GENERATED", 512)


class Replay(Generator):
    """Draws given images in their order, or of a label; its paths fade from one to the other.

    Options of the data say what its recipe trained on.
    """

    def __init__(
        self, images: np.ndarray, labels: np.ndarray | None = None, **options: Any
    ) -> None:
        name = "replay.fashion_mnist"
        self.card = make_card(name, recipe=make_recipe(name, **options).to_dict())
        self.images, self.classes = images, labels
        self.labels = [] if labels is None else list(data.get("fashion_mnist").labels)
        self.functions = KerasFunctions({}, {}, {})

    def generate(
        self,
        n: int = 1,
        seed: int | Sequence[int] = 0,
        label: Any = None,
        truncation: float | None = None,
    ) -> np.ndarray:
        seeds = np.arange(seed, seed + n) if isinstance(seed, int) else np.asarray(seed)
        if label is None:
            return self.images[seeds % len(self.images)]
        assert self.classes is not None
        groups = [np.flatnonzero(self.classes == one) for one in np.broadcast_to(label, n)]
        chosen = [rows[one % len(rows)] for rows, one in zip(groups, seeds, strict=True)]
        return self.images[chosen]

    def interpolate(self, start: Any, end: Any, steps: int = 8, **options: Any) -> np.ndarray:
        one, other = self.generate(2, [start, end], **options).astype(float)
        share = np.linspace(0, 1, steps)[:, None, None, None]
        return ((1 - share) * one + share * other).astype(np.uint8)


def values(metrics: Sequence[Metric]) -> dict[str, float]:
    return {metric.name: metric.value for metric in metrics}


@pytest.mark.usefixtures("judged")
def test_a_generator_that_repeats_training_images_scores_as_they_do(sample: Sample) -> None:
    """It is as good as the floor by every measure, and only memorisation gives it away."""
    measured = evaluation.measure(Replay(sample("fashion_mnist", "train")["image"]))
    found = values(measured.metrics)
    for name in MEASURES:
        assert found[f"{name}_mlp"] == pytest.approx(found[f"{name}_mlp_floor"], rel=1e-9)
    assert found["memorised_mlp"] == found["nearer_train_mlp"] == 1.0
    # 512 of 768 real images were trained on, by a judge that never learned.
    assert found["nearer_train_mlp_floor"] == pytest.approx(2 / 3, abs=0.1)
    assert set(measured.pictures) == {"samples.png", "neighbours.png"}
    for metric in measured.metrics:
        of_paths = metric.name in ("jump", "jump_worst", "smooth_paths")
        assert metric.note.startswith("pixels" if of_paths else "features of mlp.fashion_mnist@1")
        assert metric.command == "zoo evaluate replay.fashion_mnist"
        # Distances are taken at equal n; copies are looked for among all that was generated.
        many = metric.name in ("memorised_mlp", "nearer_train_mlp")
        expected = ("none", 4) if of_paths else ("test", 512 if many else 256)
        assert (metric.split, metric.n) == expected
        if metric.name[:3] in ("fd_", "kid") and metric.name.endswith("_floor"):
            assert "256 train images, which the judge saw" in metric.note


@pytest.mark.usefixtures("judged")
def test_only_what_a_recipe_trained_on_can_be_copied(
    sample: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two that repeat train images, one repeats those that its recipe left out."""
    train = sample("fashion_mnist", "train")["image"]
    drawn: list[np.ndarray] = []

    def draw(images: np.ndarray, captions: Sequence[str], columns: int) -> bytes:
        drawn.append(images)
        return b""

    monkeypatch.setattr("zoo.report.captioned_png", draw)
    copier = values(evaluation.measure(Replay(train[:128], limit=128)).metrics)
    measured = evaluation.measure(Replay(train[128:], limit=128)).metrics
    fresh = values(measured)
    assert copier["memorised_mlp"] == copier["nearer_train_mlp"] == 1.0
    assert fresh["memorised_mlp"] < 0.3
    # As chance has it: 128 images were trained on, 256 held out.
    assert fresh["nearer_train_mlp"] == pytest.approx(1 / 3, abs=0.15)
    known = {image.tobytes() for image in train[:128]}
    assert {image.tobytes() for images in drawn for image in images[1::2]} <= known
    # Distances and their floors are taken at the n of all that is real, as without a limit.
    whole = values(evaluation.measure(Replay(train[128:])).metrics)
    for metric in measured:
        if metric.name.startswith(MEASURES):
            assert metric.n == 256
            assert metric.value == pytest.approx(whole[metric.name], rel=1e-9)


@pytest.mark.usefixtures("judged")
def test_a_generator_of_the_test_images_is_perfect_and_no_copier(sample: Sample) -> None:
    found = values(evaluation.measure(Replay(sample("fashion_mnist", "test")["image"])).metrics)
    assert found["fd_mlp"] == pytest.approx(0, abs=1e-6)
    assert found["kid_mlp"] < found["kid_mlp_floor"]
    assert found["precision_mlp"] == found["recall_mlp"] == found["coverage_mlp"] == 1.0
    assert found["memorised_mlp"] == pytest.approx(0.05, abs=0.005)
    assert found["nearer_train_mlp"] == 0.0
    assert 1 <= found["jump"] <= found["jump_worst"] <= generation.IMAGES_OF_A_PATH - 1
    # Images that fade into each other change evenly.
    assert found["jump_worst"] < SMOOTH and found["smooth_paths"] == 1.0


def test_a_path_that_leaps_is_not_smooth(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of the paths fade; the others do so, too, but leap over half of the way in one step."""

    class Leaping(Replay):
        def interpolate(self, start: Any, end: Any, steps: int = 8, **options: Any) -> np.ndarray:
            images = super().interpolate(start, end, 2 * steps, **options)
            half = steps // 2
            return images[::2] if start % 4 else np.concatenate([images[:half], images[-half:]])

    monkeypatch.setattr(generation, "PATHS", 8)
    monkeypatch.setattr(generation, "IMAGES_OF_A_PATH", 32)
    leaping = Leaping(np.random.default_rng(0).integers(0, 256, (16, 9, 9, 1), dtype=np.uint8))
    found = values(list(generation._smoothness(leaping)))
    assert found["smooth_paths"] == 0.5 and found["jump_worst"] > SMOOTH > 1


@pytest.mark.usefixtures("judged")
def test_the_test_labels_change_nothing(sample: Sample, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoo.report.captioned_png", lambda *drawn, **options: b"")
    replay = Replay(sample("fashion_mnist", "train")["image"][::-1])
    before = evaluation.measure(replay).metrics
    whole = data.examples

    def relabelled(spec: DataSpec, split: str) -> dict[str, np.ndarray]:
        arrays = whole(spec, split)
        return {**arrays, "label": np.roll(arrays["label"], 1)}

    monkeypatch.setattr("zoo.data.examples", relabelled)
    assert evaluation.measure(replay).metrics == before


def test_chunks_do_not_change_features(monkeypatch: pytest.MonkeyPatch, sample: Sample) -> None:
    images = sample("fashion_mnist", "test")["image"][:50]
    space = Space("pixels", "", common.flat_pixels, nearest, judged=True)
    whole = space.of(images)
    assert whole.shape == (50, 784) and whole.max() <= 1
    monkeypatch.setattr(common, "CHUNK", 7)
    np.testing.assert_array_equal(space.of(images), whole)
    np.testing.assert_array_equal(space.of_generated(Replay(images), 50), whole)


def test_without_a_judge_pixels_tell_what_they_can(
    sample_home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Distances of distributions of pixels mean little, and none is given."""
    monkeypatch.setattr(generation, "PATHS", 4)
    monkeypatch.setattr(generation, "GENERATED", 64)
    network = keras.Sequential(
        [keras.Input((8,)), keras.layers.Dense(784, "tanh"), keras.layers.Reshape((28, 28, 1))]
    )
    card = make_card("dense.mnist", data={"name": "mnist"})
    missing = dataclasses.replace(data.get("mnist"), judge="missing.mnist@1")
    monkeypatch.setattr("zoo.data.get", lambda name: missing)
    metrics = evaluation.measure(make_pipeline(card, {"generator": network})).metrics
    found = values(metrics)
    copies = {"memorised_pixels", "nearer_train_pixels"}
    assert set(found) == {*copies, "jump", "jump_worst", "smooth_paths"}
    assert found["memorised_pixels"] == 0.0
    noted = {metric.name: metric.note for metric in metrics}
    # Of 64 held-out digits and 512 others.
    assert "; 0.889 by chance, deviation 0." in noted["nearer_train_pixels"]
    told = capsys.readouterr().err
    assert "missing.mnist@1, the judge of mnist, is not stored" in told
    assert "`zoo train missing.mnist` makes it" in told


@pytest.fixture
def without_judge(sample_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Few images are drawn, and Fashion-MNIST has no judge."""
    monkeypatch.setattr(generation, "PATHS", 4)
    monkeypatch.setattr(generation, "GENERATED", 64)
    known = dataclasses.replace(data.get("fashion_mnist"), judge=None)
    monkeypatch.setattr("zoo.data.get", lambda name: known)


def test_chance_counts_only_what_was_trained_on(
    without_judge: None, sample: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zoo.report.captioned_png", lambda *drawn, **options: b"")
    # 64 images are drawn, as many were trained on and as many are held out.
    replay = Replay(sample("fashion_mnist", "test")["image"], validation=96, limit=64)
    noted = {metric.name: metric.note for metric in evaluation.measure(replay).metrics}
    assert "; 0.500 by chance, deviation 0." in noted["nearer_train_pixels"]


def test_altered_copies_do_not_pass_without_a_judge(without_judge: None, sample: Sample) -> None:
    images = sample("fashion_mnist", "train")["image"][:64]
    altered = (30 + 0.8 * np.roll(images, (2, -3), axis=(1, 2))[:, :, ::-1]).astype(np.uint8)
    found = values(evaluation.measure(Replay(altered)).metrics)
    assert found["memorised_pixels"] > 0.9 and found["nearer_train_pixels"] > 0.95


def test_alignment_takes_as_many_images_as_time_allows() -> None:
    space = Space("pixels", "", lambda images: images, nearest, judged=False)
    assert space.most(10_000, 400, (64, 64, 1)) == 10_000
    shape = (28, 28, 1)
    few = space.most(10_000, 70_000, shape)
    assert 100 < few < 1000
    assert few * 70_000 * comparisons(shape) <= ALIGNED < (few + 1) * 70_000 * comparisons(shape)
    assert dataclasses.replace(space, judged=True).most(10_000, 70_000, shape) == 10_000


def test_without_its_judge_nothing_is_trained_or_stored(
    sample_home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = registry.recipes().get("dcgan.mnist")
    require_judges(recipe)
    run = new_run(recipe)
    run.model = keras.Model()
    missing = dataclasses.replace(data.get("mnist"), judge="missing.mnist@2")
    monkeypatch.setattr("zoo.data.source", lambda name: missing)
    told = r"measured by missing\.mnist@2, which is not stored; `zoo train missing\.mnist` makes it"
    with pytest.raises(RecipeError, match=told):
        zoo.train(recipe, verbose=0)
    assert [path.name for path in run.folder.parent.iterdir()] == [run.folder.name]
    with pytest.raises(RecipeError, match=told):
        publish(run)
    assert not (sample_home / "models").exists()
    # A classifier has no judge; it may be one.
    require_judges(registry.recipes().get("small_cnn.mnist"))
    assert judge_of(None, "mnist") is None and capsys.readouterr().err == ""
    judge = judge_of("small_cnn.mnist@1", "mnist")
    assert judge is not None and judge.card.name == "small_cnn.mnist"


def test_a_judge_that_no_training_makes_again_is_to_be_put_back(
    sample_home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is stored next becomes version 4, so that version 1 stays missing for ever."""
    stored = sample_home / "models" / "missing.mnist"
    for version in ("2", "3"):
        (stored / version).mkdir(parents=True)
        (stored / version / "card.json").touch()
    missing = dataclasses.replace(data.get("mnist"), judge="missing.mnist@1")
    monkeypatch.setattr("zoo.data.source", lambda name: missing)
    with pytest.raises(RecipeError) as refused:
        require_judges(registry.recipes().get("dcgan.mnist"))
    assert judge_of("missing.mnist@1", "mnist") is None
    for told in (str(refused.value), capsys.readouterr().err.rstrip("\n")):
        assert "there is missing.mnist@2, missing.mnist@3, and" in told
        assert "becomes missing.mnist@4" in told and str(stored / "1") in told
        assert "zoo train" not in told and "\n" not in told
    # One that is still to come is made by training.
    assert judge_of("missing.mnist@4", "mnist") is None
    assert "`zoo train missing.mnist` makes it" in capsys.readouterr().err


def test_every_judge_is_a_version_of_a_classifier_of_its_data_set() -> None:
    for name in data.DATASETS:
        judge = data.get(name).judge
        if judge is not None:
            architecture, _, rest = judge.partition(".")
            assert architecture and rest.split("@")[0] == name and rest.split("@")[1].isdigit()


def quick_recipe(spec: DataSpec) -> Recipe:
    return Recipe(
        name="mlp.fashion_mnist-cas",
        architecture="mlp",
        data=spec,
        network={"units": []},
        batch_size=32,
        epochs=4,
    )


@pytest.mark.usefixtures("judged")
def test_a_conditional_generator_has_an_accuracy_score(
    sample: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zoo.report.captioned_png", lambda *drawn, **options: b"")
    train = sample("fashion_mnist", "train")
    shown: list[tuple[np.ndarray, np.ndarray]] = []

    def score(images: np.ndarray, labels: np.ndarray, recipe: Recipe) -> tuple[float, int]:
        shown.append((images, labels))
        return {1: 0.80, 2: 0.82}[recipe.seed], 256

    monkeypatch.setattr(generation, "classifier_accuracy_score", score)
    replay = Replay(train["image"], train["label"])
    last = evaluation.measure(replay).metrics[-1]
    assert (last.name, last.split, last.n) == ("classifier_accuracy_score", "test", 256)
    assert last.value == pytest.approx(0.81)
    # Of two values it is their difference by the root of 2.
    assert last.note == (
        "small_cnn, 5 epochs on 512 generated images; mean of 2 seeds, deviation 0.0141"
    )
    for images, labels in shown:
        np.testing.assert_array_equal(labels, np.arange(512) % 10)
        np.testing.assert_array_equal(images, replay.generate(512, 0, label=labels))


@pytest.mark.usefixtures("judged")
def test_a_slow_generator_draws_fewer_images_for_its_score(
    sample: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zoo.report.captioned_png", lambda *drawn, **options: b"")
    monkeypatch.setattr(generation, "SCORED_OF_SLOW", 100)
    monkeypatch.setattr(Replay, "slow", True)
    monkeypatch.setattr(Replay, "drawn_by", "ddim, 4 steps")
    shown: list[int] = []

    def score(images: np.ndarray, labels: np.ndarray, recipe: Recipe) -> tuple[float, int]:
        shown.append(len(images))
        return 0.8, 256

    monkeypatch.setattr(generation, "classifier_accuracy_score", score)
    train = sample("fashion_mnist", "train")
    metrics = evaluation.measure(Replay(train["image"], train["label"])).metrics
    assert shown == [100, 100] and "on 100 generated images" in metrics[-1].note
    # How images are drawn is told of all but of those that are none.
    for metric in metrics:
        floor = metric.name.endswith("_floor")
        assert metric.note.endswith("; drawn by ddim, 4 steps") != floor
    assert {True, False} == {metric.name.endswith("_floor") for metric in metrics}


def test_the_accuracy_score_of_real_images_is_that_of_a_classifier(
    sample_home: Path, sample: Sample
) -> None:
    """What learned from images under wrong labels is wrong as often."""
    recipe = quick_recipe(DataSpec("fashion_mnist"))
    train = sample("fashion_mnist", "train")
    score, count = classifier_accuracy_score(train["image"], train["label"], recipe)
    assert count == 256 and score > 0.6
    wrong, _ = classifier_accuracy_score(train["image"], (train["label"] + 1) % 10, recipe)
    assert wrong < 0.15
    with pytest.raises(InvalidInputError, match="of all 10 classes from 0"):
        classifier_accuracy_score(train["image"], train["label"] % 9, recipe)
    assert not (sample_home / "runs").exists()
    assert score_recipe(DataSpec("mnist")).architecture == "small_cnn"
