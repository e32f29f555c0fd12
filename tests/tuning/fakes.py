"""Trainers that train nothing, for tests of what is around them. They load no framework.

An epoch's value is a function of the recipe and the epoch, its checkpoint a file with the history.
"""

from __future__ import annotations

import json
import math
import os
import signal
import time
from pathlib import Path
from typing import Any

from tuning.orders import BEGAN, EPOCH, Order, Outcome, Tell
from zoo import files
from zoo.errors import RecipeError

CHECKPOINT = "checkpoint.npz"


def value_of(recipe: dict[str, Any], epoch: int) -> float:
    """The accuracy after an epoch: best for a rate of 0.01, and growing."""
    rate = recipe["optimizer"]["learning_rate"]
    return (1 - 1 / (epoch + 1)) / (1 + abs(math.log10(rate) + 2))


class Quick:
    """Trains as `tuning.training.RecipeTrainer` does, but for the training.

    Args:
        executions: Trainings of each trial.
    """

    def __init__(self, executions: int = 1) -> None:
        self.executions = executions
        # (trial, execution, epoch) of every epoch that was trained.
        self.trained: list[tuple[str, int, int]] = []

    def check(self, recipe: dict[str, Any]) -> None:
        """Finds nothing wrong."""

    def close(self) -> None:
        """Has nothing to close."""

    def train(self, order: Order, tell: Tell) -> Outcome:
        finals = []
        for number in range(self.executions):
            part = f"execution_{number}" if number else "."
            folder = Path(order.folder) / part
            sources = [folder, *([Path(order.start) / part] if order.start else [])]
            found = next((s / CHECKPOINT for s in sources if (s / CHECKPOINT).is_file()), None)
            history = json.loads(found.read_text()) if found else []
            answer = tell({"kind": BEGAN, "execution": number, "history": history})
            while answer == "go" and len(history) < order.epochs:
                epoch = len(history) + 1
                self.trained.append((order.trial, number, epoch))
                metrics = {"val_accuracy": value_of(order.recipe, epoch) + number / 8}
                history.append({"epoch": epoch, **metrics, "seconds": 0.5})
                files.write_text(folder / CHECKPOINT, json.dumps(history))
                said = {"kind": EPOCH, "execution": number, "epoch": epoch, "seconds": 0.5}
                answer = tell({**said, "metrics": metrics})
            if len(history) < order.epochs:
                if answer == "pause":
                    return Outcome("paused", epochs=len(history))
                final = {"val_accuracy": history[-1]["val_accuracy"]}
                return Outcome("stopped", final, epochs=len(history))
            finals.append(history[-1]["val_accuracy"])
        mean = sum(finals) / len(finals)
        return Outcome("completed", {"val_accuracy": mean}, epochs=order.epochs)


def make(broken: bool = False) -> Accidents:
    """Makes the trainer of a training process."""
    if broken:
        raise RecipeError("no data here")
    return Accidents()


class Accidents:
    """A trainer whose recipe says what happens to it."""

    def __init__(self) -> None:
        self.kept: list[bytes] = []

    def check(self, recipe: dict[str, Any]) -> None:
        if recipe["happens"]:
            raise RecipeError("the network has no such option")

    def train(self, order: Order, tell: Tell) -> Outcome:
        what = order.recipe["happens"]
        if what == "error":
            raise ValueError("two\nlines")
        if what == "memory":
            raise MemoryError
        if what == "disk":
            raise OSError(28, "No space left on device")
        if what == "exit":
            os._exit(3)
        if what in ("SIGKILL", "SIGSEGV"):
            os.kill(os.getpid(), getattr(signal, what))
        if what == "leak":
            self.kept.append(os.urandom(order.recipe["bytes"]))
        answer = tell({"kind": BEGAN, "execution": 0, "history": []})
        for epoch in range(1, order.epochs + 1):
            if what == "slow":
                time.sleep(0.05)
            said = {"kind": EPOCH, "execution": 0, "epoch": epoch, "seconds": 0.1}
            answer = tell({**said, "metrics": {"val_accuracy": 1 / 3 + epoch}})
            if answer != "go":
                return Outcome("stopped", {"val_accuracy": 1 / 3 + epoch}, epochs=epoch)
        return Outcome("completed", {"val_accuracy": float(os.getpid())}, epochs=order.epochs)
