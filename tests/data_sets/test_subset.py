"""Some classes and a few examples of each: which they are, what they are called, what is kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zoo import data
from zoo.errors import RecipeError
from zoo.recipe import DataSpec, Recipe

pytestmark = pytest.mark.usefixtures("sample_home")


def pixels(arrays: data.Arrays) -> set[bytes]:
    return {image.tobytes() for image in arrays["image"]}


def test_classes_are_numbered_in_the_order_given() -> None:
    spec = DataSpec("fashion_mnist", classes=[9, 0, 4])
    whole, some = data.load("fashion_mnist", "test"), data.examples(spec, "test")
    assert data.labels(spec) == ("Ankle boot", "T-shirt/top", "Coat")
    assert some["label"].dtype == np.int64
    chosen = [index for index, label in enumerate(whole["label"]) if label in (9, 0, 4)]
    np.testing.assert_array_equal(some["image"], whole["image"][chosen])
    assert [[9, 0, 4][new] for new in some["label"]] == whole["label"][chosen].tolist()


def test_without_classes_all_is_as_it_was() -> None:
    spec = DataSpec("mnist")
    assert data.labels(spec) == data.get("mnist").labels
    for key, value in data.examples(spec, "train").items():
        np.testing.assert_array_equal(value, data.load("mnist", "train")[key])


@pytest.mark.parametrize("classes", [None, [7, 2]])
def test_fewer_examples_are_among_more(classes: list[int] | None) -> None:
    kept: list[set[bytes]] = []
    for count in (1, 5, 12, 30):
        spec = DataSpec("mnist", classes=classes, per_class=count)
        train, validation = data.training_examples(spec)
        assert validation is None
        assert np.bincount(train["label"]).tolist() == [count] * len(data.labels(spec))
        kept.append(pixels(train))
    assert kept[0] < kept[1] < kept[2] < kept[3]
    alone = data.training_examples(DataSpec("mnist", classes=[2, 3], per_class=5))[0]
    if classes:
        assert len(pixels(alone) & kept[1]) == 5, "the same of a class, whatever the others are"


def test_validation_is_the_same_cut_whatever_is_trained_on() -> None:
    _, whole = data.training_examples(DataSpec("mnist", validation=100))
    train, some = data.training_examples(
        DataSpec("mnist", validation=100, classes=[3, 8], per_class=20)
    )
    assert whole is not None and some is not None
    np.testing.assert_array_equal(some["image"], whole["image"][np.isin(whole["label"], [3, 8])])
    assert not pixels(train) & pixels(whole)
    assert len(train["label"]) == 40


def test_too_few_of_a_class_are_named() -> None:
    with pytest.raises(RecipeError, match=r"class 0 of mnist has 52 training examples, needs .*99"):
        data.training_examples(DataSpec("mnist", per_class=99))
    with pytest.raises(RecipeError, match=r"after 400 were cut for validation"):
        data.training_examples(DataSpec("mnist", validation=400, per_class=40))
    with pytest.raises(RecipeError, match=r"mnist has the labels 0 to 9, not 10"):
        data.labels(DataSpec("mnist", classes=[3, 10]))


def test_what_is_left_out_is_a_class_of_the_model_all_the_same() -> None:
    spec = DataSpec("mnist", without=[3, 5], validation=50)
    train, held = data.training_examples(spec)
    assert held is not None and data.labels(spec) == data.get("mnist").labels
    whole, same_held = data.training_examples(DataSpec("mnist", validation=50))
    assert same_held is not None
    np.testing.assert_array_equal(held["label"], same_held["label"])
    kept = ~np.isin(whole["label"], [3, 5])
    np.testing.assert_array_equal(train["image"], whole["image"][kept])
    np.testing.assert_array_equal(train["label"], whole["label"][kept])
    few, _ = data.training_examples(DataSpec("mnist", without=[9], per_class=3))
    assert np.bincount(few["label"]).tolist() == [3] * 9
    chosen, _ = data.training_examples(DataSpec("mnist", classes=[9, 8, 7], without=[8]))
    assert set(chosen["label"].tolist()) == {0, 2}
    with pytest.raises(RecipeError, match=r"mnist has the labels 0 to 9, not 10"):
        data.training_examples(DataSpec("mnist", without=[10]))


def test_images_of_another_set_come_without_labels() -> None:
    train, held = data.training_examples(DataSpec("mnist", images="fashion_mnist", validation=40))
    assert set(train) == {"image"} and held is not None
    np.testing.assert_array_equal(train["image"], data.load("fashion_mnist", "train")["image"])
    assert len(held["label"]) == 40
    with pytest.raises(
        RecipeError, match=r"images: cifar10 has images of 32x32x3, mnist of 28x28x1"
    ):
        data.training_examples(DataSpec("mnist", images="cifar10"))


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"images": "usps", "per_class": 3}, "data.per_class is for labelled images"),
        ({"images": "usps", "without": [3]}, "data.without is for labelled images"),
        ({"images": "mnist"}, "data.images must be another set than data.name"),
        ({"without": [-1]}, "data.without must be labels, got"),
        ({"without": 3}, "data.without must be list"),
    ],
)
def test_a_choice_that_makes_no_sense_is_refused(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        Recipe("mlp.mnist", "mlp", DataSpec("mnist", **fields))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("classes", []),
        ("classes", [1]),
        ("classes", [1, 1]),
        ("classes", [0, -1]),
        ("classes", [0, True]),
        ("classes", ["a", "b"]),
        ("classes", "3,4"),
        ("per_class", 0),
        ("per_class", 1.5),
    ],
)
def test_what_is_no_choice_is_refused(field: str, value: Any) -> None:
    with pytest.raises(RecipeError, match=rf"data\.{field} must be"):
        Recipe("mlp.mnist", "mlp", DataSpec("mnist", **{field: value}))


def test_a_model_of_some_classes_says_so_on_its_card(sample_home: Path) -> None:
    from zoo.training.publish import make_card
    from zoo.training.run import training_arrays

    spec = DataSpec("mnist", classes=[6, 1], per_class=4)
    recipe = Recipe("mlp.mnist", "mlp", spec, network={"units": [4]}, batch_size=4, epochs=1)
    assert len(training_arrays(recipe)[0]["label"]) == 8
    from zoo.runs import new_run
    from zoo.training.run import fit_run

    run = fit_run(new_run(recipe), verbose=0)
    assert run.model is not None
    card = make_card(run, run.model.published_networks())
    assert card.labels == ["6", "1"]
    assert card.data["classes"] == [6, 1]
    assert card.data["n"] == 8
    assert card.data["sha256"] == data.split_checksum("mnist", "train")
    assert Recipe.from_dict(card.recipe).data == spec
