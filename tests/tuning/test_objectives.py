"""What searches are judged by, and how it is measured."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tuning import measures
from tuning.objectives import ORACLE_ACCURACY, Objective, objectives_of, search_recipe
from tuning.repeats import Examples
from zoo import data, registry
from zoo.errors import RecipeError, ZooError
from zoo.metrics.frechet import frechet_distance
from zoo.metrics.kernel import kernel_distance

IMAGES = np.random.default_rng(0).integers(0, 256, (40, 28, 28, 1)).astype("uint8")
# Minus the entropy of one who is nine tenths sure.
LEFT = 0.9 * math.log(0.9) + 0.1 * math.log(0.1)
OTHERS = np.random.default_rng(1).integers(0, 256, (40, 28, 28, 1)).astype("uint8")


def recipe_of(name: str, **settings: Any) -> Any:
    return registry.recipes().get(name).override(settings)


# Which there are.


@pytest.mark.parametrize(
    ("name", "lead", "direction"),
    [
        ("mlp.fashion_mnist", "val_accuracy", "max"),
        ("small_cnn.mnist-kd", "val_accuracy", "max"),
        ("dcgan.fashion_mnist", "val_fd", "min"),
        ("dcgan.att_faces", "val_kid_pixels", "min"),
        ("cyclegan.mnist_usps", "val_fd", "min"),
        ("cyclegan.facades", "val_kid_pixels", "min"),
        ("vae.mnist", "val_loss", "min"),
        ("kl_autoencoder.mnist", "val_loss", "min"),
        ("autoencoder.fashion_mnist", "val_loss", "min"),
        ("ddpm.fashion_mnist", "val_loss", "min"),
        ("ldm.mnist", "val_loss", "min"),
        ("small_cnn.mnist_to_usps-cdan", "val_target_information", "max"),
    ],
)
def test_every_kind_of_recipe_has_a_lead_with_its_direction(
    name: str, lead: str, direction: str
) -> None:
    (objective,) = objectives_of(recipe_of(name))
    assert objective.to_list() == [lead, direction, "validation"]
    assert objective.keras_tuner().direction == direction


@pytest.mark.parametrize("name", [*registry.recipes()])
def test_every_recipe_can_be_searched_and_never_by_an_oracle_of_its_own(name: str) -> None:
    assert all(one.name != ORACLE_ACCURACY for one in objectives_of(recipe_of(name)))


def test_where_no_label_is_read_none_is_judged_by() -> None:
    recipe = recipe_of("small_cnn.mnist-kd", **{"method.alpha": 0})
    assert objectives_of(recipe)[0] == Objective("val_agreement", "max")
    with pytest.raises(RecipeError, match="cannot be judged by 'val_accuracy'"):
        objectives_of(recipe, ["val_accuracy"])


def test_further_objectives_follow_in_their_order() -> None:
    recipe = recipe_of("mlp.fashion_mnist")
    names = ["val_loss", "latency_ms", "parameters"]
    found = objectives_of(recipe, names)
    assert [one.name for one in found] == names
    assert [one.per_epoch for one in found] == [True, False, False]
    assert [one.measured for one in found] == [False, True, True]
    assert [one.split for one in found] == ["validation", "model", "model"]


@pytest.mark.parametrize(
    ("name", "asked", "message"),
    [
        ("mlp.fashion_mnist", ["val_acuracy"], "did you mean val_accuracy"),
        ("mlp.fashion_mnist", ["accuracy"], "cannot be judged by 'accuracy'"),
        ("mlp.fashion_mnist", ["val_accuracy", "val_accuracy"], "named twice"),
        ("mlp.fashion_mnist", ["parameters"], "name val_accuracy first"),
        ("mlp.fashion_mnist", [ORACLE_ACCURACY], "cannot be judged"),
        ("dcgan.att_faces", ["val_fd"], "cannot be judged by 'val_fd'"),
        ("ddpm.fashion_mnist", ["val_accuracy"], "there are val_loss"),
    ],
)
def test_what_there_is_none_of_is_one_clear_line(name: str, asked: list[str], message: str) -> None:
    with pytest.raises(RecipeError, match=message) as raised:
        objectives_of(recipe_of(name), asked)
    assert "\n" not in str(raised.value)


def test_a_judge_that_is_not_stored_is_said_before_anything_is_trained(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def missing(name: str) -> Any:
        raise ZooError(f"{name} is asked for")

    monkeypatch.setattr("zoo.store.find", missing)
    with pytest.raises(ZooError, match=r"resnet20\.fashion_mnist@1 is asked for"):
        objectives_of(recipe_of("dcgan.fashion_mnist"))
    assert objectives_of(recipe_of("dcgan.fashion_mnist"), ["val_kid_pixels"])


def test_a_direction_is_one_of_two() -> None:
    with pytest.raises(ValueError, match="max or min"):
        Objective("val_accuracy", "up")
    assert Objective("a", "max").better(2, 1) and Objective("a", "min").better(1, 2)


# What trials train.


def test_a_recipe_without_validation_gets_one(sample_home: Path) -> None:
    base = recipe_of("mlp.fashion_mnist", **{"data.validation": 0})
    cut = search_recipe(base, 3)
    assert (cut.data.validation, cut.epochs) == (5000, 3)
    assert search_recipe(recipe_of("mlp.fashion_mnist")) == recipe_of("mlp.fashion_mnist")
    assert search_recipe(recipe_of("dcgan.fashion_mnist")).data.validation == 2000
    # A fifth of the smaller domain, not the sixteen that are kept for pictures.
    assert search_recipe(recipe_of("cyclegan.mnist_usps")).data.validation == 128 // 5
    assert search_recipe(recipe_of("small_cnn.usps_to_mnist-cdan")).data.validation == 128 // 5
    asked = recipe_of("cyclegan.mnist_usps", **{"data.validation": 64})
    assert search_recipe(asked).data.validation == 64


def test_trials_are_not_stopped_by_their_recipe_and_are_no_ensembles() -> None:
    stopping = {"monitor": "val_loss", "patience": 2}
    assert search_recipe(recipe_of("mlp.fashion_mnist", early_stopping=stopping)) == recipe_of(
        "mlp.fashion_mnist"
    )
    bagged = recipe_of("mlp.fashion_mnist", ensemble={"name": "bagging", "members": 2})
    with pytest.raises(RecipeError, match="is an ensemble"):
        search_recipe(bagged)


# How they are measured.


class Drawing:
    """A game that generates images, and translates them by turning them upside down."""

    network_names = ("network",)

    def sample(self, count: int) -> np.ndarray:
        return OTHERS[:count]

    def published_networks(self) -> dict[str, Any]:
        return {"g_ab": lambda rows, training: -rows, "g_ba": lambda rows, training: rows}


def held(**arrays: np.ndarray) -> Examples:
    return Examples({}, {key.replace("_", "/"): value for key, value in arrays.items()})


def test_distances_are_between_validation_images_and_as_many_generated_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def features(images: np.ndarray) -> np.ndarray:
        return images.reshape(len(images), -1)[:, :9].astype(float)

    monkeypatch.setattr(measures, "_judge", lambda name: SimpleNamespace(features=features))
    measures._features_of_real.cache_clear()
    game: Any = Drawing()
    recipe, examples = recipe_of("vae.mnist"), held(image=IMAGES)
    real, made = features(IMAGES), features(OTHERS)
    assert measures.frechet(game, examples, recipe) == frechet_distance(made, real)
    assert measures.kernel(game, examples, recipe) == kernel_distance(made, real)
    pixels = [one.reshape(40, -1).astype(np.float32) / 255 for one in (OTHERS, IMAGES)]
    assert measures.kernel_of_pixels(game, examples, recipe) == kernel_distance(*pixels)
    measures._features_of_real.cache_clear()


def test_of_a_translator_it_is_the_mean_of_both_directions() -> None:
    """Each translation is held against real images of its own target, as its judge sees them."""
    recipe = recipe_of("discogan.mnist_inverted")
    a, b = IMAGES[:30], OTHERS
    pair: Any = data.source("mnist_inverted")
    there = [data.as_judged(one, pair.b) for one in (255 - a, b[:30])]
    back = [b[:30], a]
    expected = np.mean(
        [
            kernel_distance(*(one.reshape(30, -1).astype(np.float32) / 255 for one in way))
            for way in (there, back)
        ]
    )
    game: Any = Drawing()
    found = measures.kernel_of_pixels(game, held(a_image=a, b_image=b), recipe)
    assert found == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        (np.eye(4)[np.arange(40) % 4], math.log(4)),
        (np.full((40, 4), 0.25), 0.0),
        # Sure of one class for all: the least entropy there is, and no information.
        (np.eye(4)[np.zeros(40, int)], 0.0),
        (
            np.array([[0.9, 0.1], [0.1, 0.9]]),
            math.log(2) + 0.9 * math.log(0.9) + 0.1 * math.log(0.1),
        ),
    ],
)
def test_information_is_sure_and_spread(scores: np.ndarray, expected: float) -> None:
    assert measures.information(scores) == pytest.approx(expected, abs=1e-12)


def test_costs_are_those_of_the_network() -> None:
    from zoo.training.build import build_model

    recipe = recipe_of("mlp.fashion_mnist", **{"network.units": [16]})
    game = build_model(recipe, IMAGES, 10, 1)
    names = ["val_accuracy", "parameters", "flops", "latency_ms"]
    _, parameters, flops, latency = objectives_of(recipe, names)
    # A layer of 16 with batch norm, and the logits.
    assert parameters.measure(game, None, recipe) == 784 * 16 + 4 * 16 + 16 * 10 + 10
    assert flops.measure(game, None, recipe) == 2 * (784 * 16 + 16 * 10)
    assert latency.measure(game, None, recipe) > 0


def test_what_is_measured_is_kept_with_the_epoch(sample_home: Path) -> None:
    """Before the history is written, so that a resumed search knows it too."""
    from tuning.repeats import examples_of
    from zoo.runs import Run
    from zoo.training.build import build_model
    from zoo.training.run import fit_model

    recipe = recipe_of(
        "gan.mnist",
        **{
            "network": {"latent_dim": 4, "units": [8]},
            "data.limit": 128,
            "data.validation": 64,
            "batch_size": 64,
            "epochs": 2,
        },
    )
    (examples,) = examples_of(recipe)
    game = build_model(recipe, examples.training["image"], 10, 2)
    objectives = objectives_of(recipe, ["val_fd", "val_kid_pixels", "parameters"])
    run = Run(recipe, sample_home)
    first = [measures.Measured(objectives, examples, recipe)]
    fit_model(game, run, examples.training, examples.validation, 2, [], 0, first=first)
    with (sample_home / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 and "parameters" not in rows[0]
    for row, epoch in zip(rows, run.history, strict=True):
        for name in ("val_fd", "val_kid_pixels"):
            assert float(row[name]) == epoch[name]
    again = objectives[1].measure(game, examples, recipe)
    assert again == pytest.approx(run.history[-1]["val_kid_pixels"], rel=1e-6)
