"""Transfer: what is taken over, what stays fixed, what learns at which rate."""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import zoo
from tests.steps import values
from tests.store.common import make_card
from zoo import store
from zoo.cli import main
from zoo.errors import (
    CorruptModelError,
    InvalidInputError,
    RecipeError,
    UnknownModelError,
    ZooError,
)
from zoo.models.cnn.resnet import resnet8
from zoo.models.mlp.mlp import mlp
from zoo.recipe import DataSpec, Recipe
from zoo.runs import last_run, new_run, resolved
from zoo.training.build import build_model
from zoo.training.engine import MultiPlayerModel
from zoo.training.run import fit_run
from zoo.training.transfer import begin_from, build_slower_body
from zoo.transfer import pinned, transferred

PARENT = "resnet8.mnist"
FREEZE = {"from": PARENT, "policy": "freeze"}


def parent_recipe() -> Recipe:
    return Recipe(PARENT, "resnet8", DataSpec("mnist"), network={"width": 2})


def store_parent(seed: int) -> None:
    """Stores a version of a tiny ResNet whose BatchNorm has statistics, as if from a training."""
    rng = np.random.default_rng(seed)
    network = resnet8((28, 28, 1), 10, width=2, mean=[33.3], std=[78.6])
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            shape = layer.moving_mean.shape
            layer.moving_mean.assign(rng.normal(0, 0.1, shape))
            layer.moving_variance.assign(rng.uniform(0.5, 2, shape))
    shapes = {"input": {"shape": [28, 28, 1]}, "output": {"labels": list("0123456789")}}
    card = make_card(PARENT, family="cnn", recipe=parent_recipe().to_dict(), **shapes)
    store.save(card, {"network": network})


@pytest.fixture(scope="module")
def home(shared_sample_home: Path) -> Iterator[Path]:
    """A home with real images and a stored network to begin from."""
    store_parent(seed=0)
    yield shared_sample_home
    keras.backend.clear_session()


def parent() -> keras.Model:
    return store.load(f"{PARENT}@1")[1]["network"]


def child(policy: str = "finetune", **settings: Any) -> Recipe:
    """A recipe that begins from the parent on other images, in five classes."""
    data = DataSpec("fashion_mnist", limit=32, classes=[0, 1, 2, 3, 4])
    recipe = Recipe("resnet8.fashion_mnist", "resnet8", data, batch_size=16, epochs=1)
    return transferred(recipe, f"{PARENT}@1", policy).override(settings)


def images(shape: tuple[int, ...] = (28, 28, 1), count: int = 16) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, *shape)).astype("uint8")


def build(recipe: Recipe) -> MultiPlayerModel:
    return build_model(resolved(recipe), images(), 5, steps_per_epoch=2)


def steps(model: MultiPlayerModel, count: int = 2) -> None:
    """Takes steps of `fit`, in which the engine passes `training=True` to the whole network."""
    arrays = {"image": images(count=8 * count), "label": np.arange(8 * count) % 5}
    feed = model.training_feed(arrays, 8, 0, 0, 1)
    model.fit(feed, steps_per_epoch=count, shuffle=False, verbose=0)


def features(network: keras.Model, rows: np.ndarray, training: bool = False) -> np.ndarray:
    body = keras.Model(network.input, network.get_layer("features").output)
    return np.asarray(body(rows.astype("float32"), training=training))


@pytest.mark.parametrize(
    ("policy", "pairs"), [("scratch", 0), ("freeze", 7), ("finetune", 0), ("hybrid:stage1", 3)]
)
def test_a_policy_moves_what_it_says_and_not_one_bit_of_the_rest(
    home: Path, policy: str, pairs: int
) -> None:
    """ResNet-8 is seven convolutions, each with a BatchNorm, and a head; stage 1 ends with the
    third. BatchNorm's statistics and the moving averages count as well."""
    model = build(child(policy, ema={"network": 0.5}))
    network, old = model.network, values(parent().weights)
    taken = values(network.weights)[:-2]
    assert all(map(np.array_equal, taken, old[:-2])) == (policy != "scratch")
    assert network.output_shape == (None, 5)
    before = values(network.weights)
    steps(model)
    still = 5 * pairs  # A kernel, and a BatchNorm's scale, offset, mean and variance.
    published = model.published_networks()["network"]
    for now in (network, published):
        same = [
            a.tobytes() == b.tobytes() for a, b in zip(before, values(now.weights), strict=True)
        ]
        assert all(same[:still]) and not any(same[still:])
    assert all(layer.trainable for layer in published.layers)


