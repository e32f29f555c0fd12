"""What is measured of a generator: planted ones have known numbers."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from zoo import data, evaluation, store
from zoo.cards import Card, Metric
from zoo.errors import InvalidInputError
from zoo.evaluation import generation
from zoo.evaluation.accuracy_score import classifier_accuracy_score, score_recipe
from zoo.images import image_grid
from zoo.models.mlp.mlp import mlp
from zoo.pipelines import Generator
from zoo.recipe import DataSpec, Recipe

Sample = Callable[[str, str], dict[str, np.ndarray]]
MEASURES = ("fd", "kid", "precision", "recall", "density", "coverage")
JUDGE = "mlp.fashion_mnist"


def make_card(name: str, **fields: Any) -> Card:
    return Card(
        **{
            "name": name,
            "task": "generation",
            "family": "gan",
            "paper": "none",
            "recipe": {},
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
    """A small judge of fashion_mnist is stored, and few paths are walked."""
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


class Replay(Generator):
    """Draws given images in their order, or of a label; its paths fade from one to the other."""

    def __init__(self, images: np.ndarray, labels: np.ndarray | None = None) -> None:
        self.card, self.images, self.classes = make_card("replay.fashion_mnist"), images, labels
        self.labels = [] if labels is None else list(data.get("fashion_mnist").labels)

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

    def grid(self, n: int = 16, seed: Any = 0, columns: int | None = None) -> np.ndarray:
        return image_grid(self.generate(n, seed), columns)

    def interpolate(
        self, from_seed: int, to_seed: int, steps: int = 8, **options: Any
    ) -> np.ndarray:
        start, end = self.generate(2, [from_seed, to_seed], **options).astype(float)
        share = np.linspace(0, 1, steps)[:, None, None, None]
        return ((1 - share) * start + share * end).astype(np.uint8)


def values(metrics: Sequence[Metric]) -> dict[str, float]:
    return {metric.name: metric.value for metric in metrics}


@pytest.mark.usefixtures("judged")
def test_a_generator_that_repeats_training_images_scores_as_they_do(sample: Sample) -> None:
    """It is as good as the floor by every measure, and only memorisation gives it away."""
    measured = evaluation.measure(Replay(sample("fashion_mnist", "train")["image"]))
    found = values(measured.metrics)
    for name in MEASURES:
        assert found[f"{name}_mlp"] == pytest.approx(found[f"{name}_mlp_floor"], rel=1e-9)
    assert found["memorised_mlp"] == 1.0
    assert set(measured.pictures) == {"samples.png", "neighbours.png"}
    for metric in measured.metrics:
        assert metric.note.startswith(
            "pixels" if metric.name.startswith("jump") else "features of mlp.fashion_mnist@1"
        )
        assert metric.command == "zoo evaluate replay.fashion_mnist"
        expected = ("none", 4) if metric.name.startswith("jump") else ("test", 256)
        assert (metric.split, metric.n) == expected


@pytest.mark.usefixtures("judged")
def test_a_generator_of_the_test_images_is_perfect_and_no_copier(sample: Sample) -> None:
    found = values(evaluation.measure(Replay(sample("fashion_mnist", "test")["image"])).metrics)
    assert found["fd_mlp"] == pytest.approx(0, abs=1e-6)
    assert found["kid_mlp"] < found["kid_mlp_floor"]
    assert found["precision_mlp"] == found["recall_mlp"] == found["coverage_mlp"] == 1.0
    assert found["memorised_mlp"] == pytest.approx(0.05, abs=0.005)
    assert 1 <= found["jump"] <= found["jump_worst"] <= generation.IMAGES_OF_A_PATH - 1


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
    space = generation.Space("pixels", "", generation._pixels, judged=False)
    whole = space.of(images)
    monkeypatch.setattr(generation, "CHUNK", 7)
    np.testing.assert_array_equal(space.of(images), whole)
    np.testing.assert_array_equal(space.of_generated(Replay(images), 50), whole)


def test_without_a_judge_pixels_tell_what_they_can(
    sample_home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Distances of distributions of pixels mean little, and none is given."""
    monkeypatch.setattr(generation, "PATHS", 4)
    network = keras.Sequential(
        [keras.Input((8,)), keras.layers.Dense(784, "tanh"), keras.layers.Reshape((28, 28, 1))]
    )
    card = make_card("dense.mnist", data={"name": "mnist"})
    missing = dataclasses.replace(data.get("mnist"), judge="missing.mnist@1")
    monkeypatch.setattr("zoo.data.get", lambda name: missing)
    metrics = evaluation.measure(Generator(card, {"generator": network})).metrics
    found = values(metrics)
    assert set(found) == {"memorised_pixels", "jump", "jump_worst"}
    assert found["memorised_pixels"] == 0.0
    assert "missing.mnist@1, the judge of mnist, is not stored" in capsys.readouterr().err


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
    monkeypatch.setattr(generation, "score_recipe", quick_recipe)
    train = sample("fashion_mnist", "train")
    last = evaluation.measure(Replay(train["image"], train["label"])).metrics[-1]
    assert (last.name, last.split, last.n) == ("classifier_accuracy_score", "test", 256)
    assert last.value > 0.6 and last.note == "mlp, 4 epochs on 512 generated images"


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
