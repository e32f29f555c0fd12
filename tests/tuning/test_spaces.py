"""Spaces give recipes that can be trained, whatever values are drawn."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from tests.steps import FEWER
from tests.stored_parents import with_parents
from tuning.spaces import SPACES, space_of
from zoo import registry
from zoo.errors import RecipeError
from zoo.recipe import DataSpec, Recipe

from .drawing import declared, drawn, made_with

RECIPES = [*registry.recipes()]
# One of each space and of each kind of network; the others are built in the full run.
QUICKLY_BUILT = (
    "mlp.fashion_mnist",
    "small_cnn.fashion_mnist",
    "dcgan.fashion_mnist",
    "cyclegan.mnist_usps",
    "discogan.mnist_inverted",
    "vae.mnist",
    "kl_autoencoder.mnist",
    "ddpm.fashion_mnist",
    "small_cnn.mnist-kd",
    "lenet5.mnist_to_mnist_m-dann",
)
# Recipes of methods that no registered recipe has.
OTHERS: dict[str, tuple[str, dict[str, Any]]] = {
    "adda": ("small_cnn.mnist_to_usps-cdan", {"method": {"name": "adda"}}),
    "dan": ("small_cnn.mnist_to_usps-cdan", {"method": {"name": "dan"}}),
    "deep_coral": ("small_cnn.mnist_to_usps-cdan", {"method": {"name": "deep_coral"}}),
    "source_only": ("small_cnn.mnist_to_usps-cdan", {"method": {"name": "source_only"}}),
    "mutual": ("small_cnn.mnist", {"method": {"name": "mutual"}}),
    "online": ("small_cnn.mnist", {"method": {"name": "online", "peers": [{}]}}),
    "self_distillation": ("small_cnn.mnist", {"method": {"name": "self_distillation"}}),
    "adversarial_distillation": (
        "small_cnn.mnist-kd",
        {"method": {"name": "adversarial_distillation"}},
    ),
    "transfer": (
        "small_cnn.mnist",
        {"transfer": {"from": "small_cnn.usps", "policy": "finetune"}},
    ),
}


def recipe_of(name: str) -> Recipe:
    if name in OTHERS:
        base, settings = OTHERS[name]
        return registry.recipes().get(base).override(settings)
    return registry.recipes().get(name)


def test_every_family_with_a_recipe_has_a_space() -> None:
    for name in RECIPES:
        assert callable(space_of(recipe_of(name)))
    for name, space in SPACES.items():
        known = (*registry.architectures(), *registry.methods(), *registry.families(), "transfer")
        assert name in known, f"nothing is called {name}"
        assert any(space_of(recipe_of(one)) is space for one in (*RECIPES, *OTHERS)), name


@pytest.mark.parametrize("name", [*RECIPES, *OTHERS])
def test_every_draw_is_a_recipe_of_its_own(name: str) -> None:
    recipe = recipe_of(name)
    space = space_of(recipe)
    hp = declared(space, recipe)
    made = [made_with(space, recipe, drawn(hp, seed)) for seed in range(20)]
    assert len({one.to_json() for one in made}) > 18
    for one in made:
        assert (one.name, one.data, one.epochs, one.seed) == (
            recipe.name,
            recipe.data,
            recipe.epochs,
            recipe.seed,
        )
        assert (one.parents, one.architecture) == (recipe.parents, recipe.architecture)
        assert Recipe.from_dict(one.to_dict()) == one


@pytest.mark.parametrize("name", [*RECIPES, *OTHERS])
def test_every_hyperparameter_is_declared_at_once_and_has_its_own_name(name: str) -> None:
    """Whatever the values are: an oracle lays the space out before it knows any."""
    recipe = recipe_of(name)
    space = space_of(recipe)
    hp = declared(space, recipe)
    names = [one.name for one in hp.space]
    assert len(names) == len(set(names))
    for seed in range(10):
        again = type(hp)()
        again.values = drawn(hp, seed)
        before = dict(again.values)
        space(again, recipe)
        assert [one.get_config() for one in again.space] == [one.get_config() for one in hp.space]
        # All that is active was drawn, and nothing else is asked for.
        assert again.values == before


@pytest.mark.parametrize("name", [*RECIPES, *OTHERS])
def test_the_defaults_are_the_recipes_own_values(name: str) -> None:
    recipe = recipe_of(name)
    made = made_with(space_of(recipe), recipe, {})
    for field in ("optimizer", "schedule", "method"):
        own = getattr(recipe, field)
        assert {key: getattr(made, field)[key] for key in own} == own
    assert (made.ema, made.batch_size) == (recipe.ema, recipe.batch_size)
    assert made.augmentation == recipe.augmentation
    for key in recipe.network:
        # An mlp's widths follow a rule, which not every list does.
        if recipe.architecture != "mlp" or key != "units":
            assert made.network[key] == recipe.network[key]


@pytest.mark.parametrize(
    "name",
    [one if one in QUICKLY_BUILT else pytest.param(one, marks=pytest.mark.full) for one in RECIPES],
)
def test_what_is_drawn_can_be_built(name: str) -> None:
    from zoo.training.build import build_model

    recipe = recipe_of(name)
    recipe = with_parents(recipe.override(FEWER.get(recipe.architecture, {})))
    space = space_of(recipe)
    images = np.random.default_rng(0).integers(0, 256, (8, 28, 28, 1)).astype("uint8")
    made = made_with(space, recipe, drawn(declared(space, recipe), 3))
    model = build_model(made, images, 10, steps_per_epoch=2)
    assert model.total_steps == 2 * made.epochs
    for player in model.players:
        assert model.player_variables(player)


def test_the_mlp_space_reaches_the_network() -> None:
    recipe = recipe_of("mlp.fashion_mnist")
    values = {"depth": 3, "width": 256, "label_smoothing": 0.15, "learning_rate": 0.004}
    made = made_with(SPACES["mlp"], recipe, values)
    assert made.network["units"] == [256, 128, 64]
    assert made.method == {"name": "supervised", "label_smoothing": 0.15}
    assert made.optimizer["learning_rate"] == 0.004
    assert made.optimizer["name"] == recipe.optimizer["name"]


def test_what_depends_on_a_choice_is_there_with_it_alone() -> None:
    recipe = recipe_of("mlp.fashion_mnist")
    space = SPACES["mlp"]
    made = made_with(space, recipe, {"depth": 1, "taper": 1.0, "activation": "maxout", "pieces": 5})
    assert (made.network["units"], made.network["pieces"]) == ([512], 5)
    assert made_with(space, recipe, {"depth": 2, "taper": 1.0}).network["units"] == [512, 512]
    assert "pieces" not in made_with(space, recipe, {"activation": "relu"}).network
    hp = declared(space, recipe)
    hp.values = {**hp.values, "schedule": "one_cycle"}
    hp.ensure_active_values()
    assert "schedule_peak" in hp.values and "schedule_warmup" not in hp.values


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ({}, {"name": "cosine", "warmup": 0.1}),
        ({"schedule": "cosine", "schedule_warmup": 0.2}, {"name": "cosine", "warmup": 0.2}),
        ({"schedule": "linear", "schedule_start": 0.5}, {"name": "linear", "start": 0.5}),
        ({"schedule": "constant"}, {}),
    ],
)
def test_a_schedule_has_its_own_options(chosen: dict[str, Any], expected: dict[str, Any]) -> None:
    recipe = recipe_of("small_cnn.fashion_mnist")
    assert made_with(SPACES["cnn"], recipe, chosen).schedule == expected


def test_a_schedule_that_is_not_searched_stays_the_recipes() -> None:
    own = {"name": "step", "at": [0.4], "factor": 0.2}
    recipe = recipe_of("small_cnn.fashion_mnist").override({"schedule": own})
    assert made_with(SPACES["cnn"], recipe, {}).schedule == own


def test_augmentation_strength_scales_every_factor() -> None:
    recipe = recipe_of("resnet20.fashion_mnist")
    made = made_with(SPACES["cnn"], recipe, {"augmentation_strength": 2.0})
    for before, after in zip(recipe.augmentation, made.augmentation, strict=True):
        for option, value in before.items():
            expected = 2 * value if option.endswith("factor") else value
            assert after[option] == (pytest.approx(expected) if option != "name" else value)


def test_mixing_comes_before_what_must_be_last() -> None:
    recipe = recipe_of("speednet.cifar10")
    made = made_with(SPACES["cnn"], recipe, {"mixing": "MixUp", "mixup_alpha": 0.4})
    assert made.augmentation[-2:] == [{"name": "MixUp", "alpha": 0.4}, recipe.augmentation[-1]]
    distilled = made_with(SPACES["distillation"], recipe_of("small_cnn.mnist-kd"), {})
    assert distilled.augmentation == recipe_of("small_cnn.mnist-kd").augmentation


def test_one_factor_widens_a_whole_network() -> None:
    for name, option, expected in (
        ("resnet20.fashion_mnist", "width", 32),
        ("small_cnn.mnist", "filters", [[64, 64], [128, 128], [256, 256]]),
        ("speednet.cifar10", "widths", [128, 512, 512]),
    ):
        recipe = recipe_of(name)
        assert (
            made_with(space_of(recipe), recipe, {"width_factor": 2.0}).network[option] == expected
        )
    halved = made_with(
        SPACES["autoencoder"], recipe_of("kl_autoencoder.mnist"), {"width_factor": 0.5}
    )
    assert halved.network["width"] % 16 == 0
    begun = recipe_of("transfer")
    assert "width_factor" not in {one.name for one in declared(space_of(begun), begun).space}


def test_gans_take_smoothing_where_the_loss_has_it_and_batches_for_every_turn() -> None:
    recipe = recipe_of("dcgan.fashion_mnist")
    space = SPACES["gan"]
    made = made_with(space, recipe, {"loss": "least_squares", "real_label": 0.8})
    assert (made.method["loss"], made.method["real_label"]) == ("least_squares", 0.8)
    hinge = made_with(space, recipe, {"loss": "hinge"})
    assert (hinge.method["loss"], hinge.method["real_label"]) == ("hinge", 1.0)
    three = made_with(space, recipe, {"discriminator_steps": 3})
    assert (three.method["discriminator_steps"], three.batch_size) == (3, 3 * recipe.batch_size)
    rates = made_with(space, recipe, {"generator_rate": 1e-4, "discriminator_rate": 4e-4}).players
    assert rates["generator"]["learning_rate"] == 1e-4
    assert rates["discriminator"]["learning_rate"] == 4e-4
    shared = recipe.override({"method.share": "round"})
    assert "discriminator_steps" not in {one.name for one in declared(space, shared).space}


def test_translators_have_the_options_of_their_method() -> None:
    cycle = made_with(
        SPACES["translation"],
        recipe_of("cyclegan.mnist_usps"),
        {"cycle": 5.0, "identity": 0.25, "pool": 200},
    ).method
    assert (cycle["cycle"], cycle["identity"], cycle["pool"]) == (5.0, 0.25, 200)
    disco = made_with(
        SPACES["translation"], recipe_of("discogan.mnist_inverted"), {"cycle_warmup": 0.25}
    ).method
    assert disco["warmup"] == 0.25 and "pool" not in disco


def test_temperature_is_for_divergences_and_labels_for_who_reads_them() -> None:
    recipe = recipe_of("small_cnn.mnist-kd")
    space = SPACES["distillation"]
    soft = made_with(space, recipe, {"response": "kl", "temperature": 20.0, "alpha": 0.5}).method
    assert (soft["temperature"], soft["alpha"]) == (20.0, 0.5)
    hard = made_with(space, recipe, {"response": "mse"}).method
    assert hard["temperature"] == recipe.method["temperature"]
    unlabelled = recipe.override({"method.alpha": 0})
    assert "alpha" not in {one.name for one in declared(space, unlabelled).space}


def test_the_ratio_of_rates_is_one_of_rates() -> None:
    recipe = recipe_of("adda")
    made = made_with(SPACES["adda"], recipe, {"learning_rate": 2e-3, "rate_ratio": 0.5})
    assert made.optimizer["learning_rate"] == 2e-3
    assert made.players["domain_classifier"]["learning_rate"] == pytest.approx(1e-3)


def test_a_method_of_the_architectures_own_keeps_its_options() -> None:
    recipe = Recipe("kl_autoencoder.mnist", "kl_autoencoder", DataSpec("mnist"))
    made = made_with(space_of(recipe), recipe, {"kl_warmup": 0.25})
    own = registry.architectures().get("kl_autoencoder").default_method
    assert made.method == {**own, "kl_warmup": 0.25}


def test_an_architecture_without_a_space_says_how_to_give_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(SPACES, "mlp")
    with pytest.raises(RecipeError, match=r"no search space for mlp.*--space"):
        space_of(recipe_of("mlp.fashion_mnist"))


def test_importing_the_search_is_light() -> None:
    code = (
        "import sys, tuning, tuning.spaces, tuning.custom_space, tuning.search, tuning.results, "
        "tuning.objectives, tuning.repeats, tuning.budget, tuning.stopping, tuning.promotion, "
        "zoo.cli.tune\n"
        "heavy = {'keras', 'keras_tuner', 'tensorflow', 'sklearn', 'optuna'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
