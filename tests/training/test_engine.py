"""The engine: turns, noise, averages, distribution, logs."""

from __future__ import annotations

import subprocess
import sys
import warnings
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

from tests.steps import train_once
from zoo.errors import RecipeError
from zoo.training.engine import Batch, Losses, MultiPlayerModel
from zoo.training.noise import CounterSeed
from zoo.training.optimizers import PlayerOptimizers, build_optimizer


def line(name: str) -> keras.Model:
    """A network with one weight w: x to w x."""
    inputs = keras.Input((1,))
    outputs = keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")(inputs)
    return keras.Model(inputs, outputs, name=name)


@keras.saving.register_keras_serializable("tests")
class Chase(MultiPlayerModel):
    """Two players with known gradients: a moves towards 3, b towards a."""

    players = {"a": ("net_a",), "b": ("net_b",)}
    rounds: tuple[tuple[str, ...], ...] = (("a",), ("b",))
    published = ("net_a",)
    logged = ("gap",)

    def __init__(self, net_a: keras.Model, net_b: keras.Model, **kwargs: Any) -> None:
        super().__init__({"net_a": net_a, "net_b": net_b}, **kwargs)

    def compute_losses(
        self, batch: Batch, players: Sequence[str], training: bool = True
    ) -> tuple[Losses, Losses]:
        one = ops.ones((1, 1))
        a, b = self.net_a(one)[0, 0], self.net_b(one)[0, 0]
        losses = {"a": ops.square(a - 3.0) / 2, "b": ops.square(b - a) / 2}
        return {player: losses[player] for player in players}, {"gap": b - a}


def chase(**kwargs: Any) -> Chase:
    return Chase(line("a"), line("b"), **kwargs)


BATCH = {"image": np.zeros((4, 1), np.float32)}


def weights(model: Chase) -> list[float]:
    return [float(network.weights[0].value[0, 0]) for network in (model.net_a, model.net_b)]


def test_rounds_run_in_order_each_seeing_the_one_before() -> None:
    model = chase()
    model.compile({"a": keras.optimizers.SGD(0.5), "b": keras.optimizers.SGD(0.25)})
    train_once(model, BATCH)
    # a: 1 - 0.5 (1 - 3) = 2; then b: 1 - 0.25 (1 - 2) = 1.25.
    assert weights(model) == [2.0, 1.25]


def test_players_of_one_round_share_its_forward_pass() -> None:
    model = chase()
    model.rounds = (("a", "b"),)
    model.compile({"a": keras.optimizers.SGD(0.5), "b": keras.optimizers.SGD(0.25)})
    train_once(model, BATCH)
    # b sees the a of before the round, which it equals.
    assert weights(model) == [2.0, 1.0]


def test_a_player_may_play_several_rounds_of_a_step() -> None:
    model = chase()
    model.rounds = (("a",), ("a",), ("b",))
    model.compile({"a": keras.optimizers.SGD(0.5), "b": keras.optimizers.SGD(0.25)})
    train_once(model, BATCH)
    assert weights(model) == [2.5, 1.375]
    assert int(model.step.value) == 1


def test_optimizers_must_be_those_of_the_players() -> None:
    with pytest.raises(ValueError, match="players a, b, got a"):
        chase().compile({"a": keras.optimizers.SGD(0.5)})


def test_a_network_has_one_owner() -> None:
    class Shared(Chase):
        players = {"a": ("net_a",), "b": ("net_b", "net_a")}

    with pytest.raises(ValueError, match="belongs to a and to b; it needs one owner"):
        Shared(line("a"), line("b")).compile({p: keras.optimizers.SGD(0.5) for p in "ab"})


def test_losses_must_be_those_of_the_round() -> None:
    model = chase()
    model.compile({player: keras.optimizers.SGD(0.1) for player in ("a", "b")})
    model.compute_losses = lambda *args, **kwargs: ({}, {})  # type: ignore[method-assign]
    with pytest.raises(ValueError, match="should give losses of a"):
        train_once(model, BATCH)


def test_the_average_follows_its_closed_form() -> None:
    model = chase(ema={"net_a": 0.9})
    model.compile({player: keras.optimizers.SGD(0.5) for player in ("a", "b")})
    expected = weights(model)[0]
    for step in range(1, 6):
        train_once(model, BATCH)
        keep = min(0.9, (1 + step) / (10 + step))
        expected = keep * expected + (1 - keep) * weights(model)[0]
    average = model.published_networks()["net_a"].weights[0]
    assert float(average.value[0, 0]) == pytest.approx(expected, rel=1e-6)
    raw = weights(model)
    with model.averaged_weights():
        assert weights(model)[0] == pytest.approx(expected, rel=1e-6)
    assert weights(model) == raw


