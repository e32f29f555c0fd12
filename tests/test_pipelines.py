"""Pipelines: answers depend on their own row alone, seeds name images."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import keras
import numpy as np
import pytest

import zoo
from zoo.cards import Card
from zoo.errors import InvalidInputError
from zoo.latents import slerp
from zoo.models.cnn.resnet import resnet20
from zoo.models.gan.dcgan import generator
from zoo.pipelines import Classifier, Generator, make_pipeline

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


def test_slerp_turns_at_an_even_pace() -> None:
    path = slerp(np.array([1.0, 0.0]), np.array([0.0, 1.0]), 3)
    np.testing.assert_allclose(path[1], [np.sqrt(0.5), np.sqrt(0.5)], rtol=1e-6)


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


def test_loading_an_unknown_model_tells_near_names(tmp_path: Path) -> None:
    with pytest.raises(zoo.ZooError, match=r"unknown model 'resnet20\.fashion_mnits'"):
        zoo.load("resnet20.fashion_mnits")
