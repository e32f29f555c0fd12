"""Recipes: plain data that is checked, overridden and written to JSON and back."""

from __future__ import annotations

import json
from typing import Any

import pytest

from zoo.errors import RecipeError
from zoo.recipe import DataSpec, Recipe


def make(**fields: Any) -> Recipe:
    return Recipe(
        **{"name": "mlp.mnist", "architecture": "mlp", "data": DataSpec("mnist", 100), **fields}
    )


def test_json_and_back_is_the_same_recipe() -> None:
    recipe = make(
        network={"units": [64, 32], "dropout": 0.1},
        augmentation=[{"name": "RandomFlip", "mode": "horizontal"}],
        players={"generator": {"learning_rate": 1e-4}},
        ema={"network": 0.999, "other": 0},
        schedule={"name": "cosine", "warmup": 0.05},
        lineage={"search": "s1", "trial": 3},
        seed=7,
    )
    assert Recipe.from_dict(json.loads(recipe.to_json())) == recipe


def test_a_recipe_has_what_was_said_and_defaults_for_the_rest() -> None:
    recipe = Recipe.from_dict({"name": "a.b", "architecture": "a", "data": {"name": "b"}})
    assert recipe.data == DataSpec("b", validation=0, limit=None)
    assert recipe == Recipe("a.b", "a", DataSpec("b"))
    assert recipe.optimizer is not Recipe("a.b", "a", DataSpec("b")).optimizer


@pytest.mark.parametrize(
    ("setting", "path", "value"),
    [
        ("epochs=3", "epochs", 3),
        ("seed=0", "seed", 0),
        ("data.validation=5", "data.validation", 5),
        ("data.limit=64", "data.limit", 64),
        ("data.limit=null", "data.limit", None),
        ("optimizer.learning_rate=1e-3", "optimizer.learning_rate", 1e-3),
        ("optimizer.name=SGD", "optimizer.name", "SGD"),
        ("optimizer.momentum=0.9", "optimizer.momentum", 0.9),
        ("network.units=[8, 4]", "network.units", [8, 4]),
        ("players.generator.learning_rate=2e-4", "players.generator.learning_rate", 2e-4),
        ("ema.network=0.99", "ema.network", 0.99),
        ("augmentation=[]", "augmentation", []),
        ('augmentation=[{"name": "RandomFlip"}]', "augmentation", [{"name": "RandomFlip"}]),
        ("augmentation.0.mode=vertical", "augmentation.0.mode", "vertical"),
        ('method={"name": "gan"}', "method", {"name": "gan"}),
        ("name=mlp.mnist-x=y", None, None),
    ],
)
def test_override_sets_one_value_and_nothing_else(
    setting: str, path: str | None, value: Any
) -> None:
    recipe = make(augmentation=[{"name": "RandomFlip"}])
    before = recipe.to_dict()
    if path is None:
        with pytest.raises(RecipeError, match=r"mlp\.mnist-x=y"):
            recipe.override([setting])
        return
    changed = recipe.override([setting]).to_dict()
    assert recipe.to_dict() == before, "an override changed the original"
    here: Any = changed
    for key in path.split("."):
        here = here[int(key)] if isinstance(here, list) else here[key]
    assert here == value
    assert type(here) is type(value)
    top = path.split(".")[0]
    assert {k: v for k, v in changed.items() if k != top} == {
        k: v for k, v in before.items() if k != top
    }


def test_override_takes_a_mapping_and_the_last_value_counts() -> None:
    assert make().override({"epochs": 2, "data.limit": 9}).data.limit == 9
    assert make().override(["epochs=2", "epochs=5"]).epochs == 5
    assert make().override([]) == make()


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("epoch=3", "'epoch'; did you mean epochs?"),
        ("optimiser.learning_rate=1", "'optimiser.learning_rate'; did you mean optimizer?"),
        ("data.validaton=3", "'data.validaton'; did you mean validation"),
        ("data.name.x=3", "data.name.x"),
        ("epochs.x=3", "epochs.x"),
        ("augmentation.3.mode=x", "augmentation.3.mode"),
        ("augmentation.x=1", "augmentation.x"),
        ("epochs", "path=value, got 'epochs'"),
        ("=3", "path=value"),
        ("epochs=three", "epochs must be int, got 'three'"),
        ("epochs=3.0", "epochs must be int, got 3.0"),
        ("epochs=true", "epochs must be int, got True"),
        ("epochs=null", "epochs must be int, got None"),
        ("epochs=Infinity", "epochs must be int, got inf"),
        ("epochs=0", "epochs must be at least 1, got 0"),
        ("batch_size=-1", "batch_size must be at least 1, got -1"),
        ("steps_per_execution=0", "steps_per_execution must be at least 1"),
        ("seed=-1", "seed must be 0 to 2^32 - 1, got -1"),
        ("data.validation=-1", "data.validation must be 0 or more"),
        ("data.limit=0", "data.limit must be at least 1"),
        ("data.limit=many", "data.limit must be int or null, got 'many'"),
        ("data.name=usps", "the name of a recipe for mlp on usps is mlp.usps or begins with"),
        ("architecture=lenet", "the name of a recipe for lenet on mnist is lenet.mnist or"),
        ("data=mnist", "data"),
        ("data={}", "a recipe needs data.name"),
        ("ema.network=1", "ema.network must be in [0, 1), got 1"),
        ("ema.network=NaN", "ema.network must be in [0, 1), got nan"),
        ("ema.network=high", "ema must be dict of float, got {'network': 'high'}"),
        ("ema.network=true", "ema must be dict of float"),
        ("players.generator=fast", "players must be dict of dict, got {'generator': 'fast'}"),
        ("optimizer=Adam", "optimizer must be dict, got 'Adam'"),
        ("augmentation={}", "augmentation must be list, got {}"),
        ('augmentation=["RandomFlip"]', "augmentation needs"),
        ('augmentation=[{"mode": "x"}]', "augmentation needs"),
        ("name=MLP.mnist", "recipe name 'MLP.mnist' is not of the form"),
        ("name=mlp", "is not of the form architecture.dataset[-method]"),
        ("name=../mlp.mnist", "is not of the form"),
        ("name=mlp.mnist-", "is not of the form"),
    ],
)
def test_a_mistake_is_one_line_that_says_what_was_expected(setting: str, said: str) -> None:
    with pytest.raises(RecipeError) as caught:
        make().override([setting])
    message = str(caught.value)
    assert said in message
    assert "\n" not in message


@pytest.mark.parametrize("data", [[], None, "mlp.mnist", 3])
def test_what_is_no_dictionary_is_refused(data: Any) -> None:
    with pytest.raises(RecipeError, match="a recipe must be a dictionary"):
        Recipe.from_dict(data)


def test_an_unknown_or_missing_field_is_named() -> None:
    with pytest.raises(RecipeError, match=r"'epoch'; did you mean epochs\?"):
        Recipe.from_dict({**make().to_dict(), "epoch": 3})
    for field in ("name", "architecture", "data"):
        with pytest.raises(RecipeError, match=f"a recipe needs {field}"):
            Recipe.from_dict({k: v for k, v in make().to_dict().items() if k != field})


def test_a_recipe_cannot_be_assigned_to() -> None:
    with pytest.raises(AttributeError):
        make().epochs = 3  # type: ignore[misc]