def test_fixed_batch_normalisation_runs_as_in_inference(home: Path) -> None:
    """Also where `training=True` is passed to it; where it learns, it uses the batch."""
    expected = features(parent(), images())
    frozen, learning = (build(child(policy)).network for policy in ("freeze", "finetune"))
    np.testing.assert_allclose(features(frozen, images(), training=True), expected, rtol=1e-5)
    np.testing.assert_allclose(features(learning, images()), expected, rtol=1e-5)
    assert not np.allclose(features(learning, images(), training=True), expected, rtol=1e-2)


@pytest.mark.parametrize("optimizer", ["SGD", "Adam"])
def test_the_old_part_learns_at_the_lower_rate(home: Path, optimizer: str) -> None:
    """One step from the same weights moves it by the rate times what a full rate would."""
    moved = []
    for rate in (1.0, 0.25):
        chosen: dict[str, Any] = {"optimizer": {"name": optimizer, "learning_rate": 0.5}}
        model = build(child(**chosen | {"transfer.rate": rate}))
        before = values(model.network.trainable_variables)
        steps(model, 1)
        after = values(model.network.trainable_variables)
        moved.append([b.astype("float64") - a for a, b in zip(before, after, strict=True)])
    *body, kernel, bias = zip(*moved, strict=True)
    for full, slow in body:
        np.testing.assert_allclose(slow, 0.25 * full, rtol=1e-3, atol=1e-6)
        assert np.abs(full).max() > 1e-4
    for full, slow in (kernel, bias):
        np.testing.assert_allclose(slow, full, rtol=1e-3, atol=1e-6)


def test_a_schedule_holds_for_both_rates() -> None:
    config = {"name": "SGD", "learning_rate": 0.2}
    both = build_slower_body(config, {"name": "cosine", "warmup": 0.25}, 8, 0.1)
    model = keras.Sequential([keras.layers.Dense(2), keras.layers.Dense(2, name="logits")])
    model.build((None, 2))
    both.build(model.trainable_variables)
    head, body = both.optimizers
    shares = []
    for step in range(8):
        for one in (head, body):
            one.iterations.assign(step)
        shares.append(float(head.learning_rate) / 0.2)
        assert float(body.learning_rate) == pytest.approx(0.1 * float(head.learning_rate))
    assert shares[:4] == pytest.approx([0, 0.5, 1, (1 + np.cos(np.pi / 6)) / 2])


def test_a_callback_sets_both_rates_and_keeps_their_ratio(home: Path) -> None:
    model = build(child(optimizer={"name": "SGD", "learning_rate": 0.2}))
    model.optimizer.learning_rate = 0.5
    rates = [float(one.learning_rate) for one in model.optimizer.players["network"].optimizers]
    assert float(model.optimizer.learning_rate) == pytest.approx(0.5)
    assert rates == pytest.approx([0.5, 0.05])


def test_grey_and_colour_are_bridged_at_the_input() -> None:
    """As for a classifier in use: grey is repeated, colour weighed to its luma; 0 to 255."""
    rng = np.random.default_rng(1)
    grey = rng.integers(0, 256, (4, 20, 20, 1)).astype("float32")
    colour = rng.integers(0, 256, (4, 20, 20, 3)).astype("float32")
    for_colour = resnet8((16, 16, 3), 10, width=2, mean=[90, 100, 110], std=[40, 50, 60])
    bridged = begin_from(for_colour, FREEZE, (20, 20, 1), 3)
    larger = resnet8((20, 20, 3), 10, width=2, mean=[90, 100, 110], std=[40, 50, 60])
    larger.set_weights(for_colour.get_weights())
    expected = features(larger, np.repeat(grey, 3, axis=-1))
    np.testing.assert_allclose(features(bridged, grey), expected, rtol=1e-5)

    for_grey = resnet8((20, 20, 1), 10, width=2)
    bridged = begin_from(for_grey, FREEZE, (20, 20, 3), 3)
    luma = colour @ np.array([[0.299], [0.587], [0.114]], "float32")
    expected = features(for_grey, luma)
    # Keras' weights of the colours have four digits.
    np.testing.assert_allclose(features(bridged, colour), expected, rtol=1e-3, atol=1e-4)
    with pytest.raises(RecipeError, match="images of 2 channels cannot be made into images of 1"):
        begin_from(for_grey, FREEZE, (20, 20, 2), 3)


def test_a_bridged_network_is_stored_and_loads_equal(tmp_path: Path) -> None:
    for shape, rows in (((20, 20, 3), images((20, 20, 3))), ((20, 20, 1), images((20, 20, 1)))):
        network = begin_from(resnet8((20, 20, 4 - shape[-1]), width=2), FREEZE, shape, 3)
        network.save(tmp_path / "network.keras")
        loaded = keras.saving.load_model(tmp_path / "network.keras", safe_mode=True)
        np.testing.assert_array_equal(features(loaded, rows), features(network, rows))


