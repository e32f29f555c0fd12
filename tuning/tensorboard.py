"""Logs of a search for TensorBoard: a run for each execution of a trial, with its values.

They are written where results are recorded, not where trials are trained: so they need neither
TensorFlow nor a shared folder, and a trial that moves to another worker stays one run.

    tensorboard --logdir $ZOO_HOME/tuning/mlp.fashion_mnist/hyperband/tensorboard
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tensorboard.summary.writer.event_file_writer import EventFileWriter


class Events:
    """Writes the epochs of trials as scalars, their hyperparameters for the HParams tab.

    A search that goes on adds files to the runs there are. An epoch that a kill undid, and that
    was trained again, is there twice, the same both times.

    Args:
        folder: That of the search; runs are `tensorboard/trial_<id>[-<execution>]` in it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "tensorboard"
        self._values: dict[str, dict[str, Any]] = {}
        self._writers: dict[tuple[str, int], EventFileWriter] = {}

    def trial(self, trial: str, hyperparameters: Mapping[str, Any]) -> None:
        """Says with which values a trial begins or goes on."""
        self._values[trial] = dict(hyperparameters)

    def epoch(self, trial: str, execution: int, epoch: int, metrics: Mapping[str, float]) -> None:
        """Writes what one epoch logged; `epoch` counts from 1 and is the step."""
        from tensorboard.compat.proto.summary_pb2 import Summary

        values = [
            Summary.Value(tag=name, simple_value=float(value)) for name, value in metrics.items()
        ]
        writer = self._writer(trial, execution)
        writer.add_event(_event(Summary(value=values), epoch))
        writer.flush()

    def end(self, trial: str) -> None:
        """Closes the runs of a trial."""
        for key in [key for key in self._writers if key[0] == trial]:
            self._writers.pop(key).close()

    def close(self) -> None:
        """Closes all runs."""
        for trial in {key[0] for key in self._writers}:
            self.end(trial)

    def _writer(self, trial: str, execution: int) -> EventFileWriter:
        from tensorboard.plugins.hparams.summary_v2 import hparams_pb
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        key = trial, execution
        if key not in self._writers:
            name = f"trial_{trial}" + (f"-{execution}" if execution else "")
            writer = self._writers[key] = EventFileWriter(str(self.folder / name))
            shown = {
                name: value if isinstance(value, bool | int | float) else str(value)
                for name, value in self._values.get(trial, {}).items()
            }
            writer.add_event(_event(hparams_pb(shown, trial_id=f"trial_{trial}"), 0))
        return self._writers[key]


def _event(summary: Any, step: int) -> Any:
    from tensorboard.compat.proto.event_pb2 import Event

    return Event(wall_time=time.time(), step=step, summary=summary)
