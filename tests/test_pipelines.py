"""Pipelines: answers depend on their own row alone, seeds name images."""

from __future__ import annotations

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import zoo
from zoo.cards import Card
from zoo.cli import main
from zoo.errors import InvalidInputError
from zoo.generation import Generator
from zoo.models.cnn.resnet import resnet20
from zoo.models.gan import cdcgan
from zoo.models.gan.dcgan import generator
from zoo.pipelines import Classifier, make_pipeline

LABELS = [f"class {i}" for i in range(10)]


def card(task: str, shape: list[int]) -> Card:
    return Card(
        name="test.test",
        task=task,
        family="cnn",
        paper="",
        recipe={},
        data={"name": "fashion_mnist"},
        metrics=(),
        input={"name": "x", "shape": shape, "dtype": "float32"},
        output={"labels": LABELS} if task == "classification" else {},
        networks={},
        parameters={},
        training={},
        licence="",
        versions={},
    )


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    keras.utils.set_random_seed(0)
    network = resnet20((28, 28, 1), 10)
    made = make_pipeline(card("classification", [28, 28, 1]), {"network": network})
    assert isinstance(made, Classifier)
    return made


@pytest.fixture(scope="module")
def painter() -> Generator:
    keras.utils.set_random_seed(0)
    made = make_pipeline(card("generation", [64]), {"generator": generator(latent_dim=64)})
    assert isinstance(made, Generator)
    return made


@pytest.fixture(scope="module")
def chooser() -> Generator:
    """A generator of three classes."""
    keras.utils.set_random_seed(0)
    network = cdcgan.generator((16, 16, 1), classes=3, latent_dim=8, width=4)
    inputs, output = Generator.describe({"generator": network}, ["cat", "dog", "1"])
    described = dataclasses.replace(card("generation", [8]), input=inputs, output=output)
    made = make_pipeline(described, {"generator": network})
    assert isinstance(made, Generator)
    return made


def images(n: int) -> np.ndarray:
    return np.random.default_rng(n).integers(0, 256, (n, 28, 28), dtype=np.uint8)


def test_scores_are_the_softmax_of_the_network(classifier: Classifier) -> None:
    given = images(5)
    logits = np.asarray(classifier.networks["network"](given[..., None].astype("float32")))
    expected = np.exp(logits - logits.max(1, keepdims=True))
    scores = classifier.scores(given)
    assert scores.shape == (5, 10) and scores.dtype == np.float32
    np.testing.assert_allclose(
        scores, expected / expected.sum(1, keepdims=True), rtol=1e-3, atol=1e-6
    )
    np.testing.assert_allclose(scores.sum(1), 1.0, rtol=1e-5)


def test_predict_ranks_labels(classifier: Classifier) -> None:
    given = images(3)
    scores = classifier.scores(given)
    answers = classifier.predict(given, top_k=3)
    assert [len(answer) for answer in answers] == [3, 3, 3]
    for answer, row in zip(answers, scores, strict=True):
        assert answer[0] == (LABELS[int(row.argmax())], pytest.approx(float(row.max())))
        assert [s for _, s in answer] == sorted((s for _, s in answer), reverse=True)


@pytest.mark.parametrize("top_k", [0, -1, 11])
def test_top_k_out_of_range_is_refused(classifier: Classifier, top_k: int) -> None:
    with pytest.raises(InvalidInputError, match=f"top_k must be 1 to 10, got {top_k}"):
        classifier.predict(images(1), top_k=top_k)


def test_features_are_the_last_layer(classifier: Classifier) -> None:
    features = classifier.features(images(3))
    kernel, bias = classifier.networks["network"].get_layer("logits").get_weights()
    logits = features @ kernel + bias
    np.testing.assert_array_equal(logits.argmax(1), classifier.scores(images(3)).argmax(1))


def test_an_answer_does_not_depend_on_its_batch_mates(classifier: Classifier) -> None:
    given = images(40)
    together = classifier.scores(given)
    for size in (1, 3, 7, 16):
        alone = np.concatenate([classifier.scores(given[i : i + size]) for i in range(0, 40, size)])
        np.testing.assert_allclose(alone, together, rtol=1e-4, atol=1e-6)


def test_many_rows_are_run_in_parts(painter: Generator) -> None:
    assert painter.generate(300, seed=0).shape == (300, 28, 28, 1)


def test_a_seed_names_an_image_whatever_else_is_drawn(painter: Generator) -> None:
    together = painter.generate(40, seed=100)
    assert together.dtype == np.uint8
    for size in (1, 3, 5, 8, 13):
        for start in range(0, 40 - size, size):
            part = painter.generate(size, seed=100 + start)
            np.testing.assert_array_equal(part, together[start : start + size])
    listed = painter.generate(3, seed=[139, 100, 139])
    np.testing.assert_array_equal(listed, together[[39, 0, 39]])
    assert not np.array_equal(together[0], together[1])


def test_a_grid_holds_the_images_row_by_row(painter: Generator) -> None:
    grid = painter.grid(6, seed=0, columns=3)
    assert grid.shape == (2 * 30 + 2, 3 * 30 + 2, 1)
    np.testing.assert_array_equal(grid[32:60, 2:30], painter.generate(1, seed=3)[0])


