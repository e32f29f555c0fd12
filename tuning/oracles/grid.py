"""Grid search: every combination in turn."""

from __future__ import annotations

from typing import Any

from keras_tuner import oracles

from tuning.oracles.base import Mended, Status


class GridOracle(Mended, oracles.GridSearchOracle):
    """Every combination, the last hyperparameter changing fastest.

    Also mended: the place in the grid was not stored, so a resumed search ended at once. Here the
    next combination follows from the last trial's.
    """

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        if not self.start_order:
            space = self.get_space()
            values = {hp.name: hp.default for hp in space.space if space.is_active(hp)}
        else:
            last = self.trials[self.start_order[-1]]
            values = self._get_next_combination(last.hyperparameters.values)
        status = Status.STOPPED if values is None else Status.RUNNING
        return {"status": status, "values": values}