def test_published_networks_are_copies() -> None:
    model = chase()
    model.compile({player: keras.optimizers.SGD(0.5) for player in ("a", "b")})
    copy = model.published_networks()["net_a"]
    train_once(model, BATCH)
    assert float(copy.weights[0].value[0, 0]) == 1.0


def test_noise_is_a_function_of_seed_purpose_and_step() -> None:
    step = keras.Variable(0, dtype="int32")

    def draw(seed: int, purpose: str, at: int) -> np.ndarray:
        step.assign(at)
        return np.asarray(keras.random.normal((4,), seed=CounterSeed(seed, purpose, step)))

    first = draw(1, "latents", 5)
    np.testing.assert_array_equal(first, draw(1, "latents", 5))
    for other in (draw(2, "latents", 5), draw(1, "labels", 5), draw(1, "latents", 6)):
        assert not np.array_equal(first, other)


def test_noise_differs_between_steps_inside_a_compiled_function() -> None:
    class Noisy(Chase):
        def compute_losses(
            self, batch: Batch, players: Sequence[str], training: bool = True
        ) -> Any:
            losses, _ = super().compute_losses(batch, players, training)
            return losses, {"gap": keras.random.normal((), seed=self.rng("gap"))}

    model = Noisy(line("a"), line("b"), seed=3)
    model.compile({player: keras.optimizers.SGD(0.5) for player in ("a", "b")})
    inputs = np.zeros((12, 1), np.float32)

    class Read(keras.callbacks.Callback):
        seen: list[float] = []

        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
            self.model.reset_metrics()

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            self.seen.append(float(logs["gap"]))

    model.fit({"image": inputs}, batch_size=4, epochs=2, verbose=0, callbacks=[Read()])
    assert len(set(Read.seen)) == len(Read.seen) == 6


def test_it_logs_only_what_the_method_names_and_warns_of_nothing() -> None:
    model = chase()
    model.compile({player: keras.optimizers.SGD(0.1) for player in ("a", "b")})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        history = model.fit({"image": BATCH["image"]}, batch_size=2, epochs=2, verbose=0).history
    assert set(history) == {"a_loss", "b_loss", "gap"}
    assert len(history["gap"]) == 2


def test_fit_takes_several_steps_an_execution() -> None:
    results = []
    for steps in (1, 3):
        model = chase()
        model.compile(
            {player: keras.optimizers.SGD(0.1) for player in ("a", "b")}, steps_per_execution=steps
        )
        model.fit({"image": np.zeros((12, 1), np.float32)}, batch_size=2, verbose=0)
        results.append(weights(model))
    assert results[0] == pytest.approx(results[1], rel=1e-6)


def test_the_composite_is_a_keras_optimizer_that_serialises() -> None:
    composite = PlayerOptimizers({"a": keras.optimizers.Adam(1e-3), "b": keras.optimizers.SGD(0.5)})
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(composite))
    assert {name: type(o).__name__ for name, o in copy.players.items()} == {
        "a": "Adam",
        "b": "SGD",
    }
    model = chase()
    model.compile(copy)
    slots = len(copy.players["a"].variables) + len(copy.players["b"].variables)
    assert len(copy.variables) == slots + 2  # its own counter and learning rate


DISTRIBUTED = """
import numpy as np, tensorflow as tf
cpus = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(cpus[0], [tf.config.LogicalDeviceConfiguration()] * 2)
import keras
from zoo.models.mlp.mlp import mlp
from zoo.models.gan.dcgan import generator, discriminator
from zoo.models.gan.gan import GAN
from zoo.training.classification import Supervised

images = np.random.default_rng(0).integers(0, 256, (32, 28, 28, 1)).astype("uint8")
data = tf.data.Dataset.from_tensor_slices({"image": images, "label": np.arange(32) % 10}).batch(16)

def train():
    keras.utils.set_random_seed(1)
    model = Supervised(mlp(units=[16]), ema={"network": 0.9})
    model.compile(keras.optimizers.SGD(0.1))
    history = model.fit(data, epochs=2, verbose=0, shuffle=False).history
    return [np.array(w) for w in model.weights], history

alone, alone_history = train()
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
assert strategy.num_replicas_in_sync == 2
with strategy.scope():
    spread, spread_history = train()
    game = GAN(generator(), discriminator(), ema={"generator": 0.9})
    game.compile({p: keras.optimizers.Adam(2e-4, 0.5) for p in game.players})
    logs = game.fit(data, epochs=1, verbose=0, shuffle=False).history
for one, other in zip(alone, spread):
    np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
for name in alone_history:
    np.testing.assert_allclose(alone_history[name], spread_history[name], rtol=1e-4)
assert all(np.isfinite(v).all() for v in logs.values()), logs
print("equal")
"""


