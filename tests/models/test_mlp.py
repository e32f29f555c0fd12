"""The multilayer perceptron and the networks of one layer, against closed forms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

import zoo
from tests.weightless import trainable
from zoo.layers.maxout import Maxout
from zoo.models.mlp.mlp import mlp
from zoo.recipe import DataSpec, Recipe
from zoo.training.build import build_model

Sample = Callable[[str, str], dict[str, np.ndarray]]

XOR = np.array([[0, 0], [0, 255], [255, 0], [255, 255]], np.uint8).reshape(4, 1, 2, 1)
XOR_LABELS = np.array([0, 1, 1, 0])


def trained(
    architecture: str, images: np.ndarray, labels: np.ndarray, steps: int, **fields: Any
) -> keras.Model:
    """Trains an architecture with the engine, every step on all examples."""
    recipe = Recipe(f"{architecture}.mnist", architecture, DataSpec("mnist"), **fields)
    model = build_model(recipe, images, int(labels.max()) + 1, steps)
    rows = np.tile(np.arange(len(images)), steps)
    batches = {"image": images[rows], "label": labels[rows]}
    model.fit(batches, batch_size=len(images), shuffle=False, verbose=0)
    return model.network


def accuracy(network: keras.Model, images: np.ndarray, labels: np.ndarray) -> float:
    answers = np.asarray(network(images.astype("float32"))).argmax(1)
    return float(np.mean(answers == labels))


@pytest.mark.parametrize("loss", ["perceptron", "bce"])
def test_a_perceptron_cannot_learn_xor(loss: str) -> None:
    """No line has more than three of the four points on the right side (Minsky, Papert 1969)."""
    method = {"name": "supervised", "loss": loss}
    sgd = {"name": "SGD", "learning_rate": 0.1}
    reached = [
        accuracy(
            trained("perceptron", XOR, XOR_LABELS, 50, method=method, optimizer=sgd, seed=seed),
            XOR,
            XOR_LABELS,
        )
        for seed in range(2)
    ]
    assert max(reached) <= 0.75


def test_what_a_line_separates_a_perceptron_learns() -> None:
    either = np.array([0, 1, 1, 1])
    sgd = {"name": "SGD", "learning_rate": 0.1}
    network = trained("perceptron", XOR, either, 100, optimizer=sgd)
    assert accuracy(network, XOR, either) == 1


def test_two_hidden_units_are_enough_for_xor() -> None:
    options = {"units": [2], "activation": "tanh", "initializer": "xavier"}
    adam = {"name": "Adam", "learning_rate": 0.1}
    # From some starts descent ends in a local minimum.
    assert any(
        accuracy(
            trained("mlp", XOR, XOR_LABELS, 300, network=options, optimizer=adam, seed=seed),
            XOR,
            XOR_LABELS,
        )
        == 1
        for seed in range(1, 6)
    )


def test_the_perceptron_moves_as_its_rule_says() -> None:
    """By t x for each unit that is wrong, and not at all for those that are right."""
    sgd = {"name": "SGD", "learning_rate": 3.0}  # The loss is a mean over three classes.
    image, label = np.array([[[[255], [64]]]], np.uint8), np.array([2])
    recipe = Recipe("perceptron.mnist", "perceptron", DataSpec("mnist"), optimizer=sgd)
    model = build_model(recipe, np.array([[[[0], [255]]]], np.uint8), 3, 1)
    kernel = np.array([[0.5, -1.0, -0.2], [0.1, 0.3, 0.1]], "float32")
    model.network.get_layer("logits").set_weights([kernel, np.zeros(3, "float32")])
    x = np.asarray(zoo.features_of(model.network, "features")(image.astype("float32")))[0]
    np.testing.assert_allclose(x, [1, (64 - 127.5) / 127.5], rtol=1e-6)
    targets = np.array([-1, -1, 1])
    wrong = targets * (x @ kernel) < 0
    assert wrong.tolist() == [True, False, True]
    model.fit({"image": image, "label": label}, batch_size=1, verbose=0)
    moved, bias = model.network.get_layer("logits").get_weights()
    np.testing.assert_allclose(moved, kernel + np.outer(x, targets * wrong), rtol=1e-5)
    np.testing.assert_allclose(bias, targets * wrong, rtol=1e-5)


def test_linear_regression_reaches_least_squares() -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (64, 2, 3, 1), np.uint8)
    labels = rng.integers(0, 3, 64)
    sgd = {"name": "SGD", "learning_rate": 0.5, "momentum": 0.5}
    network = trained("linear_regression", images, labels, 200, optimizer=sgd)
    pixels = images.reshape(64, 6).astype("float64")
    design = np.c_[(pixels - pixels.mean()) / pixels.std(), np.ones(64)]
    solution = np.linalg.lstsq(design, np.eye(3)[labels], rcond=None)[0]
    kernel, bias = network.get_layer("logits").get_weights()
    np.testing.assert_allclose(np.vstack([kernel, bias]), solution, atol=1e-4)


def test_softmax_regression_finds_what_scikit_learn_does(sample: Sample) -> None:
    train, test = sample("mnist", "train"), sample("mnist", "test")
    l2 = 0.01
    network = trained(
        "softmax_regression",
        train["image"],
        train["label"],
        150,
        network={"l2": l2},
        optimizer={"name": "Adam", "learning_rate": 0.02},
        schedule={"name": "cosine"},
    )
    mean, std = train["image"].mean(), train["image"].std()
    pixels, test_pixels = (
        (arrays["image"].reshape(-1, 784) - mean) / std for arrays in (train, test)
    )
    # Its objective is C times the sum of the losses plus half of all w².
    reference = LogisticRegression(C=1 / (2 * l2 * len(train["label"])), max_iter=1000)
    with threadpool_limits(1):  # Its threads wait for each other where cores are few.
        reference.fit(pixels, train["label"])
    for rows, arrays in ((pixels, train), (test_pixels, test)):
        logits = np.asarray(network(arrays["image"].astype("float32")), "float64")
        ours = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
        theirs = reference.predict_log_proba(rows)
        picked = np.arange(len(rows)), arrays["label"]
        assert -ours[picked].mean() == pytest.approx(-theirs[picked].mean(), abs=1e-2)


def test_maxout_is_the_largest_of_neighbouring_channels() -> None:
    values = np.random.default_rng(0).normal(size=(5, 4, 6)).astype("float32")
    layer = Maxout(pieces=3)
    np.testing.assert_array_equal(
        layer(values), np.stack([values[..., :3].max(-1), values[..., 3:].max(-1)], -1)
    )
    assert layer.compute_output_shape((None, 4, 6)) == (None, 4, 2)
    assert Maxout.from_config(layer.get_config()).pieces == 3
    for pieces, words in ((4, "4 pieces do not divide 6 channels"), (0, "at least 1, got 0")):
        with pytest.raises(ValueError, match=words):
            Maxout(pieces)(values)


def test_two_pieces_make_an_absolute_value() -> None:
    """Figure 1 of the paper: a maxout unit takes the shape of its pieces' upper envelope."""
    network = mlp((1, 1, 1), 1, units=[1], activation="maxout", mean=[0.0], std=[1.0])
    weights = [np.array([[1.0, -1.0]]), np.zeros(2), np.ones((1, 1)), np.zeros(1)]
    network.set_weights(weights)
    images = np.linspace(-3, 3, 7).reshape(7, 1, 1, 1)
    np.testing.assert_allclose(np.asarray(network(images))[:, 0], np.abs(images.ravel()))


