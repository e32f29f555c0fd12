"""Which players' losses stopped being finite, and when."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from zoo.errors import ZooError


class BrokenTrainingError(ZooError):
    """A training with a loss, a weight or another value that is not finite.

    Args:
        message: One line that says so.
        step: The first broken step as far as is known, else the last; counted from 1.
    """

    def __init__(self, message: str, step: int) -> None:
        super().__init__(message)
        self.step = step


class FirstBrokenSteps(keras.metrics.Metric):
    """For each player the first step with a loss that is not finite.

    It is a metric because a step may change these and no checkpoint holds them. Resetting does not
    empty it, for it is read after the validation of the same epoch.

    Args:
        players: Their names.
    """

    def __init__(self, players: Sequence[str]) -> None:
        super().__init__(name="broken")
        self.players = tuple(players)
        self.first = self.add_variable(
            (len(self.players),),
            initializer="zeros",
            dtype="int32",
            aggregation="only_first_replica",
            name="first",
        )

    def update_state(self, player: str, loss: Any, step: Any) -> None:
        """Notes the step of a player's loss, a scalar, where it is the first broken one."""
        its = [name == player for name in self.players]
        new = ops.logical_and(its, ops.logical_not(ops.isfinite(loss)))
        first = ops.convert_to_tensor(self.first)
        new = ops.logical_and(new, ops.equal(first, 0))
        self.first.assign(ops.where(new, ops.cast(step, "int32"), first))

    def result(self) -> Any:
        return self.first

    def reset_state(self) -> None:
        """Leaves all as it is."""

    def steps(self) -> dict[str, int]:
        """Returns `{player: step, counted from 1}` of those with a broken loss."""
        found = zip(self.players, ops.convert_to_numpy(self.first).tolist(), strict=True)
        return {player: step for player, step in found if step}
