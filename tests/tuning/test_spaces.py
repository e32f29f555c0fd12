"""Spaces give recipes that can be trained, whatever values are drawn."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from tests.stored_parents import with_parents
from tuning.custom_space import parse_space
from tuning.spaces import SPACES, space_of
from zoo import registry
from zoo.errors import RecipeError
from zoo.recipe import DataSpec, Recipe


def families() -> list[str]:
    return sorted({registry.architectures().get(n).family for n in registry.architectures()})


def searchable() -> list[str]:
    """Every registered recipe with a space."""
    architectures = registry.architectures()
    names = []
    for name in registry.recipes():
        architecture = architectures.get(registry.recipes().get(name).architecture)
        if {architecture.name, architecture.family} & set(SPACES):
            names.append(name)
    return names


def draws(recipe: Recipe, count: int) -> list[Any]:
    """Hyperparameters at their defaults and at `count` random places, as an oracle draws them."""
    import keras_tuner

    hp = keras_tuner.HyperParameters()
    space_of(recipe)(hp, recipe)
    found = [hp]
    for seed in range(count):
        drawn = hp.copy()
        drawn.values = {
            one.name: one.random_sample(100 * seed + i) for i, one in enumerate(hp.space)
        }
        found.append(drawn)
    return found


def test_every_space_has_a_recipe_to_search() -> None:
    for name in SPACES:
        assert name in families() or name in registry.architectures()
    assert {"mlp.fashion_mnist", "resnet20.fashion_mnist", "dcgan.fashion_mnist"} <= set(
        searchable()
    )


@pytest.mark.parametrize("name", searchable())
def test_every_draw_is_a_recipe_of_its_own(name: str) -> None:
    recipe = registry.recipes().get(name)
    made = [space_of(recipe)(hp, recipe) for hp in draws(recipe, 30)]
    assert len({one.to_json() for one in made}) > 25
    for one in made:
        assert (one.name, one.data, one.epochs, one.seed) == (
            recipe.name,
            recipe.data,
            recipe.epochs,
            recipe.seed,
        )
        assert Recipe.from_dict(one.to_dict()) == one


@pytest.mark.parametrize("name", searchable())
def test_what_is_drawn_can_be_built(name: str) -> None:
    import numpy as np

    from zoo.training.build import build_model

    recipe = with_parents(registry.recipes().get(name))
    images = np.random.default_rng(0).integers(0, 256, (8, 28, 28, 1)).astype("uint8")
    for hp in draws(recipe, 1):
        drawn = space_of(recipe)(hp, recipe)
        model = build_model(drawn, images, 10, steps_per_epoch=2)
        assert model.total_steps == 2 * drawn.epochs
        shape = (10,) if "network" in model.published else images.shape[1:]
        assert getattr(model, model.published[0]).output_shape[1:] == shape


def test_the_mlp_space_reaches_the_network() -> None:
    import keras_tuner

    recipe = registry.recipes().get("mlp.fashion_mnist")
    hp = keras_tuner.HyperParameters()
    hp.values = {"depth": 3, "width": 256, "label_smoothing": 0.15, "learning_rate": 0.004}
    made = SPACES["mlp"](hp, recipe)
    assert made.network["units"] == [256, 128, 64]
    assert made.method == {"name": "supervised", "label_smoothing": 0.15}
    assert made.optimizer["learning_rate"] == 0.004
    assert made.optimizer["name"] == recipe.optimizer["name"]


def test_augmentation_strength_scales_every_factor() -> None:
    import keras_tuner

    recipe = registry.recipes().get("resnet20.fashion_mnist")
    hp = keras_tuner.HyperParameters()
    hp.values = {"augmentation_strength": 2.0}
    made = SPACES["cnn"](hp, recipe)
    for before, after in zip(recipe.augmentation, made.augmentation, strict=True):
        for option, value in before.items():
            expected = 2 * value if option.endswith("factor") else value
            assert after[option] == pytest.approx(expected) if option != "name" else True


def test_an_architecture_without_a_space_says_how_to_give_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(SPACES, "mlp")
    with pytest.raises(RecipeError, match=r"no search space for mlp.*--space"):
        space_of(registry.recipes().get("mlp.fashion_mnist"))


@pytest.mark.parametrize(
    ("text", "kind", "values"),
    [
        ("optimizer.learning_rate=log:1e-4:1e-1", "Float", (1e-4, 1e-1)),
        ("network.dropout=float:0:0.5:0.1", "Float", (0.0, 0.5)),
        ("batch_size=int:32:128:32", "Int", (32, 128)),
        ("optimizer.name=choice:SGD,AdamW", "Choice", ["SGD", "AdamW"]),
        ("network.dropout=choice:0,0.5", "Choice", [0.0, 0.5]),
    ],
)
def test_ranges_from_text(text: str, kind: str, values: Any) -> None:
    import keras_tuner

    recipe = registry.recipes().get("mlp.fashion_mnist")
    hp = keras_tuner.HyperParameters()
    made = parse_space([text], recipe)(hp, recipe)
    one = hp.space[0]
    assert type(one).__name__ == kind
    path = text.split("=")[0]
    if kind == "Choice":
        assert one.values == values
    else:
        assert (one.min_value, one.max_value) == values
        assert one.sampling == ("log" if "=log" in text else "linear")
    assert made == recipe.override({path: hp.values[path]})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("learning_rate", "a range has the form"),
        ("batch_size=lg:1:2", "did you mean log"),
        ("batch_size=int:1", "a range is"),
        ("batch_size=int:1.5:3", "whole numbers"),
        ("batch_size=int:8:4", "low end must be below"),
        ("batch_size=int:4:8:9", "step must be"),
        ("batch_size=int:0:8", "batch_size must be at least 1"),
        ("batch_size=float:1:8", "batch_size must be int"),
        ("optimizer.learning_rate=log:0:1", "above 0"),
        ("optimizer.learning_rate=float:nan:1", "below the high end"),
        ("optimizer.learning_rate=float:0:inf", "finite"),
        ("optimizer.name=choice:SGD,1", "mixture"),
        ("optimizer.name=choice:", "choices are"),
        ("optimizer.name=choice:SGD,SGD", "twice"),
        ("netwrk.units=int:1:2", "did you mean network"),
        ("data.validation=int:1:2", "cannot vary"),
        ("epochs=int:1:2", "cannot vary"),
    ],
)
def test_a_bad_range_is_one_clear_line(text: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message) as raised:
        parse_space([text], registry.recipes().get("mlp.fashion_mnist"))
    assert "\n" not in str(raised.value)


def test_a_path_given_twice_is_refused() -> None:
    recipe = Recipe("mlp.mnist", "mlp", DataSpec("mnist"))
    with pytest.raises(RecipeError, match="twice"):
        parse_space(["batch_size=int:1:2", "batch_size=int:1:3"], recipe)


def test_importing_the_search_is_light() -> None:
    code = (
        "import sys, tuning, tuning.spaces, tuning.custom_space, tuning.search, tuning.results, "
        "tuning.promotion, zoo.cli.tune\n"
        "heavy = {'keras', 'keras_tuner', 'tensorflow', 'sklearn'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
