"""The custom step on JAX: one vjp a round, and many steps in one compiled call."""

from __future__ import annotations

import contextlib
import itertools
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import jax
import keras
import numpy as np
from jax import numpy as jnp
from keras.config import floatx

from zoo.data.feed import gather, shuffled_batches
from zoo.data.split import Arrays
from zoo.training import distribution

if TYPE_CHECKING:
    from zoo.training.engine import MultiPlayerModel

State = Sequence[Sequence[Any]]
Data = dict[str, Any]

# What a feed yields in place of a batch when the examples are on the device: which ones to take.
CHOSEN = "chosen examples"

# A call from Python takes some tenths of a millisecond: spread over so many steps it is little even
# beside those of a small model on a large GPU.
_STEPS_PER_EXECUTION = 64


class JaxStep:
    """`train_step` and `test_step` for `MultiPlayerModel` under `fit` and `evaluate`.

    They are pure functions: the state of the model goes in and comes out.

    Attributes:
        compile_seconds: Time spent so far on compiling executions of several steps.
    """

    compile_seconds: float = 0.0
    takes_any_size = False
    _examples: Data | None = None

    def train_step(  # type: ignore[misc]
        self: MultiPlayerModel, state: State, data: Any
    ) -> tuple[dict[str, Any], State]:
        """Takes `(trainable, non-trainable, optimizer, metrics)` and returns logs and the next."""
        groups = _variables(self, with_optimizer=True)
        with _scope(groups, state):
            self._round = 0
            batch = self.prepare_batch(_unpack(data), training=True)
            for index, players in enumerate(self.rounds):
                self._round = index
                _play_round(self, batch, players)
            self.finish_step()
            return self.get_metrics_result(), _values(groups)

    def test_step(  # type: ignore[misc]
        self: MultiPlayerModel, state: State, data: Any
    ) -> tuple[dict[str, Any], State]:
        """Takes `(trainable, non-trainable, metrics)` and returns logs and the next state."""
        groups = _variables(self, with_optimizer=False)
        with _scope(groups, state):
            batch = self.prepare_batch(_unpack(data), training=False)
            for index, players in enumerate(self.rounds):
                self._round = index
                self.play(batch, players, training=False)
            return self.get_metrics_result(), _values(groups)

    def replica_step(self: MultiPlayerModel) -> Any:  # type: ignore[misc]
        """The step as a counter: devices share one program, and its noise is drawn once for all."""
        return self.step.value

    def input_gradient(  # type: ignore[misc]
        self: MultiPlayerModel, function: Callable[[Any], Any], inputs: Any
    ) -> Any:
        """As in `TensorFlowStep`: gradients with respect to examples, statistics left alone."""
        # What the function assigns ends with the inner scope.
        known = [(v, v.value) for v in (*self.variables, *self.metrics_variables)]

        def total(examples: Any) -> Any:
            with keras.StatelessScope(known):
                return jnp.sum(function(examples).astype(floatx()))

        return jax.grad(total)(jnp.asarray(inputs, floatx()))

    @staticmethod
    def is_out_of_memory(error: Exception) -> bool:
        """Returns whether an error says that the device's memory is full."""
        return isinstance(error, jax.errors.JaxRuntimeError) and "RESOURCE_EXHAUSTED" in str(error)

    @staticmethod
    def tune(network: keras.Model) -> None:
        """Leaves a network as it is: XLA fuses operations by itself."""

    @staticmethod
    @contextlib.contextmanager
    def graph_precision(precision: str) -> Iterator[None]:
        """Tells of a precision that another backend has, so that its recipes run here too."""
        if precision == "onednn_bfloat16":
            print("zoo: onednn_bfloat16 is TensorFlow's; JAX computes in float32", file=sys.stderr)
        yield

    @staticmethod
    def device() -> str:
        """Returns the kind of device that trains, in words."""
        return jax.devices()[0].device_kind

    @staticmethod
    def default_steps_per_execution(steps: int) -> int:
        """Returns how many of an epoch's steps run in one call where the recipe leaves it open.

        On a CPU a step takes far longer than calling it, and in a loop XLA runs convolutions ten
        times slower there.
        """
        if jax.default_backend() == "cpu":
            return 1
        executions = -(-steps // _STEPS_PER_EXECUTION)
        return -(-steps // executions)

    def training_feed(  # type: ignore[misc]
        self: MultiPlayerModel,
        arrays: Arrays,
        batch_size: int,
        seed: int,
        first_epoch: int,
        last_epoch: int,
        passes: int = 1,
    ) -> Iterator[tuple[Data]]:
        """Returns what `fit` takes for the epochs `first_epoch` up to, not including, `last_epoch`.

        Examples that fit go to the device once; then only their numbers follow, those of one
        execution at a time. Others are fed batch by batch. An epoch is so many passes over them.
        """
        batches = shuffled_batches(arrays, batch_size, seed, first_epoch, last_epoch, passes)
        if not distribution.fits(arrays):
            self.steps_per_execution = 1
            return (
                (gather(arrays, {stream: rows[step] for stream, rows in epoch.items()}),)
                for epoch in batches
                for step in range(_steps(epoch))
            )
        self._examples = distribution.replicate(arrays)
        size = self.steps_per_execution
        return (
            ({CHOSEN: {s: _padded(rows[start : start + size], size) for s, rows in epoch.items()}},)
            for epoch in batches
            for start in range(0, _steps(epoch), size)
        )

    def make_train_function(self: MultiPlayerModel, force: bool = False) -> None:  # type: ignore[misc]
        """Makes the function that `fit` calls once for each execution."""
        if self.train_function is not None and not force:
            return
        super().make_train_function(force=True)  # type: ignore[misc]
        by_batch = self.train_function
        # Made now: at the first execution the variables are without their values.
        many_steps = self._many_steps()
        compiled: dict[Any, Any] = {}

        def by_execution(state: State, iterator: Iterator[tuple[Data]]) -> tuple[Any, State]:
            first = next(iterator)
            batch = _bare(first)
            if CHOSEN not in batch:
                return by_batch(state, itertools.chain([first], iterator))
            arguments = (state, dict(self._examples), batch[CHOSEN])
            arrays = (*batch[CHOSEN].values(), *self._examples.values())
            shapes = tuple(value.shape for value in arrays)
            if shapes not in compiled:
                began = time.perf_counter()
                compiled[shapes] = many_steps.lower(*arguments).compile()
                self.compile_seconds += time.perf_counter() - began
            return compiled[shapes](*arguments)

        self.train_function = by_execution

    def _many_steps(self: MultiPlayerModel) -> Any:  # type: ignore[misc]
        """Returns the jitted function of (state, examples, chosen) to (logs, state)."""

        def run(state: State, examples: Data, chosen: Data) -> tuple[Any, State]:
            def step(index: Any, state: State) -> State:
                rows = {
                    stream: jax.lax.dynamic_index_in_dim(one, index, axis=1, keepdims=False)
                    for stream, one in chosen.items()
                }
                return JaxStep.train_step(self, state, gather(examples, rows))[1]

            any_stream = next(iter(chosen.values()))
            if any_stream.shape[1] == 1:
                state = step(0, state)
            else:
                state = jax.lax.fori_loop(0, jnp.sum(any_stream[0] >= 0), step, state)
            with _scope(_variables(self, with_optimizer=True), state):
                return self.get_metrics_result(), state

        layout = None
        if keras.distribution.distribution() is not None:
            layout = (None, self._get_state_sharding_spec())
        return jax.jit(run, donate_argnums=0, out_shardings=layout)


def _play_round(model: MultiPlayerModel, batch: Data, players: Sequence[str]) -> None:
    spectators = {id(variable) for variable in model.spectator_variables(players)}
    statistics = [v for v in model.non_trainable_variables if id(v) not in spectators]
    changing = [*statistics, *model.metrics_variables]
    known = [(v, v.value) for v in (*model.variables, *model.metrics_variables)]
    variables = {player: model.player_variables(player) for player in players}

    def forward(weights: dict[str, list[Any]]) -> tuple[Any, Any]:
        own = [pair for p in players for pair in zip(variables[p], weights[p], strict=True)]
        with keras.StatelessScope([*known, *own], collect_losses=True):
            seen = dict(batch)
            losses = model.play(seen, players, training=True)
            return losses, (seen, [variable.value for variable in changing])

    weights = {player: [v.value for v in variables[player]] for player in players}
    losses, pull_back, (seen, after) = jax.vjp(forward, weights, has_aux=True)
    batch.update(seen)
    for variable, value in zip(changing, after, strict=True):
        variable.assign(value)
    grads = []
    for player in players:
        only = {p: jnp.full_like(loss, float(p == player)) for p, loss in losses.items()}
        grads += pull_back(only)[0][player]
    model.optimizer.apply(grads, [v for player in players for v in variables[player]])


def _variables(model: MultiPlayerModel, with_optimizer: bool) -> list[list[keras.Variable]]:
    """The variables of a state in the order in which Keras passes their values."""
    optimizer = [model.optimizer.variables] if with_optimizer else []
    return [
        model.trainable_variables,
        model.non_trainable_variables,
        *optimizer,
        model.metrics_variables,
    ]


def _scope(groups: list[list[keras.Variable]], state: State) -> keras.StatelessScope:
    """Inside, the variables have the values of the state."""
    return keras.StatelessScope(
        [
            pair
            for group, values in zip(groups, state, strict=True)
            for pair in zip(group, values, strict=True)
        ]
    )


def _values(groups: list[list[keras.Variable]]) -> State:
    return tuple([variable.value for variable in group] for group in groups)


def _steps(epoch: dict[str, np.ndarray]) -> int:
    """Returns how many steps an epoch's indices are for."""
    return len(next(iter(epoch.values())))


def _padded(steps: np.ndarray, size: int) -> np.ndarray:
    """Returns int32 (batch, size) from indices (steps, batch); -1 where an epoch is over."""
    return np.pad(steps.T, ((0, 0), (0, size - len(steps))), constant_values=-1).astype("int32")


def _unpack(data: Any) -> Data:
    return distribution.split(_bare(data))


def _bare(data: Any) -> Data:
    """`fit` wraps what some sources yield into a tuple."""
    return data[0] if isinstance(data, tuple) else data
