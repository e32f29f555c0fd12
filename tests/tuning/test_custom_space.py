"""Ranges from the command line."""

from __future__ import annotations

from typing import Any

import keras_tuner
import pytest

from tuning.custom_space import parse_space
from tuning.objectives import objectives_of
from zoo import registry
from zoo.errors import RecipeError
from zoo.recipe import DataSpec, Recipe


@pytest.mark.parametrize(
    ("text", "kind", "values"),
    [
        ("optimizer.learning_rate=log:1e-4:1e-1", "Float", (1e-4, 1e-1)),
        ("network.dropout=float:0:0.5:0.1", "Float", (0.0, 0.5)),
        ("batch_size=int:32:128:32", "Int", (32, 128)),
        ("optimizer.name=choice:SGD,AdamW", "Choice", ["SGD", "AdamW"]),
        ("network.dropout=choice:0,0.5", "Choice", [0.0, 0.5]),
        ("network.units.0=int:16:64:16", "Int", (16, 64)),
        ("ema.network=choice:0.9,0.99", "Choice", [0.9, 0.99]),
    ],
)
def test_ranges_from_text(text: str, kind: str, values: Any) -> None:
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
        ("early_stopping.patience=int:1:2", "cannot vary"),
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


def test_what_changes_the_meaning_of_the_objective_is_refused() -> None:
    recipe = registry.recipes().get("vae.mnist")
    (loss,) = objectives_of(recipe)
    text = "method.beta=float:0.1:2"
    with pytest.raises(RecipeError, match=r"method\.beta changes what val_loss measures"):
        parse_space([text], recipe, loss)
    (distance,) = objectives_of(recipe, ["val_kid_pixels"])
    assert callable(parse_space([text], recipe, distance))
    assert callable(parse_space(["method.kl_warmup=float:0:1"], recipe, loss))
