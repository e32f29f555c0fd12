"""The benchmarks of distillation: what is compared, what is kept, what counts as a difference."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from scipy.special import softmax
from scipy.stats import ttest_ind

import zoo
from benchmarks import distillation, hinton
from benchmarks.distillation import BORN_AGAIN, PLAIN, Point, Setting
from benchmarks.hinton import Errors
from benchmarks.points import read_points
from benchmarks.significance import holm
from benchmarks.trainings import trained
from tests.store.common import make_card
from zoo import data, registry, store
from zoo.recipe import Recipe
from zoo.runs import Run
from zoo.training.build import build_method

CLOTHES = distillation.settings()[0]


def points(**accuracies: list[float]) -> list[Point]:
    return [
        Point(CLOTHES.title, method.replace("_", " "), "", seed, 0, 100, accuracy, 1.0)
        for method, values in accuracies.items()
        for seed, accuracy in enumerate(values, 1)
    ]


def test_students_are_small_and_every_method_has_a_recipe() -> None:
    for setting in distillation.settings():
        assert {PLAIN, *BORN_AGAIN} <= set(distillation.methods(setting))
        card = store.read_card(setting.teacher)
        whole = zoo.create(
            setting.student.architecture, card.input["shape"], 10, **setting.student.network
        )
        assert whole.count_params() <= card.parameters["network"] / 10
        steps = set()
        for method in distillation.methods(setting):
            for per_class in (0, 400):
                recipe = distillation.recipe_of(setting, method, per_class, seed=2)
                assert recipe.seed == 2 and recipe.data.per_class == (per_class or None)
                assert Recipe.from_dict(recipe.to_dict()) == recipe
                assert recipe.method["name"] in registry.methods()
                steps.add((recipe.epochs, recipe.batch_size, bool(per_class), recipe.data.repeat))
        assert len(steps) == 2
    names = [
        distillation.recipe_of(CLOTHES, method, per_class, seed).name
        for method in distillation.methods(CLOTHES)
        for per_class in (0, 600)
        for seed in (1, 2)
    ]
    assert len(set(names)) == len(names)


def test_a_tenth_of_the_labels() -> None:
    assert [distillation.tenth(s.student) for s in distillation.settings()] == [600, 400]


def test_born_again_has_the_student_before_it_as_teacher() -> None:
    first, second = (
        distillation.recipe_of(CLOTHES, method, 0, 3).parents["teacher"]["model"]
        for method in BORN_AGAIN
    )
    assert first == distillation.recipe_of(CLOTHES, PLAIN, 0, 3).name
    assert second == distillation.recipe_of(CLOTHES, BORN_AGAIN[0], 0, 3).name


@pytest.mark.parametrize("setting", distillation.settings(), ids=lambda one: one.title)
def test_every_method_fits_its_networks(setting: Setting) -> None:
    """The layers that terms name are in teacher and student, and can be compared."""
    _, teacher = store.load(setting.teacher)
    shape = teacher["network"].input_shape[1:]

    def new_network(architecture: str | None = None, options: Any = None) -> keras.Model:
        return zoo.create("mlp", shape, 10, units=[4])

    given = {
        "parents": {"teacher": teacher, "teacher2": teacher},
        "new_network": new_network,
    }
    for changes in distillation.methods(setting).values():
        config = changes.get("method", setting.student.method)
        student = zoo.create(setting.student.architecture, shape, 10)
        game = build_method(config, {"network": student}, given=given)
        assert game.published == ("network",)


def test_finished_points_are_not_trained_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tmp_path / "points.csv"
    trained: list[str] = []

    def train(recipe: Recipe, folder: Path) -> Run:
        if len(trained) == 3:
            raise KeyboardInterrupt
        trained.append(recipe.name)
        run = Run(recipe, folder / recipe.name / "1", [{"epoch": 1, "seconds": 2.5}])
        run.folder.mkdir(parents=True)
        return run

    kept: list[bool] = []

    def test(run: Run, stored: bool = False) -> tuple[int, float]:
        kept.append(stored)
        return 70, 0.5 + len(trained) / 100

    monkeypatch.setattr(distillation, "trained", train)
    monkeypatch.setattr(distillation, "tested", test)
    with pytest.raises(KeyboardInterrupt):
        distillation.measured(table, CLOTHES, 0, (1,))
    assert [one.accuracy for one in read_points(table, Point)] == [0.51, 0.52, 0.53]
    # Those that others learn from are stored.
    assert kept == [True, False, False]
    assert not list(tmp_path.glob("points/*/*"))
    before = [*trained]
    trained.clear()
    four = dict([*distillation.methods(CLOTHES).items()][:4])
    monkeypatch.setattr(distillation, "methods", lambda _: four)
    found = distillation.measured(table, CLOTHES, 0, (1,))
    assert [one.method for one in found] == [*four]
    assert len(trained) == 1 and trained[0] not in before
    assert read_points(table, Point) == found


def test_a_difference_is_told_from_chance() -> None:
    found = points(
        plain=[0.90, 0.91, 0.905], much=[0.95, 0.951, 0.949], little=[0.906, 0.904, 0.91]
    )
    chances = distillation.significance(found)
    raw = {
        name: ttest_ind(values, [0.90, 0.91, 0.905], equal_var=False).pvalue
        for name, values in (("much", [0.95, 0.951, 0.949]), ("little", [0.906, 0.904, 0.91]))
    }
    assert chances["much"] == pytest.approx(2 * raw["much"]) and chances["much"] < 0.05
    assert chances["little"] == pytest.approx(raw["little"]) and chances["little"] > 0.3
    assert distillation.significance(points(plain=[0.9], much=[0.95])) == {}


def test_holms_correction() -> None:
    raw = {"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.9}
    corrected = holm(raw)
    assert corrected == pytest.approx({"a": 0.04, "c": 0.09, "b": 0.09, "d": 0.9})


def test_the_table_has_the_teacher_and_marks_differences() -> None:
    found = points(plain=[0.90, 0.91, 0.905], response=[0.95, 0.951, 0.949])
    lines = distillation.as_table(CLOTHES, found).splitlines()
    assert lines[0].startswith("Fashion-MNIST, all labels, 2 methods")
    teacher, plain, response = lines[-3:]
    assert "teacher, speednet.fashion_mnist" in teacher and "1,964,458" in teacher
    assert "95.04" in teacher
    assert "90.50 ± 0.50" in plain and "*" not in plain
    assert "95.00 ± 0.10" in response and "+4.50 *" in response
    (first, second) = distillation.summary(found)
    assert (first.side, first.value, first.unit) == ("plain", pytest.approx(90.5), "% of test")
    assert second.spread == pytest.approx(0.1)


# Hinton's digits.


def test_recipes_of_the_digits() -> None:
    found = hinton.recipes(seed=5)
    assert found["teacher"] == registry.recipes().get("mlp.mnist-teacher")
    students = [recipe for what, recipe in found.items() if what != "teacher"]
    assert {student.seed for student in students} == {5}
    assert all(student.network == {"units": [800, 800]} for student in students)
    assert not any(student.augmentation for student in students)
    missing = found["student that saw no 3"]
    assert missing.data.without == [3] and missing.method["alpha"] == 0
    assert found["student, plain"].parents == {}
    quick = hinton.recipes(seed=5, quick=True)
    # A quick try leaves no teacher that a long one would take for its own.
    assert quick["teacher"].name != found["teacher"].name
    assert quick["student, distilled"].parents["teacher"]["model"] == quick["teacher"].name


def test_a_raised_bias_finds_the_threes() -> None:
    """A network that knows a 3 but gives it a logit that is too low by 2."""
    label = np.array([3] * 10 + [1] * 10)
    logits = np.zeros((20, 10), np.float32)
    logits[np.arange(20), label] = 1.0
    logits[:, 3] -= 2.0
    line = Errors("student", "", 1)
    low = hinton._counted(line, logits, label, 0.0)
    assert (low.errors, low.of_three) == (10, 10)
    assert hinton._counted(line, logits, label, 2.5).errors == 0
    high = hinton._counted(line, logits, label, 5.0)
    assert (high.errors, high.of_three) == (10, 0)
    assert 1 < hinton.fewest_errors(logits, label) <= 3


def test_a_bias_is_raised_until_threes_are_as_many_as_there_are() -> None:
    logits = np.random.default_rng(0).normal(size=(500, 10))
    logits[:, 3] -= 4
    raised = hinton.raised_to_share(logits, 0.1)
    logits[:, 3] += raised
    assert softmax(logits, axis=1)[:, 3].mean() == pytest.approx(0.1, abs=1e-3)
    assert raised == pytest.approx(4, abs=0.3)


def test_only_who_saw_no_three_has_lines_of_a_raised_bias(sample_home: Path) -> None:
    keras.utils.set_random_seed(0)
    network = zoo.create("mlp", (28, 28, 1), 10, units=[4])
    test = data.load("mnist", "test")
    line = Errors("student, plain", "", 1)
    assert [one.what for one in hinton.lines_of(line, network, test)] == ["student, plain"]
    line = Errors("student that saw no 3", "", 1)
    plain, by_share, by_errors = hinton.lines_of(line, network, test)
    assert plain.raised == 0 and by_errors.errors <= plain.errors
    assert by_share.what.endswith("bias raised by their share")


def test_a_student_is_stored_to_teach_the_next(sample_home: Path, tmp_path: Path) -> None:
    setting = dataclasses.replace(
        CLOTHES,
        student=Recipe(
            name="mlp.fashion_mnist",
            architecture="mlp",
            data=dataclasses.replace(CLOTHES.student.data, limit=64),
            network={"units": [4]},
            batch_size=32,
            epochs=1,
        ),
    )
    for method in (PLAIN, BORN_AGAIN[0]):
        recipe = distillation.recipe_of(setting, method, 0, 1)
        run = trained(recipe, tmp_path / "runs")
        count, accuracy = distillation.tested(run, stored=method != PLAIN)
        assert count == 784 * 4 + 4 + 50 and 0 <= accuracy <= 1
        assert run.model is not None
        if method == PLAIN:
            # Of so short a training nothing may be better than chance, but teachers are.
            card = make_card(recipe.name, input={"shape": [28, 28, 1]})
            store.save(card, run.model.published_networks())
    card = store.read_card(recipe.name)
    found = card.metric("accuracy")
    assert found is not None and (found.value, found.n) == (accuracy, 256)
    assert card.recipe["parents"]["teacher"]["model"].endswith("-plain-all-seed1@1")


def test_errors_are_summed_up() -> None:
    lines = [Errors("student", "", seed, errors, 3) for seed, errors in ((1, 70), (2, 74))]
    first, second = hinton.summary(lines)
    assert (first.value, first.unit, second.unit) == (72, "errors", "of a 3")
    assert first.spread == pytest.approx(8**0.5)
