"""What happens at the end of each epoch: state, history and samples are kept."""

from __future__ import annotations

import csv
import io
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras

from zoo import files
from zoo.runs import History, Run
from zoo.training import distribution
from zoo.training.broken import BrokenTrainingError
from zoo.training.checkpoint import save_checkpoint
from zoo.training.stopping import best_epoch, is_over

CHECKPOINT, BEST = "checkpoint.npz", "best.npz"
# After so many steps of an epoch its values are looked at.
LOOK_EVERY = 200


class Keeper(keras.callbacks.Callback):
    """Keeps a run: checkpoint and history after every epoch, or neither.

    Of several processes one writes. An epoch with a loss that is not finite is broken off within
    `LOOK_EVERY` steps.

    Args:
        run: The run; its history and compile time grow as training goes on.
        facts: What a checkpoint says beside, such as the versions of packages.
    """

    def __init__(self, run: Run, facts: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        self.run = run
        self.facts = dict(facts or {})
        self._began = self._compiled = 0.0
        self._next_look = 0
        # Keras then need not wait for the logs of a step before it begins the next; but of several
        # processes all must break off after the same one.
        self.async_safe = distribution.process_count() == 1

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._began = time.perf_counter()
        self._compiled = self.model.compile_seconds
        self._next_look = LOOK_EVERY

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if batch + 1 < self._next_look:
            return
        self._next_look = batch + 1 + LOOK_EVERY
        # Each is a mean over the epoch so far: once not finite, it stays so.
        if not all(math.isfinite(value) for value in (logs or {}).values()):
            self.model.stop_training = True

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        values = {key: float(value) for key, value in (logs or {}).items()}
        self._require_finite(values, epoch)
        compiling = self.model.compile_seconds - self._compiled
        if compiling and self.params.get("verbose"):
            print(f"compiled in {compiling:.1f} s")
        self.run.compile_seconds += compiling
        seconds = time.perf_counter() - self._began - compiling
        history = self.run.history
        history.append({"epoch": epoch + 1, **values, "seconds": round(seconds, 3)})
        stopping = self.run.recipe.early_stopping
        if is_over(history, stopping):
            self.model.stop_training = True
        if not distribution.is_chief():
            return
        record = {
            "epoch": epoch + 1,
            "history": history,
            "compile_seconds": self.run.compile_seconds,
            **self.facts,
        }
        if stopping and best_epoch(history, stopping) == epoch + 1:
            save_checkpoint(self.run.folder / BEST, self.model, record)
        save_checkpoint(self.run.folder / CHECKPOINT, self.model, record)
        files.write_text(self.run.folder / "history.csv", history_csv(history))

    def _require_finite(self, values: Mapping[str, float], epoch: int) -> None:
        """Ends a training that has gone wrong before its state takes a good one's place.

        Raises:
            BrokenTrainingError: for a loss, weight or other value that is not finite.
        """
        steps = self.model.broken_steps()
        first = min(steps.values(), default=int(self.model.step))
        broken = [key for key, value in values.items() if not math.isfinite(value)]
        if steps:
            player = min(steps, key=lambda name: steps[name])
            what = f"the loss of player {player} is not finite from step {steps[player]} on"
        elif broken:
            what = f"{broken[0]} is {values[broken[0]]}"
        else:
            worn = [player for player in self.model.players if not self._has_finite_weights(player)]
            if not worn:
                return
            what = f"weights of player {worn[0]} are not finite after the last step"
        last = f"; the last good checkpoint is {self.run.folder / CHECKPOINT}" if epoch else ""
        raise BrokenTrainingError(f"{what}, in epoch {epoch + 1}; {kept(epoch)}{last}", first)

    def _has_finite_weights(self, player: str) -> bool:
        variables = self.model.player_variables(player)
        return all(bool(keras.ops.all(keras.ops.isfinite(variable))) for variable in variables)


def kept(epochs: int) -> str:
    """Says what is left of a training that broke off."""
    return f"epoch {epochs} is kept" if epochs else "nothing was kept"


class SampleGrid(keras.callbacks.Callback):
    """Draws what the model generates from the same noise after every epoch."""

    def __init__(self, folder: Path, count: int = 64) -> None:
        super().__init__()
        self.folder = folder
        self.count = count

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        from zoo.images import image_grid, save_png

        images = self.model.sample(self.count)
        if distribution.is_chief():
            grid = image_grid(images, self.model.sample_columns)
            save_png(self.folder / f"epoch_{epoch + 1:03}.png", grid)


def history_csv(history: History) -> str:
    """Returns a history as comma-separated lines with a header."""
    if not history:
        return ""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(history[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    return text.getvalue()
