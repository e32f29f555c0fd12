"""What happens at the end of each epoch: state, history and samples are kept."""

from __future__ import annotations

import csv
import io
import math
import time
from pathlib import Path
from typing import Any

import keras

from zoo import files
from zoo.errors import ZooError
from zoo.training.checkpoint import save_checkpoint

History = list[dict[str, float]]


class Keeper(keras.callbacks.Callback):
    """Keeps a run: checkpoint and history after every epoch, or neither.

    Args:
        folder: The run's folder.
        history: One dictionary for each epoch that is done; grows as training goes on.
    """

    def __init__(self, folder: Path, history: History) -> None:
        super().__init__()
        self.folder = folder
        self.history = history
        self._began = 0.0

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._began = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        values = {key: float(value) for key, value in (logs or {}).items()}
        broken = [key for key, value in values.items() if not math.isfinite(value)]
        if broken:
            kept = f"epoch {epoch} is kept" if epoch else "nothing was kept"
            raise ZooError(f"{broken[0]} is {values[broken[0]]} in epoch {epoch + 1}; {kept}")
        seconds = time.perf_counter() - self._began
        self.history.append({"epoch": epoch + 1, **values, "seconds": round(seconds, 3)})
        record = {"epoch": epoch + 1, "history": self.history}
        save_checkpoint(self.folder / "checkpoint.npz", self.model, record)
        files.write_text(self.folder / "history.csv", history_csv(self.history))


class SampleGrid(keras.callbacks.Callback):
    """Draws what the model generates from the same noise after every epoch."""

    def __init__(self, folder: Path, count: int = 64) -> None:
        super().__init__()
        self.folder = folder
        self.count = count

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        from zoo.images import image_grid, save_png

        images = self.model.sample(self.count)
        save_png(self.folder / f"epoch_{epoch + 1:03}.png", image_grid(images))


def history_csv(history: History) -> str:
    """Returns a history as comma-separated lines with a header."""
    if not history:
        return ""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(history[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    return text.getvalue()
