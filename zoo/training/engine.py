"""MultiPlayerModel: a training method is a game of players who take turns.

A method says who learns, in which rounds, and what each player's loss is. This file holds what
is the same on every backend; the step itself, with its gradients and what feeds it, is in
`tensorflow_step.py` and `jax_step.py`.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import keras
import numpy as np
from keras import ops
from keras.config import floatx

from zoo.training.broken import FirstBrokenSteps
from zoo.training.noise import CounterSeed
from zoo.training.optimizers import PlayerOptimizers
from zoo.training.precision import set_precision

if TYPE_CHECKING or keras.backend.backend() == "tensorflow":
    from zoo.training.tensorflow_step import TensorFlowStep as Step
else:
    from zoo.training.jax_step import JaxStep as Step

Batch = dict[str, Any]
Losses = dict[str, Any]
# Networks of stored models, `{role: {name: network}}`.
Parents = Mapping[str, Mapping[str, keras.Model]]

# What building hands to a method whose constructor has keywords of these names: `parents`, the
# recipe's, as `{role: {name: network}}`; and `new_network`, a function (architecture, options) that
# builds a further network for the same data. No recipe says them and no configuration keeps them.
GIVEN = ("parents", "new_network")


class MultiPlayerModel(Step, keras.Model):
    """Base of every training method.

    A subclass sets `players`, `rounds` and `logged`, and writes `compute_losses`. Options of its
    constructor are kept as attributes of the same name; its configuration follows from that.

    In a round only the players of that round change: their variables by their own optimizer, and
    their statistics, such as BatchNorm's, by the forward pass. The other networks' statistics are
    put back, however often they were run.

    Attributes:
        players: `{player: names of the attributes that hold its networks}`.
        rounds: The players of each round, in order. Players of one round share a forward pass.
        logged: Names of further values that `compute_losses` returns for the logs.
        published: Attributes of the networks that inference needs; functional ones.
        images: Keys of a batch that hold images; a batch may lack some.
        sample_columns: Images in a row where samples are laid out; None leaves it open.
        labels: `{key of images: key of their labels}` where training may mix labels, see
            `compute_losses`.

    Args:
        networks: `{attribute name: built network}`.
        seed: Seed of the noise.
        ema: `{attribute name: decay}` of the networks whose moving average is kept.
    """

    players: ClassVar[dict[str, tuple[str, ...]]]
    rounds: tuple[tuple[str, ...], ...]
    logged: tuple[str, ...] = ()
    published: tuple[str, ...]
    images: ClassVar[tuple[str, ...]] = ("image",)
    sample_columns: int | None = None
    labels: ClassVar[dict[str, str]] = {}

    def __init__(
        self,
        networks: Mapping[str, keras.Model],
        *,
        seed: int = 0,
        ema: Mapping[str, float] | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        self.network_names = tuple(networks)
        for attribute, network in networks.items():
            setattr(self, attribute, network)
            self.tune(network)
        self.seed = seed
        self.ema = dict(ema or {})
        self.total_steps = 1
        # A plain function, not a layer: augmentation has no weights and is not part of the model.
        self._augment: Callable[[Batch], Batch] | None = None
        self._round = 0
        self.step = self.add_weight(
            shape=(),
            initializer="zeros",
            dtype="int32",
            trainable=False,
            aggregation="only_first_replica",
            name="step",
        )
        self._averages = {
            attribute: [self._average_of(weight) for weight in getattr(self, attribute).weights]
            for attribute in self.ema
        }
        names = [self._loss_name(player) for player in self.players]
        self._trackers = {n: keras.metrics.Mean(name=n) for n in [*names, *self.logged]}
        self._broken = FirstBrokenSteps(list(self.players))
        self.built = True

    # What a method writes.

    def compute_losses(
        self, batch: Batch, players: Sequence[str], training: bool = True
    ) -> tuple[Losses, Losses]:
        """Returns `({player: scalar loss}, {logged name: scalar})` for the players of a round.

        Args:
            batch: Tensors with the examples along the first axis; images are float32, 0 to 255.
                Labels are integers (batch,), or shares (batch, classes) where the method's
                `labels` allow augmentation to mix them.
                What a round adds to it the later rounds of the step find there.
            players: Whose losses are wanted.
            training: False when evaluating; nothing may change then.
        """
        raise NotImplementedError

    # What a method may use.

    def rng(self, purpose: str) -> CounterSeed:
        """Returns a seed for `keras.random`, fresh in each training step, round and purpose.

        Evaluating does not count steps: all its batches draw the same.
        """
        return CounterSeed(self.seed, f"{purpose}/{self._round}", self.replica_step)

    @property
    def progress(self) -> Any:
        """The share of the run that is done, a scalar in [0, 1]. Ramps are functions of it."""
        return ops.clip(ops.cast(self.step, floatx()) / self.total_steps, 0.0, 1.0)

    # Compiling.

    def compile(self, optimizer: Any, **options: Any) -> None:
        """Compiles with `PlayerOptimizers`, a `{player: optimizer}` or, for one player, its own.

        Args:
            optimizer: The optimizers.
            **options: As for `keras.Model.compile`; losses and metrics come from the method.
        """
        if isinstance(optimizer, Mapping):
            optimizer = PlayerOptimizers(optimizer)
        elif not isinstance(optimizer, PlayerOptimizers):
            optimizer = PlayerOptimizers({next(iter(self.players)): optimizer})
        if set(optimizer.players) != set(self.players):
            raise ValueError(
                f"{type(self).__name__} needs one optimizer for each of its players "
                f"{', '.join(self.players)}, got {', '.join(optimizer.players)}"
            )
        super().compile(optimizer=optimizer, loss=None, **options)
        optimizer.build_players({p: self.player_variables(p) for p in self.players})

    def get_compile_config(self) -> dict[str, Any]:
        return {"optimizer": keras.saving.serialize_keras_object(self.optimizer)}

    def compile_from_config(self, config: Mapping[str, Any]) -> None:
        self.compile(keras.saving.deserialize_keras_object(config["optimizer"]))

    def set_augmentation(self, augment: Callable[[Batch], Batch] | None) -> None:
        """Sets the function applied to each training batch, once a step."""
        self._augment = augment

    @contextlib.contextmanager
    def averaged_weights(self) -> Iterator[None]:
        """Puts the averaged weights in place of the raw ones for a while."""
        swapped = {
            attribute: values_of(getattr(self, attribute).weights) for attribute in self._averages
        }
        for attribute, averages in self._averages.items():
            assign_all(getattr(self, attribute).weights, values_of(averages))
        try:
            yield
        finally:
            for attribute, raw in swapped.items():
                assign_all(getattr(self, attribute).weights, raw)

    def evaluate(self, *args: Any, **kwargs: Any) -> Any:
        """As `keras.Model.evaluate`, with averaged weights where these are kept."""
        with self.averaged_weights():
            return super().evaluate(*args, **kwargs)

    # What the step uses.

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        return [*self._trackers.values(), self._broken]

    def get_metrics_result(self) -> dict[str, Any]:
        return {name: tracker.result() for name, tracker in self._trackers.items()}

    def broken_steps(self) -> dict[str, int]:
        """Returns the players with a loss that was not finite, and each one's first such step.

        Steps are those of the run, counted from 1.
        """
        return self._broken.steps()

    def player_networks(self, player: str) -> list[keras.Model]:
        """The networks that a player owns, in the order in which `players` names them."""
        return [getattr(self, attribute) for attribute in self.players[player]]

    def player_variables(self, player: str) -> list[keras.Variable]:
        """The variables that a player's optimizer moves."""
        return [v for network in self.player_networks(player) for v in network.trainable_variables]

    def spectator_variables(self, players: Sequence[str]) -> list[keras.Variable]:
        """The statistics and seeds of all networks that none of `players` owns.

        Weights are none of them, not even those of a fixed network: nothing assigns these.
        """
        playing = {attribute for player in players for attribute in self.players[player]}
        return [
            variable
            for attribute in self.network_names
            if attribute not in playing
            for variable in _states(getattr(self, attribute))
        ]

    def prepare_batch(self, batch: Batch, training: bool) -> Batch:
        """Casts images to floats and, in training, augments them."""
        prepared = dict(batch)
        for key in self.images:
            if key in batch:
                prepared[key] = ops.cast(batch[key], floatx())
        if training and self._augment is not None:
            prepared = self._augment(prepared)
        return prepared

    def play(self, batch: Batch, players: Sequence[str], training: bool) -> Losses:
        """Runs a round's forward pass: logs every value and returns the players' losses."""
        losses, logs = self.compute_losses(batch, players, training=training)
        if set(losses) != set(players):
            raise ValueError(
                f"compute_losses should give losses of {', '.join(players)}, got {list(losses)}"
            )
        count = ops.shape(next(iter(batch.values())))[0]
        for player, loss in losses.items():
            self._trackers[self._loss_name(player)].update_state(loss, sample_weight=count)
        for name, value in logs.items():
            self._trackers[name].update_state(value, sample_weight=count)
        if not training:
            return losses
        losses = {player: losses[player] + self._penalties(player) for player in players}
        for player, loss in losses.items():
            self._broken.update_state(player, loss, self.step + 1)
        return losses

    def _loss_name(self, player: str) -> str:
        return "loss" if len(self.players) == 1 else f"{player}_loss"

    def _penalties(self, player: str) -> Any:
        """The regularisation losses of a player's layers."""
        terms = [loss for network in self.player_networks(player) for loss in network.losses]
        return sum(terms, 0.0)

    def finish_step(self) -> None:
        """Counts the step and moves the averages."""
        done = ops.cast(self.step, floatx()) + 1.0
        for attribute, decay in self.ema.items():
            # A young average follows quickly: (1 + t) / (10 + t) until that reaches the decay.
            keep = ops.minimum(decay, (1.0 + done) / (10.0 + done))
            weights = getattr(self, attribute).weights
            for average, weight in zip(self._averages[attribute], weights, strict=True):
                average.assign(average + (1.0 - keep) * (weight - average))
        self.step.assign_add(1)

    def _average_of(self, weight: keras.Variable) -> keras.Variable:
        average = self.add_weight(
            shape=weight.shape,
            dtype=weight.dtype,
            initializer="zeros",
            trainable=False,
            aggregation="only_first_replica",
            name="average",
        )
        average.assign(values_of([weight])[0])
        return average

    # What comes out.

    def published_networks(self) -> dict[str, keras.Model]:
        """Returns the networks that inference needs, with averaged weights where these are kept.

        They are copies in float32, of which nothing is fixed: training on does not change them.
        """
        copies = {}
        for attribute in self.published:
            network = getattr(self, attribute)
            copy = keras.models.clone_model(network)
            let_learn(copy)
            set_precision(copy, "float32")
            assign_all(copy.weights, values_of(self._averages.get(attribute, network.weights)))
            copies[attribute] = copy
        return copies

    def watch(self, examples: Batch) -> None:
        """Keeps what `sample` shows of the data, for methods that turn images into others.

        Args:
            examples: Arrays as training has them: held-out ones where the recipe holds some out.
        """

    def begin(self, examples: Batch) -> None:
        """Sets weights by the training examples, for methods that begin otherwise than at random.

        It is called before the first step of a run, and not when one is taken up again.

        Args:
            examples: Arrays as training has them.
        """

    def further_arrays(self, examples: Batch) -> Batch:
        """Returns what the method wants to find in a training batch beside the examples.

        Args:
            examples: Arrays as training has them.

        Returns:
            Arrays of as many rows as their streams have.
        """
        return {}

    @property
    def draws_samples(self) -> bool:
        """Whether the method has a `sample`."""
        return type(self).sample is not MultiPlayerModel.sample

    def sample(self, count: int) -> np.ndarray:
        """Returns `count` images, uint8, always from the same noise. For methods that generate."""
        raise NotImplementedError(f"{type(self).__name__} does not generate images")

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Runs the first published network."""
        return getattr(self, self.published[0])(inputs, training=training)

    def get_config(self) -> dict[str, Any]:
        serialize = keras.saving.serialize_keras_object
        options = inspect.signature(type(self).__init__).parameters
        config = {
            option: getattr(self, option)
            for option in options
            if option not in ("self", "kwargs", *GIVEN, *self.network_names)
        }
        networks = {n: serialize(getattr(self, n)) for n in self.network_names}
        own = {"seed": self.seed, "ema": dict(self.ema), "name": self.name}
        return {**config, **networks, **own, "total_steps": self.total_steps}

    @classmethod
    def from_config(cls, config: Mapping[str, Any], custom_objects: Any = None) -> MultiPlayerModel:
        restore = keras.saving.deserialize_keras_object
        values = {
            key: restore(value, custom_objects)
            if isinstance(value, dict) and "class_name" in value
            else value
            for key, value in config.items()
        }
        total_steps = values.pop("total_steps", 1)
        model = cls(**values)
        model.total_steps = total_steps
        return model


def _states(network: keras.Model) -> list[keras.Variable]:
    """Returns the variables that running a network may change."""
    weights = {id(v) for layer in network._flatten_layers() for v in layer._trainable_variables}
    return [v for v in network.non_trainable_variables if id(v) not in weights]


def values_of(variables: Sequence[keras.Variable]) -> list[np.ndarray]:
    """Copies values out of variables: JAX gives buffers away, so none may have two owners."""
    return [np.array(ops.convert_to_numpy(variable)) for variable in variables]


def assign_all(variables: Sequence[keras.Variable], values: Sequence[np.ndarray]) -> None:
    """Puts values into as many variables."""
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def let_learn(network: keras.Model) -> None:
    """Lets every layer of a network learn.

    `network.trainable = True` would leave layers fixed where the network itself already is True.
    """
    for layer in network.layers:
        layer.trainable = True
        if isinstance(layer, keras.Model):
            let_learn(layer)