def test_two_replicas_train_like_one_device() -> None:
    """Under MirroredStrategy the same global batch gives the same weights, averages and logs."""
    done = subprocess.run(
        [sys.executable, "-c", DISTRIBUTED], capture_output=True, text=True, timeout=300
    )
    assert done.stdout.strip().endswith("equal"), done.stderr[-2000:]


@pytest.mark.parametrize(
    ("config", "schedule", "words"),
    [
        ({"name": "adma"}, {}, "unknown optimizer 'adma'; did you mean adam"),
        ({"name": "Adam", "learning_rate": "high"}, {}, "must be a positive number, got 'high'"),
        ({"name": "Adam", "learning_rate": -1.0}, {}, "must be a positive number, got -1.0"),
        ({"name": "Adam", "beta1": 0.5}, {}, "no option 'beta1'; did you mean beta_1"),
        ({"name": "Adam"}, {"name": "cosin"}, "did you mean cosine"),
        ({"name": "Adam"}, {"name": "triangular", "cycles": 0}, "cycles must be at least 1, got 0"),
        (
            {"name": "Adam"},
            {"name": "one_cycle", "peak": 2},
            "schedule.peak is a share",
        ),
        ({"name": "Adam"}, {"name": "cosine", "warm": 1}, "no option 'warm'; did you mean warmup"),
    ],
)
def test_bad_optimizers_say_what_is_wrong(config: Any, schedule: Any, words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        build_optimizer(config, schedule, 10)


def test_regularisation_counts_in_the_gradient() -> None:
    inputs = keras.Input((1,))
    penalty = keras.regularizers.L2(0.5)
    dense = keras.layers.Dense(
        1, use_bias=False, kernel_initializer="ones", kernel_regularizer=penalty
    )
    model = Chase(keras.Model(inputs, dense(inputs)), line("b"))
    model.rounds = (("a",),)
    model.compile({player: keras.optimizers.SGD(0.5) for player in ("a", "b")})
    train_once(model, BATCH)
    # gradient: (1 - 3) from the loss, 2 * 0.5 * 1 from the penalty; 1 - 0.5 (-1) = 1.5.
    assert weights(model)[0] == pytest.approx(1.5)


def normed(name: str) -> keras.Model:
    """A fixed network with every kind of state: weights, statistics, a seed."""
    inputs = keras.Input((1,))
    x = keras.layers.BatchNormalization()(keras.layers.Dense(4)(inputs))
    inner = keras.Model(inputs, keras.layers.Dropout(0.5)(x))
    network = keras.Model(inputs, keras.layers.Dense(1)(inner(inputs)), name=name)
    network.trainable = False
    return network


class Beside(Chase):
    """A game with a third network that none of the players owns."""

    def __init__(self, net_a: keras.Model, net_b: keras.Model, judge: keras.Model) -> None:
        MultiPlayerModel.__init__(self, {"net_a": net_a, "net_b": net_b, "judge": judge})

    def compute_losses(
        self, batch: Batch, players: Sequence[str], training: bool = True
    ) -> tuple[Losses, Losses]:
        losses, logs = super().compute_losses(batch, players, training)
        a = self.net_a(ops.ones((4, 1)))
        told = ops.mean(self.judge(a, training=training))
        return {player: loss + told for player, loss in losses.items()}, logs


@pytest.mark.parametrize("fixed", ["the network", "its layers"])
def test_a_fixed_network_is_left_alone(fixed: str) -> None:
    judge = normed("judge")
    if fixed == "its layers":
        judge.trainable = True
        for layer in judge.layers:
            layer.trainable = False
    model = Beside(line("a"), line("b"), judge)
    model.compile({"a": keras.optimizers.SGD(0.5), "b": keras.optimizers.SGD(0.25)})
    # What a step copies and puts back: the seed and the moving mean and variance, no weight.
    spectators = model.spectator_variables(("a", "b"))
    assert len(spectators) == 3
    weights_of_judge = [v for v in judge.variables if all(v is not one for one in spectators)]
    assert [tuple(v.shape) for v in weights_of_judge] == [(1, 4), (4,), (4,), (4,), (4, 1), (1,)]
    before = [np.array(ops.convert_to_numpy(variable)) for variable in judge.variables]
    for _ in range(2):
        train_once(model, BATCH)
    for variable, value in zip(judge.variables, before, strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(variable), value)
    assert weights(model) != [1.0, 1.0]
