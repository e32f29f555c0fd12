"""What every registered architecture must do, looped over the registry."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import zoo
from tests.marks import fast_of
from tests.steps import FEWER, evaluate_once, train_once, values
from tests.stored_parents import with_parents
from tests.weightless import weightless
from zoo import registry, store
from zoo.data.feed import first_images
from zoo.recipe import DataSpec, Recipe
from zoo.runs import last_run, new_run
from zoo.training.augmentation import further_arrays
from zoo.training.build import build_model
from zoo.training.checkpoint import load_checkpoint, save_checkpoint
from zoo.training.engine import MultiPlayerModel
from zoo.training.publish import make_card
from zoo.training.run import fit_run, training_arrays

BATCH = 16


def small_recipe(architecture: str) -> Recipe:
    """The first registered recipe of an architecture, or a plain one, cut to a few steps."""
    recipes = registry.recipes()
    own = [recipes.get(n) for n in recipes if recipes.get(n).architecture == architecture]
    data = DataSpec("fashion_mnist")
    recipe = own[0] if own else Recipe(f"{architecture}.fashion_mnist", architecture, data)
    few = {"data.limit": 2 * BATCH, "data.validation": 0, "batch_size": BATCH, "epochs": 2}
    changed = {**few, "data.repeat": 1, **FEWER.get(architecture, {})}
    return with_parents(recipe.override(changed))


class Game:
    """An architecture's model, compiled as its recipe says, with a batch of real images."""

    def __init__(self, architecture: str) -> None:
        self.architecture = registry.architectures().get(architecture)
        self.recipe = small_recipe(architecture)
        arrays = training_arrays(self.recipe)[0]
        self.arrays = {**arrays, **further_arrays(self.recipe, arrays)}
        self.model = self.build()
        self.batch = {key: value[:BATCH] for key, value in self.arrays.items()}

    def build(self) -> MultiPlayerModel:
        return build_model(self.recipe, first_images(self.arrays), 10, steps_per_epoch=2)


WITH_RECIPE = {registry.recipes().get(name).architecture for name in registry.recipes()}


def in_battery() -> list[str]:
    """The architectures to train: those with a recipe, and one for what no recipe's stands for.

    Classifiers of one module and one method differ in their numbers, such as depth and width; of
    those without a recipe the smallest numbers are taken. On JAX, where every step outside `fit` is
    compiled anew, one stands for all of a task and a method: networks are not its concern.
    """
    found = [registry.architectures().get(name) for name in registry.architectures()]
    # Recipes first, then the smallest numbers, so that the first of a kind stands for it.
    found.sort(key=lambda one: (one.name not in WITH_RECIPE, numbers(one.name)))
    on_jax = keras.backend.backend() == "jax"
    kinds = set()
    names = []
    for one in found:
        modules = [path.partition(":")[0] for path in one.networks.values()]
        kind = (one.task, one.method, *([] if on_jax else modules))
        always = not on_jax and (one.name in WITH_RECIPE or one.task != "classification")
        if always or kind not in kinds:
            names.append(one.name)
        kinds.add(kind)
    return registry.natural_sort(names)


def numbers(name: str) -> list[int]:
    return [int(digits) for digits in re.findall(r"\d+", name)]


IN_BATTERY = in_battery()
# Those without a recipe are the large networks of papers.
FAST = WITH_RECIPE.intersection(IN_BATTERY)


@pytest.fixture(scope="module", params=fast_of(FAST, IN_BATTERY))
def game(request: pytest.FixtureRequest, shared_sample_home: Path) -> Iterator[Game]:
    yield Game(request.param)
    keras.backend.clear_session()


def inputs_of(network: keras.Model, make: Callable[[tuple[int, ...]], np.ndarray]) -> Any:
    """What a network takes: for each of its inputs an array of the shape of three examples."""
    return keras.tree.map_structure(lambda one: make((3, *one.shape[1:])), network.input)


def same(before: list[np.ndarray], after: list[np.ndarray]) -> bool:
    return len(before) == len(after) and all(map(np.array_equal, before, after))


LEFT_OUT = [
    name
    for name in registry.architectures()
    if name not in IN_BATTERY and registry.architectures().get(name).task == "classification"
]


@pytest.mark.parametrize("name", LEFT_OUT)
def test_what_the_battery_leaves_out_can_be_built(name: str) -> None:
    with weightless():
        network = zoo.create(name, (32, 32, 3), 10)
        assert network.input_shape == (None, 32, 32, 3)
        assert network.output_shape == (None, 10)
        assert len(network.get_layer("features").output.shape) == 2


def test_every_recipe_names_what_exists() -> None:
    for name in registry.recipes():
        recipe = registry.recipes().get(name)
        assert recipe.name == name
        assert name.startswith(f"{recipe.architecture}.")
        assert recipe.architecture in registry.architectures()
        assert recipe.method.get("name", "supervised") in registry.methods()
        assert zoo.data.source(recipe.data.name).name == recipe.data.name
        assert Recipe.from_dict(recipe.to_dict()) == recipe