def test_all_but_scratch_keep_the_parents_normalisation(home: Path) -> None:
    means = {
        policy: float(np.ravel(build(child(policy)).network.get_layer("normalize").mean)[0])
        for policy in ("scratch", "freeze", "finetune")
    }
    old = float(np.ravel(parent().get_layer("normalize").mean)[0])
    assert means["freeze"] == means["finetune"] == old
    assert means["scratch"] == pytest.approx(images().mean(), abs=1e-3)


def test_a_network_that_is_not_fully_convolutional_refuses_another_size() -> None:
    said = r"resnet8.mnist cannot take images of shape \(20, 20, 1\): .*kernel has \(784, 8\)"
    with pytest.raises(RecipeError, match=said):
        begin_from(mlp((28, 28, 1), units=[8]), FREEZE, (20, 20, 1), 3)
    assert begin_from(mlp((28, 28, 1), units=[8]), FREEZE, (28, 28, 3), 3).count_params() == 6307
    with pytest.raises(RecipeError, match=r"resnet8.mnist has no layer 'features'"):
        begin_from(keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)]), FREEZE, (4,), 3)


def test_an_unknown_stage_is_answered_with_the_stages(home: Path) -> None:
    said = r"no stage 'stag2' \(there are stage1, stage2, stage3\); did you mean stage"
    with pytest.raises(RecipeError, match=said):
        build(child("hybrid:stag2"))


def test_a_parent_that_does_not_fit_is_refused_before_training(home: Path) -> None:
    with pytest.raises(UnknownModelError, match=r"'resnet8.mnits'; did you mean resnet8.mnist"):
        new_run(child(**{"transfer.from": "resnet8.mnits"}))
    other = {"architecture": "resnet20", "name": "resnet20.fashion_mnist-finetune"}
    with pytest.raises(
        RecipeError, match=r"resnet8.mnist@1 is resnet8, the recipe is for resnet20"
    ):
        new_run(child(**other))
    with pytest.raises(RecipeError, match=r"that of resnet8.mnist@1, {'width': 2}, got {'width'"):
        new_run(child(network={"width": 4}))
    with pytest.raises(RecipeError, match=r"dcgan.fashion_mnist@\d+ is for generation"):
        new_run(child(**{"transfer.from": "dcgan.fashion_mnist"}))
    assert list((home / "runs").glob("resnet8.fashion_mnist-*")) == []


def test_a_parent_that_was_changed_is_refused(home: Path) -> None:
    recipe = pinned(child()).override({"transfer.sha256": "0" * 64})
    with pytest.raises(
        CorruptModelError, match=r"resnet8.mnist@1 is not the model that the recipe"
    ):
        build(recipe)


