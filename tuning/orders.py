"""What a training is told and what it says: plain data, so that another process may do it."""

from __future__ import annotations

import dataclasses
import logging
import traceback
from collections.abc import Callable
from typing import Any, Literal, Protocol

# What a training hears after each epoch: go on; stop, the trial is a bad one; or pause, which
# leaves the trial to be gone on with later, here or elsewhere.
Answer = Literal["go", "stop", "pause"]
Tell = Callable[[dict[str, Any]], Answer]

BEGAN, EPOCH = "began", "epoch"
# Why no trial is given out any more, where no budget is used up: all is tried.
DONE = "done"

_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Order:
    """A trial to train.

    Args:
        trial: Its id.
        recipe: As `Recipe.to_dict` gives it.
        folder: The trial's. What is there of an earlier try is gone on with.
        epochs: That are behind it when it ends.
        start: The folder of the trial that it continues. Where that has no checkpoint, the trial is
            trained from its first epoch, which ends in the same.
    """

    trial: str
    recipe: dict[str, Any]
    folder: str
    epochs: int
    start: str | None = None


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What came of a trial.

    Args:
        status: `completed`, `stopped`, `failed`, `skipped` or `paused`.
        objectives: The value of each after the last epoch, means over executions.
        deviations: Their sample deviations, where there were several executions.
        epochs: Behind it.
        reason: Why it failed or was skipped.
        traceback: Of what made it fail.
    """

    status: Literal["completed", "stopped", "failed", "skipped", "paused"]
    objectives: dict[str, float] = dataclasses.field(default_factory=dict)
    deviations: dict[str, float] = dataclasses.field(default_factory=dict)
    epochs: int = 0
    reason: str | None = None
    traceback: str | None = None


class Trainer(Protocol):
    """Trains the trials of one search, one after the other."""

    def check(self, recipe: dict[str, Any]) -> None:
        """Raises ZooError where no trial around this recipe could be trained."""

    def train(self, order: Order, tell: Tell) -> Outcome:
        """Trains a trial.

        It tells `{"kind": "began", "execution": number, "history": epochs so far}` before the first
        epoch of each execution, and `{"kind": "epoch", "execution", "epoch", "metrics", "seconds"}`
        after each; both once their checkpoint is on disk.
        """


class UntoldError(BaseException):
    """What a training said could not be recorded. That is no fault of the trial's."""


def perform(trainer: Trainer, order: Order, tell: Tell) -> Outcome:
    """Trains a trial; an error of the values that are tried is an outcome like any other.

    Raises:
        OSError: such as a full disk, which is not the trial's fault.
        UntoldError: from what `tell` raised.
    """

    def told(message: dict[str, Any]) -> Answer:
        try:
            return tell(message)
        except Exception as error:
            raise UntoldError from error

    try:
        return trainer.train(order, told)
    except OSError:
        raise
    except Exception as error:  # noqa: BLE001  What values cause is a result of the search.
        _log.info("trial %s failed", order.trial, exc_info=True)
        return failed(error)


def failed(error: BaseException) -> Outcome:
    """Returns the outcome of a trial that an error ended."""
    return Outcome(
        "failed",
        reason=first_line(error),
        traceback="".join(traceback.format_exception(error)),
    )


def first_line(error: BaseException) -> str:
    """Returns what an error says, on one line."""
    text = str(error).strip()
    said = text.splitlines()[0][:300] if text else ""
    # The message of some is of no use alone, such as a KeyError's.
    plain = isinstance(error, MemoryError | LookupError) or not said
    return f"{type(error).__name__}: {said}".removesuffix(": ") if plain else said