def test_a_grid_takes_labels_and_has_a_column_for_each_class(chooser: Generator) -> None:
    assert chooser.grid(6).shape == (2 * 18 + 2, 3 * 18 + 2, 1)
    assert chooser.grid(2).shape == (18 + 2, 2 * 18 + 2, 1)
    assert chooser.grid(4, label="dog").shape == (2 * 18 + 2, 2 * 18 + 2, 1)
    drawn = chooser.generate(4, 7, "dog", truncation=0.5)
    grid = chooser.grid(4, 7, 4, label="dog", truncation=0.5)
    np.testing.assert_array_equal(grid[2:18, 20:36], drawn[1])


def test_threads_get_the_same_images(painter: Generator) -> None:
    expected = painter.generate(24, seed=0)
    with ThreadPoolExecutor(8) as pool:
        drawn = list(pool.map(lambda seed: painter.generate(1, seed=seed)[0], range(24)))
    np.testing.assert_array_equal(np.stack(drawn), expected)


def test_a_path_begins_and_ends_at_its_seeds(painter: Generator) -> None:
    walk = painter.interpolate(3, 9, steps=5)
    assert walk.shape == (5, 28, 28, 1)
    np.testing.assert_array_equal(walk[[0, -1]], painter.generate(2, seed=[3, 9]))
    lengths = np.linalg.norm(painter.path(3, 9, 50), axis=1)
    ends = lengths[[0, -1]]
    assert lengths.min() >= ends.min() - 1e-4 and lengths.max() <= ends.max() + 1e-4


def test_a_path_takes_latent_vectors_beside_seeds(painter: Generator, chooser: Generator) -> None:
    start, end = painter.rows(2, [3, 9])
    expected = painter.path(3, 9, 5)
    cases: list[tuple[Any, Any]] = [(start, end), (3, end), (start.tolist(), 9)]
    for ends in cases:
        np.testing.assert_array_equal(painter.path(*ends, steps=5), expected)
    np.testing.assert_array_equal(painter.interpolate(start, 9, 5), painter.run(expected))
    dog, cat = chooser.rows(2, [3, 9], label=["dog", "cat"])
    labelled = chooser.path(3, 9, 5, label=["dog", "cat"])
    np.testing.assert_array_equal(chooser.path(dog, cat, 5), labelled)
    np.testing.assert_array_equal(chooser.path(dog, cat, 5, label="1"), labelled)
    both = chooser.path(dog[:8], cat[:8], 5, label=["dog", "cat"])
    np.testing.assert_array_equal(both, labelled)


def test_a_walk_comes_back_to_where_it_began(painter: Generator) -> None:
    walk = painter.walk([3, 9, 5], steps=4)
    assert walk.shape == (12, 28, 28, 1)
    np.testing.assert_array_equal(walk[::4], painter.generate(3, seed=[3, 9, 5]))
    np.testing.assert_array_equal(walk[8:], painter.interpolate(5, 3, steps=5)[:-1])


def test_arithmetic_adds_and_subtracts_means(painter: Generator) -> None:
    drawn = painter.arithmetic(plus=[[1, 2], [7]], minus=[[4, 5, 6]])
    rows = {seed: painter.rows(1, seed)[0].astype(np.float64) for seed in (1, 2, 4, 5, 6, 7)}
    latent = (rows[1] + rows[2]) / 2 + rows[7] - (rows[4] + rows[5] + rows[6]) / 3
    np.testing.assert_allclose(
        drawn.astype(float), painter.run(latent[None].astype("float32")), atol=1
    )
    np.testing.assert_array_equal(painter.arithmetic([[1], [2]], [[2]]), painter.generate(1, 1))


def test_truncated_numbers_stay_within(painter: Generator) -> None:
    rows = painter.rows(20, 0, truncation=0.7)
    free = painter.rows(20, 0)
    assert np.abs(rows).max() <= 0.7 and np.abs(free).max() > 2
    inside = np.abs(free) <= 0.7
    np.testing.assert_array_equal(rows[inside], free[inside])
    np.testing.assert_array_equal(painter.rows(1, 7, truncation=0.7)[0], rows[7])
    with pytest.raises(InvalidInputError, match=r"truncation must be at least 0\.05, got 0\.0"):
        painter.rows(1, truncation=0.0)


def test_a_row_carries_its_label(chooser: Generator) -> None:
    assert chooser.labels == ["cat", "dog", "1"] and chooser.latent_dim == 8
    assert chooser.card.input["shape"] == [11]
    rows = chooser.rows(5, seed=4)
    np.testing.assert_array_equal(rows[:, 8:].argmax(1), [1, 2, 0, 1, 2])
    np.testing.assert_array_equal(rows[:, 8:].sum(1), 1)
    asked: Any
    for asked, expected in (
        ("Dog", [1] * 5),
        ("some dogs", [1] * 5),
        (0, [0] * 5),
        ([0, "dog", 1, "1", 2], [0, 1, 1, 2, 2]),
    ):
        labelled = chooser.rows(5, 4, label=asked)
        np.testing.assert_array_equal(labelled[:, :8], rows[:, :8])
        np.testing.assert_array_equal(labelled[:, 8:].argmax(1), expected)
    np.testing.assert_array_equal(chooser.generate(2, [4, 5]), chooser.run(rows[:2]))
    assert not np.array_equal(chooser.generate(1, 4, "cat"), chooser.generate(1, 4, "dog"))