def test_builds_and_answers_finite_numbers(game: Game) -> None:
    network = getattr(game.model, game.model.published[0])
    rows = inputs_of(network, lambda shape: np.zeros(shape, np.float32))
    answer = np.asarray(network(rows, training=False))
    assert answer.shape == (3, *network.output_shape[1:])
    assert np.isfinite(answer).all()
    assert game.architecture.task in registry.TASKS


def test_a_round_moves_its_players_and_nobody_else(game: Game) -> None:
    model, rounds = game.model, game.model.rounds
    for players in rounds:
        own = [variable for player in players for variable in model.player_variables(player)]
        others = [
            variable
            for name in model.network_names
            for variable in getattr(model, name).variables
            if not any(name in model.players[player] for player in players)
        ]
        slots = [
            variable
            for player, optimizer in model.optimizer.players.items()
            if player not in players
            for variable in optimizer.variables
        ]
        own_before, others_before, slots_before = values(own), values(others), values(slots)
        model.rounds = (players,)
        train_once(model, game.batch)
        moved = [not np.array_equal(a, b) for a, b in zip(own_before, values(own), strict=True)]
        # A gradient may vanish here and there, as behind a dead unit, but not for most variables.
        assert np.mean(moved) > 0.9
        assert same(others_before, values(others))
        assert same(slots_before, values(slots))
    model.rounds = rounds


def test_evaluating_changes_nothing(game: Game) -> None:
    before = values(game.model.variables)
    logs = evaluate_once(game.model, game.batch)
    assert all(np.isfinite(float(value)) for value in logs.values())
    assert same(before, values(game.model.variables))


def test_the_whole_game_saves_and_reloads(game: Game, tmp_path: Path) -> None:
    train_once(game.model, game.batch)
    path = tmp_path / "game.keras"
    game.model.save(path)
    loaded = keras.saving.load_model(path)
    assert same(values(game.model.weights), values(loaded.weights))
    assert same(values(game.model.optimizer.variables), values(loaded.optimizer.variables))
    config, expected = loaded.get_config(), game.model.get_config()
    options = set(expected) - set(game.model.network_names)
    assert {key: config[key] for key in options} == {key: expected[key] for key in options}


def test_what_is_published_is_stored_and_loads_equal(game: Game, tmp_path: Path) -> None:
    networks = game.model.published_networks()
    run = new_run(game.recipe)
    run.model, run.history = game.model, [{"epoch": 1, "loss": 1.0, "seconds": 1.0}]
    save_checkpoint(run.folder / "checkpoint.npz", game.model, {"history": run.history})
    stored = store.save(make_card(run, networks), networks, root=tmp_path)
    assert stored.parent == tmp_path / game.recipe.name
    card, loaded = store.load(stored)
    assert card.parameters == {name: network.count_params() for name, network in networks.items()}
    rng = np.random.default_rng(0)
    for name, network in networks.items():
        rows = inputs_of(network, lambda shape: rng.normal(size=shape).astype("float32"))
        expected = np.asarray(network(rows, training=False))
        np.testing.assert_array_equal(np.asarray(loaded[name](rows)), expected)


def test_a_checkpoint_is_the_whole_state(game: Game, tmp_path: Path) -> None:
    """Two models, one from the other's checkpoint, take the same next step to the last bit."""
    path = tmp_path / "checkpoint.npz"
    save_checkpoint(path, game.model, {"epoch": 1})
    twin = game.build()
    assert load_checkpoint(path, twin) == {"epoch": 1}
    for model in (game.model, twin):
        model.reset_metrics()
        train_once(model, game.batch)
    assert same(values(game.model.variables), values(twin.variables))
    assert same(values(game.model.optimizer.variables), values(twin.optimizer.variables))
    assert not same(values(game.build().variables), values(twin.variables))


# What the others have in their state the checkpoints' test compares; here it is the run.
RESUMED = ("mlp", "dcgan", "resnet20", "cyclegan", "discogan", "kl_autoencoder", "ldm")


@pytest.mark.parametrize("architecture", fast_of(RESUMED[:2], RESUMED))
def test_a_run_stopped_and_resumed_equals_one_never_stopped(
    architecture: str, shared_sample_home: Path
) -> None:
    recipe = small_recipe(architecture).override({"epochs": 3})

    class Stop(keras.callbacks.Callback):
        epoch = 0

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self.epoch = epoch

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            if (self.epoch, batch) == (1, 0):  # in the middle of the second epoch
                raise KeyboardInterrupt

    unbroken = fit_run(new_run(recipe), verbose=0)
    stopped = new_run(recipe)
    with pytest.raises(KeyboardInterrupt):
        fit_run(stopped, verbose=0, callbacks=[Stop()])
    resumed = fit_run(last_run(recipe.name, recipe), verbose=0)
    assert resumed.folder == stopped.folder
    with (
        np.load(unbroken.folder / "checkpoint.npz") as a,
        np.load(resumed.folder / "checkpoint.npz") as b,
    ):
        state = sorted(set(a.files) - {"record"})
        assert state == sorted(set(b.files) - {"record"})
        assert all(np.array_equal(a[key], b[key]) for key in state)
    for one, other in zip(unbroken.history, resumed.history, strict=True):
        assert {**one, "seconds": 0} == {**other, "seconds": 0}
