"""The custom step on TensorFlow: one tape a round."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf
from keras.config import floatx

from zoo.data.feed import shuffled_batches, stream_lengths, stream_of
from zoo.data.split import Arrays
from zoo.training.fused_batch_norm import fuse_batch_norm

if TYPE_CHECKING:
    from zoo.training.engine import MultiPlayerModel


class TensorFlowStep:
    """`train_step` and `test_step` for `MultiPlayerModel` under `fit` and `evaluate`."""

    compile_seconds = 0.0  # Tracing is part of the first step here.
    takes_any_size = True  # A compiled step runs on images of another height and width, too.

    def train_step(self: MultiPlayerModel, data: Any) -> dict[str, Any]:  # type: ignore[misc]
        """Plays every round on a batch, each with its players' optimizers, and counts the step.

        Args:
            data: A batch as `training_feed` yields it, bare or in a tuple of one: tensors
                (batch, …), images from 0 to 255, labels (batch,).

        Returns:
            Every player's loss and every logged value, scalars: means over the epoch so far.
        """
        self._round = 0
        batch = self.prepare_batch(_unpack(data), training=True)
        for index, players in enumerate(self.rounds):
            self._round = index
            _play_round(self, batch, players)
        self.finish_step()
        return self.get_metrics_result()

    def test_step(self: MultiPlayerModel, data: Any) -> dict[str, Any]:  # type: ignore[misc]
        """Computes every round's losses on a batch; nothing learns, no step is counted.

        Args:
            data: As for `train_step`; the batch may be of any size.

        Returns:
            As `train_step`, of what was evaluated so far.
        """
        batch = self.prepare_batch(_unpack(data), training=False)
        for index, players in enumerate(self.rounds):
            self._round = index
            self.play(batch, players, training=False)
        return self.get_metrics_result()

    def replica_step(self: MultiPlayerModel) -> Any:  # type: ignore[misc]
        """The step as a counter that differs between replicas and is the step for one."""
        context = tf.distribute.get_replica_context()
        step = tf.cast(self.step.value, tf.int32)
        if context is None or context.num_replicas_in_sync == 1:
            return step
        replica = tf.cast(context.replica_id_in_sync_group, tf.int32)
        return step + replica * tf.constant(1 << 26, tf.int32)

    def input_gradient(  # type: ignore[misc]
        self: MultiPlayerModel, function: Callable[[Any], Any], inputs: Any
    ) -> Any:
        """Returns the gradients of a function of examples with respect to these.

        It may be part of a loss. The networks' statistics stay what they were before.

        Args:
            function: Runs networks on the inputs; row i of its answer belongs to example i.
            inputs: (batch, …), taken as float32 also where networks compute in bfloat16.

        Returns:
            float32 (batch, …): row i the gradient of the sum of all answers, which is that of
            answer i where rows do not see each other, as they do under batch normalization.
        """
        statistics = self.spectator_variables(())
        before = [tf.identity(variable.value) for variable in statistics]
        inputs = tf.cast(inputs, floatx())
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(inputs)
            total = tf.reduce_sum(tf.cast(function(inputs), floatx()))
        gradients = tape.gradient(total, inputs)
        for variable, value in zip(statistics, before, strict=True):
            variable.assign(value)
        return gradients

    @staticmethod
    def is_out_of_memory(error: Exception) -> bool:
        """Returns whether an error says that the device's memory is full."""
        return isinstance(error, tf.errors.ResourceExhaustedError)

    @staticmethod
    def tune(network: keras.Model) -> None:
        """Has a network train faster without changing what it computes."""
        fuse_batch_norm(network)

    @staticmethod
    @contextlib.contextmanager
    def graph_precision(precision: str) -> Iterator[None]:
        """Has graphs that are first run inside rewritten for a precision that is the backend's."""
        option = "auto_mixed_precision_onednn_bfloat16"
        before = tf.config.optimizer.get_experimental_options().get(option, False)
        tf.config.optimizer.set_experimental_options({option: precision == "onednn_bfloat16"})
        try:
            yield
        finally:
            tf.config.optimizer.set_experimental_options({option: before})

    @staticmethod
    def default_steps_per_execution(steps: int) -> int:
        """Returns how many of an epoch's steps run in one call where the recipe leaves it open."""
        return 1

    @staticmethod
    def device() -> str:
        """Returns the kind of device that trains, in words."""
        found = tf.config.list_physical_devices("GPU") or tf.config.list_physical_devices("CPU")
        details = tf.config.experimental.get_device_details(found[0])
        return str(details.get("device_name", found[0].device_type.lower()))

    def training_feed(
        self,
        arrays: Arrays,
        batch_size: int,
        seed: int,
        first_epoch: int,
        last_epoch: int,
        passes: int = 1,
    ) -> tf.data.Dataset:
        """Returns what `fit` takes for the epochs `first_epoch` up to, not including, `last_epoch`.

        Batches of every stream are gathered and prefetched in the graph. An epoch is so many passes
        over the examples.
        """
        span = (first_epoch, last_epoch, passes)

        def batches() -> Iterator[dict[str, np.ndarray]]:
            for epoch in shuffled_batches(arrays, batch_size, seed, *span):
                for step in range(len(next(iter(epoch.values())))):
                    yield {stream: rows[step] for stream, rows in epoch.items()}

        streams = stream_lengths(arrays)
        signature = {stream: tf.TensorSpec((batch_size,), tf.int64) for stream in streams}
        dataset = tf.data.Dataset.from_generator(batches, output_signature=signature)
        tensors = {key: tf.constant(value) for key, value in arrays.items()}
        return dataset.map(
            lambda chosen: {
                key: tf.gather(value, chosen[stream_of(key)]) for key, value in tensors.items()
            }
        ).prefetch(tf.data.AUTOTUNE)


def _play_round(model: MultiPlayerModel, batch: Any, players: Sequence[str]) -> None:
    spectators = model.spectator_variables(players)
    before = [tf.identity(variable.value) for variable in spectators]
    replicas = tf.distribute.get_strategy().num_replicas_in_sync
    with tf.GradientTape(persistent=len(players) > 1) as tape:
        losses = model.play(batch, players, training=True)
        # Gradients are summed over replicas, each of which averages over its share of the batch.
        scaled = {player: loss / replicas for player, loss in losses.items()}
    variables = {player: model.player_variables(player) for player in players}
    grads = {p: tape.gradient(scaled[p], [v.value for v in variables[p]]) for p in players}
    for variable, value in zip(spectators, before, strict=True):
        variable.assign(value)
    model.optimizer.apply(
        [grad for player in players for grad in grads[player]],
        [variable for player in players for variable in variables[player]],
    )


def _unpack(data: Any) -> dict[str, Any]:
    """`fit` wraps what a data set yields into a tuple of one."""
    return data[0] if isinstance(data, tuple) else data