def test_between_labels_shares_change_evenly(chooser: Generator) -> None:
    path = chooser.path(0, 1, 5)
    np.testing.assert_allclose(path[:, 8], [1, 0.75, 0.5, 0.25, 0])
    np.testing.assert_allclose(path[:, 9], [0, 0.25, 0.5, 0.75, 1])
    one = chooser.path(0, 1, 5, label="dog")
    np.testing.assert_allclose(one[:, 8:], np.eye(3)[[1] * 5])
    np.testing.assert_allclose(one[:, :8], path[:, :8])
    drawn = chooser.arithmetic([[1], [2]], [[2]], label="cat")
    np.testing.assert_array_equal(drawn, chooser.generate(1, 1, label="cat"))


@pytest.mark.parametrize(
    ("label", "words"),
    [
        ("cart", "has no label 'cart'; did you mean cat"),
        ("zebra", "has no label 'zebra'; cat, dog, 1"),
        (3, "a name or a number from 0 to 2, got 3"),
        (True, "a name or a number from 0 to 2, got True"),
        (["cat", "dog", "dog"], "expected 2 labels, got 3"),
    ],
)
def test_unknown_labels_are_refused(chooser: Generator, label: object, words: str) -> None:
    with pytest.raises(InvalidInputError, match=words):
        chooser.generate(2, label=label)  # type: ignore[arg-type]


def test_bad_walks_and_sums_are_refused(painter: Generator, chooser: Generator) -> None:
    vector = np.zeros(64)
    for call, words in (
        (lambda: painter.path(vector, np.zeros(32)), r"one shape, got \(64,\) and \(32,\)"),
        (lambda: painter.path(0, np.zeros(32)), r"has shape \(64,\), got \(32,\)"),
        (lambda: painter.path(0, vector[None]), r"has shape \(64,\), got \(1, 64\)"),
        (lambda: painter.path(0, vector * np.nan), "holds finite numbers"),
        (lambda: painter.path(0.5, 1), "seeds must be integers"),  # type: ignore[arg-type]
        (lambda: painter.path(0, 1, 2.0), "steps must be an integer, got 2.0"),  # type: ignore[arg-type]
        (lambda: painter.path(0, 1, 1), "steps must be 2 to 100000, got 1"),
        (lambda: painter.walk([0, 1], 2.5), "steps must be an integer"),  # type: ignore[arg-type]
        (lambda: chooser.path(0, np.zeros(8)), "without its label beside it needs a label"),
        (lambda: chooser.path(0, np.zeros(9)), r"has shape \(8,\) or \(11,\), got \(9,\)"),
        (lambda: painter.generate(1, label="cat"), "draws no labels on demand, got 'cat'"),
        (lambda: painter.walk([1]), "at least 2 seeds"),
        (lambda: painter.walk([1, 2], steps=0), "steps must be 1 to"),
        (lambda: painter.arithmetic([]), "groups of one or more seeds"),
        (lambda: painter.arithmetic([[1]], [[]]), "groups of one or more seeds"),
    ):
        with pytest.raises(InvalidInputError, match=words):
            call()


@pytest.mark.parametrize(
    ("n", "seed", "words"),
    [
        (0, 0, "n must be 1 to"),
        (-3, 0, "n must be 1 to"),
        (10**9, 0, "n must be 1 to"),
        (2.5, 0, "n must be an integer"),
        (2, -1, "seeds must be 0"),
        (2, [1, 2, 3], "expected 2 seeds, got 3"),
        (2, [1, 0.5], "seeds must be integers"),
        (1, 2**70, "seeds must be 0"),
    ],
)
def test_bad_numbers_are_refused(painter: Generator, n: int, seed: int, words: str) -> None:
    with pytest.raises(InvalidInputError, match=words):
        painter.generate(n, seed)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--walk", "0", "3", "--seed", "1"], "--seed does nothing beside --walk"),
        (["--plus", "1,2", "--seed", "0"], "--seed does nothing beside --plus and --minus"),
        (["--plus", "1,2", "--minus", "3", "-n", "16"], "-n does nothing beside --plus"),
    ],
)
def test_options_that_would_be_ignored_are_refused(
    options: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["generate", "dcgan.fashion_mnist", *options, "-o", "x.png"]) == 2
    said = capsys.readouterr().err
    assert words in said and said.count("\n") == 1


def test_loading_an_unknown_model_tells_near_names(tmp_path: Path) -> None:
    with pytest.raises(zoo.ZooError, match=r"unknown model 'resnet20\.fashion_mnits'"):
        zoo.load("resnet20.fashion_mnits")