@pytest.mark.parametrize(
    ("normalization", "groups", "axis"),
    [("layer", 1, 1), ("instance", 1, 1), ("group", 4, 1), ("batch", 24, 0)],
)
def test_a_normalization_standardises_what_it_says(
    normalization: str, groups: int, axis: int
) -> None:
    network = mlp((4, 4, 1), 3, [24], "linear", normalization=normalization, groups=groups)
    pixels = np.random.default_rng(0).integers(0, 256, (32, 4, 4, 1)).astype("float32")
    values = np.asarray(zoo.features_of(network, "features")(pixels, training=True))
    parts = values if axis == 0 else values.reshape(32 * groups, 24 // groups)
    np.testing.assert_allclose(parts.mean(axis), 0, atol=1e-4)
    np.testing.assert_allclose(parts.std(axis), 1, atol=0.05)
    # A bias for each unit, or a scale and an offset.
    own = 24 if normalization == "instance" else 2 * 24
    assert trainable(network) == 16 * 24 + own + 25 * 3


@pytest.mark.parametrize(
    ("initializer", "deviation"),
    [
        ("he", np.sqrt(2 / 100)),
        ("xavier", np.sqrt(2 / (100 + 300))),
        ("lecun_normal", np.sqrt(1 / 100)),
    ],
)
def test_an_initializer_gives_the_papers_deviation(initializer: str, deviation: float) -> None:
    keras.utils.set_random_seed(0)
    kernel = mlp((10, 10, 1), 2, [300], initializer=initializer).weights[0]
    assert float(np.std(np.asarray(kernel))) == pytest.approx(deviation, rel=0.03)


def test_penalties_are_those_of_all_kernels() -> None:
    network = mlp((2, 2, 1), 3, [5], l1=0.1, l2=0.01)
    kernels = [np.asarray(v) for v in network.weights if len(v.shape) == 2]
    expected = sum(0.1 * np.abs(k).sum() + 0.01 * np.square(k).sum() for k in kernels)
    assert float(sum(network.losses)) == pytest.approx(expected, rel=1e-5)
    assert len(kernels) == 2 and not mlp((2, 2, 1), 3, [5]).losses


@pytest.mark.parametrize("activation", ["leaky_relu", "maxout"])
def test_a_network_is_saved_and_read_again(activation: str, tmp_path: Any) -> None:
    network = mlp((2, 2, 1), 3, [4, 4], activation, normalization="group", groups=2, l2=0.1)
    network.save(tmp_path / "mlp.keras")
    loaded = keras.saving.load_model(tmp_path / "mlp.keras")
    images = np.random.default_rng(0).random((3, 2, 2, 1)).astype("float32") * 255
    np.testing.assert_array_equal(np.asarray(loaded(images)), np.asarray(network(images)))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"normalization": "btach"}, "normalization must be none, batch"),
        ({"normalization": "group", "groups": 7}, r"groups \(7\) must be a multiple"),
        ({"activation": "maxout", "pieces": 0}, "pieces must be at least 1, got 0"),
        ({"activation": "rleu"}, "rleu"),
        ({"initializer": "hee"}, "hee"),
        ({"l2": -1.0}, "l1 and l2 must be 0 or more, got 0.0 and -1.0"),
    ],
)
def test_wrong_options_say_what_is_wrong(options: dict[str, Any], words: str) -> None:
    with pytest.raises(zoo.ZooError, match=words) as raised:
        zoo.create("mlp", **options)
    assert "\n" not in str(raised.value)
