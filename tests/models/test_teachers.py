"""Recipes of students: what is checked before training, what a run keeps, data without labels."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import zoo
from tests.steps import values
from tests.store.common import make_card
from tests.stored_parents import with_parents
from zoo import data, registry, store
from zoo.cards import Metric
from zoo.errors import RecipeError, UnknownModelError
from zoo.models.distillation.distillation import Distillation
from zoo.recipe import DataSpec, Recipe
from zoo.runs import last_run, new_run, resolved
from zoo.training.build import build_model
from zoo.training.engine import MultiPlayerModel
from zoo.training.publish import make_card as card_of
from zoo.training.run import fit_run, training_arrays

TEACHER = "mlp.mnist-wide"
MLP = {"name": "mlp", "units": [12]}
# A term of each kind.
TERMS = [
    {"name": "hint", "student": "stage2"},
    {"name": "attention", "student": "stage1"},
    {"name": "fsp", "student": ["stage1", "stage2"]},
    {"name": "rkd_distance", "student": "features"},
    {"name": "rkd_angle", "student": "features"},
    {"name": "similarity", "student": "stage2", "teacher": "features"},
]


def store_teacher(
    name: str = TEACHER, seed: int = 0, of: Mapping[str, Any] = MLP, **fields: Any
) -> keras.Model:
    """Stores a small network of random weights, with a card that says it is good."""
    keras.utils.set_random_seed(seed)
    network = zoo.create(input_shape=(28, 28, 1), classes=10, **of)
    labels = [str(digit) for digit in range(10)]
    card = make_card(name, **{"output": {"shape": [10], "labels": labels}, **fields})
    store.save(card, {"network": network})
    return network


def student(**settings: Any) -> Recipe:
    recipe = Recipe(
        name="mlp.mnist-student",
        architecture="mlp",
        data=DataSpec("mnist", limit=64),
        network={"units": [6], "normalization": "batch"},
        method={"name": "distillation", "alpha": 0.5},
        parents={"teacher": {"model": TEACHER}},
        batch_size=16,
        epochs=2,
    )
    return recipe.override(settings)


def built(recipe: Recipe) -> MultiPlayerModel:
    arrays = training_arrays(recipe)[0]
    return build_model(recipe, arrays["image"], len(data.labels(recipe.data)), 4)


def refused(recipe: Recipe) -> str:
    with pytest.raises(RecipeError) as error:
        built(recipe)
    assert "\n" not in str(error.value)
    return str(error.value)


# Before training.


def test_a_method_of_teachers_gets_the_recipes_parents(sample_home: Path) -> None:
    network = store_teacher()
    model = built(student())
    assert isinstance(model, Distillation)
    images = np.zeros((3, 28, 28, 1), np.float32)
    expected = np.asarray(network(images))
    np.testing.assert_allclose(np.asarray(model.taught_by().logits(images))[0], expected, rtol=1e-5)


def test_a_student_has_a_teacher(sample_home: Path) -> None:
    assert "a student needs a teacher" in refused(student(parents={}))
    store_teacher()
    told = refused(student(parents={"judge": {"model": TEACHER}}))
    assert "a student needs a teacher: set parents.teacher.model" in told


def test_a_teacher_that_is_not_stored_names_its_command(sample_home: Path) -> None:
    recipe = registry.recipes().get("mlp.mnist-kd")
    with pytest.raises(RecipeError, match=r"`zoo train mlp.mnist-teacher` makes it"):
        new_run(recipe)
    with pytest.raises(UnknownModelError):
        new_run(student())


def test_classes_are_the_same_and_in_one_order(sample_home: Path) -> None:
    clothes = list(data.get("fashion_mnist").labels)
    store_teacher(output={"shape": [10], "labels": clothes})
    told = refused(student())
    assert told.startswith("teacher and student must tell the same classes apart, in one order: ")
    assert "mlp.mnist-wide@1 has T-shirt/top" in told and "the student 0, 1, 2" in told
    store_teacher()
    told = refused(student(**{"data.classes": [1, 0, 2, 3, 4, 5, 6, 7, 8, 9]}))
    assert "the student 1, 0, 2" in told


def test_a_teacher_was_trained_and_measured(sample_home: Path) -> None:
    store_teacher(metrics=())
    assert f"{TEACHER}@1 was never measured, so it may be untrained" in refused(student())
    guessing = Metric("accuracy", 0.05, "test", 10, f"zoo evaluate {TEACHER}")
    store_teacher(metrics=(guessing,))
    told = refused(student())
    assert told == f"{TEACHER}@2 is untrained: its accuracy is 5.0%, and guessing has 10.0%"
    store_teacher(metrics=(dataclasses.replace(guessing, value=0.3),))
    assert built(student()) is not None


def test_a_teacher_is_a_classifier(sample_home: Path) -> None:
    store_teacher(task="generation")
    assert f"parents.teacher must be a classifier; {TEACHER}@1 is for gen" in refused(student())


def test_sizes_are_told_before_training(sample_home: Path) -> None:
    store_teacher()
    recipe = student(**{"name": "mlp.cifar10-student", "data.name": "cifar10"})
    with pytest.raises(RecipeError, match="must tell the same classes apart"):
        built(recipe)
    store_teacher(output={"shape": [10], "labels": list(data.get("cifar10").labels)})
    assert "teacher takes images of 28x28x1, the student of 32x32x3" in refused(recipe)


# A run.


def test_a_student_is_a_classifier_with_its_lineage(sample_home: Path) -> None:
    network = store_teacher()
    before = [value.tobytes() for value in values(network.weights)]
    run = fit_run(new_run(student()), verbose=0)
    assert run.model is not None
    networks = run.model.published_networks()
    card = card_of(run, networks)
    assert card.task == "classification" and set(networks) == {"network"}
    pinned = card.recipe["parents"]["teacher"]
    assert pinned["model"] == f"{TEACHER}@1"
    stored = store.read_card(f"{TEACHER}@1")
    assert pinned["sha256"] == {"network": stored.sha256[stored.networks["network"]]}
    _, again = store.load(f"{TEACHER}@1")
    assert [value.tobytes() for value in values(again["network"].weights)] == before
    # Of the teacher nothing is in the checkpoint.
    with np.load(run.folder / "checkpoint.npz") as archive:
        count = len(archive.files) - 1
    assert count == len(run.model.variables) + len(run.model.optimizer.variables)
    assert not {v.shape for v in run.model.variables} & {(784, 12), (12, 10)}


@pytest.mark.parametrize("cache", [False, True])
def test_stopped_and_resumed_is_never_stopped(cache: bool, sample_home: Path) -> None:
    store_teacher()
    recipe = student(**{"epochs": 3, "method.cache": cache})

    class Stop(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            if epoch == 1:
                raise KeyboardInterrupt

    unbroken = fit_run(new_run(recipe), verbose=0)
    with pytest.raises(KeyboardInterrupt):
        fit_run(new_run(recipe), verbose=0, callbacks=[Stop()])
    # A newer version of the teacher changes nothing for a run that has begun.
    store_teacher(seed=7)
    begun = last_run(recipe.name)
    assert begun.recipe.parents == unbroken.recipe.parents
    resumed = fit_run(begun, verbose=0)
    states = []
    for run in (unbroken, resumed):
        with np.load(run.folder / "checkpoint.npz") as archive:
            states.append({key: archive[key] for key in set(archive.files) - {"record"}})
    assert states[0].keys() == states[1].keys()
    assert all(np.array_equal(states[0][key], states[1][key]) for key in states[0])
    assert (sample_home / "teachers").is_dir() == cache


def test_kept_answers_and_augmentation_exclude_each_other(sample_home: Path) -> None:
    store_teacher()
    settings = {"method.cache": True, "augmentation": [{"name": "RandomFlip"}]}
    told = refused(student(**settings))
    assert "method.cache keeps a teacher's answers to the images as they are" in told
    assert "(RandomFlip)" in told and "set augmentation=[]" in told


@pytest.mark.parametrize("method", ["mutual", "online", "self_distillation"])
def test_the_others_are_trained_from_recipes_too(method: str, sample_home: Path) -> None:
    options: dict[str, dict[str, Any]] = {
        "mutual": {},
        "online": {"peers": [{"architecture": "mlp", "network": {"units": [24]}}]},
        "self_distillation": {"stages": ["features"]},
    }
    recipe = student(parents={}, method={"name": method, **options[method]}, epochs=1)
    run = fit_run(new_run(recipe), verbose=0)
    assert run.model is not None and np.isfinite(list(run.history[0].values())).all()
    assert set(run.model.published_networks()) == {"network"}
    if method == "online":
        assert run.model.peer1.get_layer("features").output.shape == (None, 24)
    if method == "mutual":
        assert run.model.peer1.count_params() == run.model.network.count_params()


def convolutional(**settings: Any) -> Recipe:
    """A student in stages; its teacher is stored."""
    store_teacher(of={"name": "small_cnn", "filters": [[6], [8]]})
    recipe = Recipe(
        name="small_cnn.mnist-student",
        architecture="small_cnn",
        data=DataSpec("mnist", limit=64, validation=32),
        network={"filters": [[4], [6]]},
        parents={"teacher": {"model": TEACHER}},
        ema={"network": 0.9},
        batch_size=16,
        epochs=1,
    )
    return recipe.override(settings)


@pytest.mark.parametrize(
    ("method", "terms"), [("distillation", TERMS), ("adversarial_distillation", TERMS[:1])]
)
def test_inner_layers_teach_in_a_run(
    method: str, terms: list[dict[str, Any]], sample_home: Path
) -> None:
    options = {"name": method, "terms": terms, "label_smoothing": 0.1}
    run = fit_run(
        new_run(convolutional(method=options, augmentation=[{"name": "MixUp"}])), verbose=0
    )
    assert run.model is not None and np.isfinite(list(run.history[0].values())).all()
    assert run.model.network_names[-1] == "projectors"
    assert {"val_accuracy", "val_agreement"} <= set(run.history[0])
    assert set(run.model.published_networks()) == {"network"}


@pytest.mark.parametrize(
    "method", ["distillation", "adversarial_distillation", "mutual", "self_distillation"]
)
def test_images_may_grow(method: str, sample_home: Path) -> None:
    grow = [{"name": "ProgressiveResize", "side": 14, "until": 0.5}]
    recipe = convolutional(method={"name": method}, augmentation=grow)
    run = fit_run(new_run(recipe), verbose=0)
    assert np.isfinite(list(run.history[0].values())).all()
    if method == "distillation":
        told = refused(recipe.override({"method.terms": TERMS}))
        assert told.startswith("method.terms compare layers of one size")


@pytest.mark.parametrize(
    "name",
    ["mlp.mnist-teacher", "mlp.mnist-kd", "small_cnn.mnist-kd", "small_cnn.fashion_mnist-kd"],
)
def test_registered_recipes_train(name: str, sample_home: Path) -> None:
    few = {"data.limit": 32, "batch_size": 16, "epochs": 1}
    recipe = with_parents(registry.recipes().get(name)).override(few)
    run = fit_run(new_run(recipe), verbose=0)
    assert run.model is not None and np.isfinite(list(run.history[0].values())).all()
    if recipe.architecture == "small_cnn":
        teacher = store.read_card(recipe.parents["teacher"]["model"])
        assert run.model.network.count_params() < teacher.parameters["network"] / 10


# Without data.


def test_a_student_may_learn_from_images_of_another_set(sample_home: Path) -> None:
    store_teacher()
    settings = {"data.images": "fashion_mnist", "data.validation": 32, "method.alpha": 0}
    run = fit_run(new_run(student(**settings)), verbose=0)
    assert run.model is not None
    assert set(run.history[0]) == {
        "epoch", "loss", "agreement", "val_loss", "val_agreement", "seconds"
    }  # fmt: skip
    card = card_of(run, run.model.published_networks())
    assert card.data["name"] == "mnist" and card.data["images"] == "fashion_mnist"
    assert card.labels == list(data.get("mnist").labels) and card.data["n"] == 64


@pytest.mark.parametrize(
    "method",
    [
        {"name": "supervised"},
        {"name": "distillation"},
        {"name": "self_distillation", "alpha": 0},
        {},
    ],
)
def test_without_labels_none_is_learned(method: dict[str, Any], sample_home: Path) -> None:
    recipe = student(**{"data.images": "fashion_mnist", "method": method})
    with pytest.raises(RecipeError, match="the images of fashion_mnist come without labels"):
        training_arrays(recipe)


def test_a_class_may_be_missing(sample_home: Path) -> None:
    store_teacher()
    recipe = student(**{"data.without": [3], "data.limit": None})
    train, _ = training_arrays(recipe)
    assert 3 not in train["label"] and len(train["label"]) > 400
    model = built(recipe)
    assert model.network.output_shape == (None, 10)
    assert resolved(recipe).data.without == [3]
