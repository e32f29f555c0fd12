"""Networks that learn together, from each other or from themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from scipy.special import softmax

import zoo
from tests.steps import evaluate_once, train_once, values
from tests.students import BATCH, CLASSES, SHAPE, answers, divergence, entropy, network
from zoo.errors import RecipeError
from zoo.training.build import build_method
from zoo.training.engine import MultiPlayerModel


def new_network(architecture: str | None = None, options: Any = None) -> keras.Model:
    """As `build_model` gives it: by default one like the first."""
    if architecture is None:
        return zoo.create("small_cnn", SHAPE, CLASSES, filters=[[4], [8]])
    return zoo.create(architecture, SHAPE, CLASSES, **(options or {}))


def game(method: str, student: keras.Model | None = None, **options: Any) -> MultiPlayerModel:
    networks = {"network": network() if student is None else student}
    given = {"new_network": new_network, "parents": {}}
    model = build_method({"name": method, **options}, networks, given=given)
    model.compile({player: keras.optimizers.SGD(0.05) for player in model.players})
    return model


def moved_in(model: MultiPlayerModel, players: tuple[str, ...]) -> set[str]:
    """The players whose variables move in a round of some of them."""
    before = {player: values(model.player_variables(player)) for player in model.players}
    rounds, model.rounds = model.rounds, (players,)
    train_once(model, BATCH)
    model.rounds = rounds
    return {
        player
        for player, old in before.items()
        if any(
            not np.array_equal(a, b)
            for a, b in zip(old, values(model.player_variables(player)), strict=True)
        )
    }


# Peers.


def test_peers_learn_from_each_other() -> None:
    model = game("mutual", peers=[{}, {}], weight=2.0, temperature=3.0)
    names = ("network", "peer1", "peer2")
    assert tuple(model.players) == names and model.rounds == (names,)
    said = {name: answers(getattr(model, name), training=True) for name in names}
    losses, logs = model.compute_losses(BATCH, names)
    for name in names:
        others = [divergence(said[other], said[name], 3.0) for other in names if other != name]
        expected = entropy(said[name]) + 2.0 * np.mean(others)
        assert float(losses[name]) == pytest.approx(expected, rel=1e-3)
    right = [np.mean(said[name].argmax(1) == BATCH["label"]) for name in names]
    assert float(logs["accuracy"]) == pytest.approx(right[0])
    assert float(logs["peer_accuracy"]) == pytest.approx(np.mean(right[1:]))
    # No two begin alike.
    kernels = [getattr(model, name).get_layer("logits").kernel for name in names]
    assert not np.allclose(values(kernels)[0], values(kernels)[1])


def test_what_is_reported_is_the_loss_of_labels() -> None:
    for method, peers in (("mutual", [{}]), ("online", [{"architecture": "mlp"}])):
        model = game(method, peers=peers)
        losses, _ = model.compute_losses(BATCH, ("network",), training=False)
        expected = entropy(answers(model.network))
        assert float(losses["network"]) == pytest.approx(expected, rel=1e-3)
        assert all(np.isfinite(float(v)) for v in evaluate_once(model, BATCH).values())


def test_a_round_in_turn_moves_one_alone() -> None:
    model = game("mutual", turns="in_turn")
    assert model.rounds == (("network",), ("peer1",))
    for player in model.players:
        assert moved_in(model, (player,)) == {player}
    assert moved_in(game("mutual"), ("network", "peer1")) == {"network", "peer1"}


def test_in_turn_the_second_sees_what_the_first_has_become() -> None:
    together, in_turn = (game("mutual", turns=turns) for turns in ("together", "in_turn"))
    for model in (together, in_turn):
        train_once(model, BATCH)
    first = [values(model.network.trainable_variables) for model in (together, in_turn)]
    second = [values(model.peer1.trainable_variables) for model in (together, in_turn)]
    assert all(np.allclose(a, b, rtol=1e-3, atol=1e-5) for a, b in zip(*first, strict=True))
    assert not all(np.allclose(a, b, rtol=1e-6, atol=0) for a, b in zip(*second, strict=True))


def test_only_the_student_listens_online() -> None:
    peers = [{"architecture": "mlp", "network": {"units": [16]}}]
    model = game("online", peers=peers, weight=0.5, temperature=2.0)
    said = {name: answers(getattr(model, name), training=True) for name in model.players}
    losses, _ = model.compute_losses(BATCH, tuple(model.players))
    assert float(losses["peer1"]) == pytest.approx(entropy(said["peer1"]), rel=1e-3)
    expected = entropy(said["network"]) + 0.5 * divergence(said["peer1"], said["network"], 2.0)
    assert float(losses["network"]) == pytest.approx(expected, rel=1e-3)
    assert model.peer1.name == "mlp"
    assert set(model.published_networks()) == {"network"}


@pytest.mark.parametrize("method", ["mutual", "online"])
def test_a_cohort_is_saved_whole(method: str, tmp_path: Path) -> None:
    model = game(method, peers=[{}, {"architecture": "mlp"}], turns="in_turn")
    train_once(model, BATCH)
    model.save(tmp_path / "game.keras")
    loaded = keras.saving.load_model(tmp_path / "game.keras")
    assert tuple(loaded.players) == tuple(model.players) and loaded.rounds == model.rounds
    for one, other in zip(values(model.weights), values(loaded.weights), strict=True):
        np.testing.assert_array_equal(one, other)
    assert moved_in(loaded, ("peer2",)) == {"peer2"}


@pytest.mark.parametrize(
    ("method", "options", "said"),
    [
        ("mutual", {"peers": []}, "peers must name at least one network"),
        ("online", {}, "peers must name a teacher to train beside"),
        ("mutual", {"peers": [{"name": "mlp"}]}, "a peer is told by architecture and network"),
        ("mutual", {"temperature": 0}, "temperature must be above 0, got 0"),
        ("mutual", {"weight": -1}, "weight must be 0 or more, got -1"),
        ("mutual", {"turns": "alone"}, "turns must be together or in_turn, got 'alone'"),
        ("self_distillation", {"alpha": 2}, "alpha must be in [0, 1], got 2"),
        ("self_distillation", {"temperature": -1}, "temperature must be above 0, got -1"),
        ("self_distillation", {"hint_weight": -1}, "hint_weight must be 0 or more, got -1"),
    ],
)
def test_a_mistake_is_one_line(method: str, options: dict[str, Any], said: str) -> None:
    with pytest.raises(RecipeError) as error:
        game(method, **options)
    assert said in str(error.value) and "\n" not in str(error.value)


# One network.


def deep(seed: int = 0) -> keras.Model:
    keras.utils.set_random_seed(seed)
    return zoo.create("small_cnn", SHAPE, CLASSES, filters=[[4], [6], [8]])


def test_shallow_classifiers_learn_from_the_deepest() -> None:
    options = {"alpha": 0.4, "temperature": 2.0, "hint_weight": 0.5}
    model = game("self_distillation", deep(), **options)
    assert model.stages == ["stage1", "stage2"]
    parts = zoo.features_of(model.network, ("stage1", "stage2", "features"))
    inner = parts(BATCH["image"], training=True)
    shallow = model.heads({name: inner[name] for name in model.stages}, training=True)
    shallow = {key: np.asarray(keras.ops.convert_to_numpy(v)) for key, v in shallow.items()}
    own = answers(model.network, training=True)
    expected = entropy(own)
    features = np.asarray(keras.ops.convert_to_numpy(inner["features"]))
    for name in model.stages:
        logits, seen = shallow[f"{name}_logits"].astype("float64"), shallow[f"{name}_features"]
        assert seen.shape == features.shape
        expected += 0.6 * entropy(logits) + 0.4 * divergence(own, logits, 2.0)
        cosines = (seen * features).sum(1) / (
            np.linalg.norm(seen, axis=1) * np.linalg.norm(features, axis=1)
        )
        expected += 0.5 * np.mean(2 - 2 * cosines)
    losses, logs = model.compute_losses(BATCH, ("network",))
    assert float(losses["network"]) == pytest.approx(expected, rel=2e-3)
    right = [
        np.mean(softmax(shallow[f"{n}_logits"], 1).argmax(1) == BATCH["label"])
        for n in model.stages
    ]
    assert float(logs["shallow_accuracy"]) == pytest.approx(np.mean(right))
    losses, _ = model.compute_losses(BATCH, ("network",), training=False)
    assert float(losses["network"]) == pytest.approx(entropy(answers(model.network)), rel=1e-3)


def test_the_deepest_is_not_moved_by_what_it_teaches() -> None:
    """With labels of no weight for the shallow ones its head gets the gradient of labels alone."""
    heads = []
    for alpha, hint_weight in ((1.0, 0.0), (1.0, 5.0)):
        model = game("self_distillation", deep(), alpha=alpha, hint_weight=hint_weight)
        train_once(model, BATCH)
        heads.append(values(model.network.get_layer("logits").weights))
    for one, other in zip(*heads, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_heads_are_for_training_alone(tmp_path: Path) -> None:
    model = game("self_distillation", deep(), stages=["stage1", "features"])
    before = values(model.heads.trainable_variables)
    train_once(model, BATCH)
    moved = [
        not np.array_equal(a, b)
        for a, b in zip(before, values(model.heads.trainable_variables), strict=True)
    ]
    assert np.mean(moved) > 0.8
    published = model.published_networks()
    assert set(published) == {"network"}
    assert published["network"].count_params() == deep().count_params()
    model.save(tmp_path / "game.keras")
    loaded = keras.saving.load_model(tmp_path / "game.keras")
    assert loaded.stages == ["stage1", "features"]
    for one, other in zip(values(model.weights), values(loaded.weights), strict=True):
        np.testing.assert_array_equal(one, other)
    train_once(loaded, BATCH)


def test_a_network_without_stages_says_so() -> None:
    mlp = zoo.create("mlp", SHAPE, CLASSES, units=[8])
    with pytest.raises(RecipeError, match="mlp has 0 stages, and shallow classifiers need two"):
        game("self_distillation", mlp)
