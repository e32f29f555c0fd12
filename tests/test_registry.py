"""The registry: its catalogue type by itself, then every entry that is registered."""

from __future__ import annotations

import importlib
import inspect
import random

import pytest

from zoo import registry
from zoo.errors import UnknownModelError
from zoo.recipe import Recipe
from zoo.registry import Architecture, Catalogue, Method, natural_sort

NAMES = ["resnet20.mnist", "resnet8.mnist", "resnet110.mnist", "mlp.fashion_mnist", "mlp.mnist"]


@pytest.fixture
def catalogue() -> Catalogue[int]:
    filled: Catalogue[int] = Catalogue("thing")
    for number, name in enumerate(NAMES):
        filled.add(name, number)
    return filled


def test_natural_sort_counts_like_people() -> None:
    expected = ["a", "a1b2", "a1b10", "a2", "a10", "b", "resnet8", "resnet20", "resnet20v2"]
    shuffled = random.Random(0).sample(expected, len(expected))
    assert natural_sort(shuffled) == expected


def test_natural_sort_takes_any_text() -> None:
    names = ["", "7", "²", "x²", "٣", "x3", "x03"]
    assert sorted(natural_sort(names)) == sorted(names)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (
            "*",
            [
                "mlp.fashion_mnist",
                "mlp.mnist",
                "resnet8.mnist",
                "resnet20.mnist",
                "resnet110.mnist",
            ],
        ),
        ("resnet*", ["resnet8.mnist", "resnet20.mnist", "resnet110.mnist"]),
        ("*.fashion_mnist", ["mlp.fashion_mnist"]),
        ("resnet?.mnist", ["resnet8.mnist"]),
        ("resnet[28]*", ["resnet8.mnist", "resnet20.mnist"]),
        ("mlp.mnist", ["mlp.mnist"]),
        ("MLP.*", []),
        ("mlp", []),
    ],
)
def test_wildcards(catalogue: Catalogue[int], pattern: str, expected: list[str]) -> None:
    assert catalogue.names(pattern) == expected


def test_a_catalogue_answers_by_name(catalogue: Catalogue[int]) -> None:
    assert [catalogue.get(name) for name in NAMES] == list(range(len(NAMES)))
    assert "mlp.mnist" in catalogue
    assert "mlp" not in catalogue
    assert list(catalogue) == catalogue.names()


def test_a_taken_name_raises_and_keeps_the_first(catalogue: Catalogue[int]) -> None:
    with pytest.raises(ValueError, match=r"thing 'mlp\.mnist' is registered twice"):
        catalogue.add("mlp.mnist", 99)
    assert catalogue.get("mlp.mnist") == NAMES.index("mlp.mnist")


def test_an_unknown_name_says_what_kind_and_what_is_near(catalogue: Catalogue[int]) -> None:
    with pytest.raises(
        UnknownModelError, match=r"unknown thing 'mlp\.mnits'; did you mean mlp\.mnist"
    ):
        catalogue.get("mlp.mnits")


def test_what_is_registered_twice_raises() -> None:
    name = registry.recipes().names()[0]
    with pytest.raises(ValueError, match="registered twice"):
        registry.register(registry.recipes().get(name))


@pytest.mark.parametrize("name", registry.architectures())
def test_every_architecture_is_what_it_says(name: str) -> None:
    architecture = registry.architectures().get(name)
    assert isinstance(architecture, Architecture)
    assert architecture.name == name
    assert architecture.task in registry.TASKS
    assert architecture.family in registry.families()
    assert architecture.method in registry.methods()
    assert architecture.networks
    assert any(year in architecture.paper for year in map(str, range(1940, 2040))), "needs a year"
    for path in architecture.networks.values():
        module, _, function = path.partition(":")
        assert module.startswith(f"zoo.models.{architecture.family}.")
        parameters = inspect.signature(
            getattr(importlib.import_module(module), function)
        ).parameters
        # What stands on a parent takes its shapes from that.
        assert {"input_shape", "parents"} & set(parameters)


@pytest.mark.parametrize("name", registry.methods())
def test_every_method_is_a_game(name: str) -> None:
    from zoo.training.engine import MultiPlayerModel

    method = registry.methods().get(name)
    assert isinstance(method, Method)
    assert method.name == name
    model = registry.load_object(method.model)
    assert isinstance(model, type)
    assert issubclass(model, MultiPlayerModel)


@pytest.mark.parametrize("name", registry.recipes())
def test_every_recipe_fits_its_architecture_and_data(name: str) -> None:
    from zoo import data

    recipe = registry.recipes().get(name)
    assert isinstance(recipe, Recipe)
    architecture, _, rest = name.partition(".")
    assert recipe.name == name
    assert recipe.architecture == architecture
    assert architecture in registry.architectures()
    dataset = data.source(recipe.data.name)
    assert rest.split("-")[0] == dataset.name
    sets = dataset.sets if isinstance(dataset, data.Pair) else (dataset,)
    assert recipe.data.validation < min(one.splits["train"] for one in sets)
    assert recipe.method.get("name", "supervised") in registry.methods() or not recipe.method
    builders = registry.architectures().get(architecture).networks
    accepted = {
        network: set(inspect.signature(registry.load_object(path)).parameters)
        for network, path in builders.items()
    }
    for option, value in recipe.network.items():
        if option in builders:
            assert set(value) <= accepted[option]
        else:
            assert option in set().union(*accepted.values())
    assert set(recipe.ema) <= set(builders)
    assert Recipe.from_dict(recipe.to_dict()) == recipe