def test_a_run_is_pinned_to_a_version_and_its_card_says_which(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = child("hybrid:stage1", **{"transfer.from": PARENT})
    begun = new_run(recipe)
    store_parent(seed=1)
    assert pinned(recipe).transfer["from"] == f"{PARENT}@2"
    digest = hashlib.sha256((store.find(f"{PARENT}@1") / "network.keras").read_bytes()).hexdigest()
    expected = {"from": f"{PARENT}@1", "policy": "hybrid", "stage": "stage1", "rate": 0.1}
    assert begun.recipe.transfer == {**expected, "sha256": digest}
    assert begun.recipe.network == {"width": 2}
    # The name alone takes up what was begun, though no recipe of that name is registered.
    capsys.readouterr()
    assert main(["train", recipe.name, "--resume", "--json"]) == 0
    card = json.loads(capsys.readouterr().out)
    assert card["name"] == "resnet8.fashion_mnist-hybrid_stage1"
    assert card["recipe"]["transfer"] == begun.recipe.transfer
    readme = (store.find(recipe.name) / "README.md").read_text()
    assert f"from {PARENT}@1" in readme and digest in readme


def test_the_command_line_and_python_say_the_same(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    few = {"data.limit": 32, "batch_size": 16, "epochs": 1}
    command = ["train", "resnet8", "--data", "fashion_mnist", "--from", PARENT]
    command += [part for key, value in few.items() for part in ("--set", f"{key}={value}")]
    begun: list[Recipe] = []

    def begin(recipe: Recipe, *_: Any) -> Any:
        begun.append(recipe)
        raise KeyboardInterrupt

    monkeypatch.setattr("zoo.training.run.begin_run", begin)
    for policy in (None, "finetune", "hybrid:stage2"):
        capsys.readouterr()
        asked = ["--transfer", policy] if policy else []
        assert main([*command, *asked, "--dry-run"]) == 0
        said = Recipe.from_dict(json.loads(capsys.readouterr().out))
        suffix = "hybrid_stage2" if policy == "hybrid:stage2" else "finetune"
        assert said.name == f"resnet8.fashion_mnist-{suffix}"
        with pytest.raises(KeyboardInterrupt):
            zoo.train("resnet8", data="fashion_mnist", from_model=PARENT, transfer=policy)
        assert begun[-1].override(few) == said
    assert main([*command, "--transfer", "freeze"]) == 130
    again = shlex.join(["zoo", *command, "--transfer", "freeze", "--resume"])
    assert f"`{again}` continues" in capsys.readouterr().out


def test_mistakes_on_the_command_line_are_one_line(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments, said in (
        (["--transfer", "freeze"], "transfer needs a stored model to begin from (--from"),
        (["--from", "resnet8.mnits"], "unknown model 'resnet8.mnits'; did you mean resnet8.mnist"),
        (["--from", PARENT, "--transfer", "frozen"], "got 'frozen'; did you mean freeze"),
        (
            ["--from", PARENT, "--transfer", "freeze:stage1"],
            "for the policy hybrid, not for freeze",
        ),
    ):
        capsys.readouterr()
        assert main(["train", "resnet8", "--data", "fashion_mnist", *arguments]) == 2
        shown = capsys.readouterr()
        assert shown.err.startswith("zoo: ") and shown.err.count("\n") == 1 and said in shown.err
    with pytest.raises(InvalidInputError, match="transfer needs a stored model"):
        zoo.train("resnet8", data="fashion_mnist", transfer="freeze")


def test_a_transfer_stopped_and_resumed_equals_one_never_stopped(home: Path) -> None:
    schedule = {"name": "cosine", "warmup": 0.2}
    settings = {"epochs": 2, "schedule": schedule, "ema": {"network": 0.9}, "seed": 5}
    recipe = child("hybrid:stage1", **settings)

    class Stop(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            if epoch == 1:
                raise KeyboardInterrupt

    unbroken = fit_run(new_run(recipe), verbose=0)
    stopped = new_run(recipe)
    with pytest.raises(KeyboardInterrupt):
        fit_run(stopped, verbose=0, callbacks=[Stop()])
    resumed = fit_run(last_run(recipe.name, recipe), verbose=0)
    assert resumed.folder == stopped.folder and len(resumed.history) == 2
    with (
        np.load(unbroken.folder / "checkpoint.npz") as a,
        np.load(resumed.folder / "checkpoint.npz") as b,
    ):
        state = sorted(set(a.files) - {"record"})
        assert state == sorted(set(b.files) - {"record"})
        assert all(np.array_equal(a[key], b[key]) for key in state)


def test_the_whole_game_saves_and_reloads(home: Path, tmp_path: Path) -> None:
    model = build(child("hybrid:stage1"))
    steps(model)
    model.save(tmp_path / "game.keras")
    loaded = keras.saving.load_model(tmp_path / "game.keras")
    for one, other in ((model, loaded), (model.optimizer, loaded.optimizer)):
        for a, b in zip(values(one.variables), values(other.variables), strict=True):
            np.testing.assert_array_equal(a, b)
    count = len(model.network.trainable_variables)
    assert count == len(loaded.network.trainable_variables) < len(parent().trainable_variables)


@pytest.mark.parametrize(
    ("transfer", "said"),
    [
        ({"form": "a.b", "policy": "freeze"}, "transfer has no 'form'; did you mean from?"),
        ({"policy": "freeze"}, "transfer.from must be a name, got ''"),
        ({"from": 3, "policy": "freeze"}, "transfer.from must be a name, got 3"),
        ({"from": "a.b"}, "must be scratch, freeze, finetune, hybrid, got None"),
        ({"from": "a.b", "policy": "freze"}, "got 'freze'; did you mean freeze"),
        ({"from": "a.b", "policy": "hybrid"}, "hybrid needs a stage, as in hybrid:stage2"),
        ({"from": "a.b", "policy": "hybrid", "stage": ""}, "transfer.stage must be a name, got ''"),
        ({"from": "a.b", "policy": "freeze", "stage": "stage1"}, "not for freeze"),
        ({"from": "a.b", "policy": "freeze", "rate": 0.1}, "rate is for finetune and hybrid, not"),
        ({"from": "a.b", "policy": "finetune", "rate": 0}, "above 0 and at most 1, got 0"),
        ({"from": "a.b", "policy": "finetune", "rate": True}, "at most 1, got True"),
        ({"from": "a.b", "policy": "finetune", "rate": "low"}, "at most 1, got 'low'"),
    ],
)
def test_a_mistake_in_a_recipe_is_one_line(transfer: dict[str, Any], said: str) -> None:
    with pytest.raises(ZooError) as caught:
        parent_recipe().override({"transfer": transfer})
    assert said in str(caught.value) and "\n" not in str(caught.value)
