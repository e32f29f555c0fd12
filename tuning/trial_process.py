"""Trials in a process of their own, so that none can take the search with it."""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from typing import IO, Any

from tuning.orders import BEGAN, EPOCH, Order, Outcome, Tell, Trainer, UntoldError, perform
from zoo import errors
from zoo.errors import ZooError
from zoo.registry import load_object

# Bytes that a training process may grow by after its first trial before another takes its place.
MEMORY_GROWTH = 512 * 2**20
_SECONDS_TO_END = 10

_log = logging.getLogger(__name__)


class TrialProcess:
    """A child process that trains one trial after the other, replaced when it dies or swells.

    The child begins with its first order; until then nothing is imported. What it needs is said in
    plain data and goes through pipes, so it can be started from a script, a notebook or a test. It
    ends when this process does.

    Args:
        factory: "module:function" that makes the `Trainer`, in the child.
        options: The function's arguments, plain data.
        growth: Bytes that the child may grow by after its first trial.
        show: Let the child print to the standard output, such as a progress bar.
    """

    def __init__(
        self,
        factory: str,
        options: Mapping[str, Any],
        growth: int = MEMORY_GROWTH,
        show: bool = False,
    ) -> None:
        self.growth = growth
        self.show = show
        self._setup = {"factory": factory, "options": dict(options)}
        self._child: subprocess.Popen[str] | None = None
        self._answers: IO[str] | None = None
        self._memory: int | None = None

    @property
    def pid(self) -> int | None:
        """The child's process id, None where there is none."""
        return None if self._child is None else self._child.pid

    def check(self, recipe: Mapping[str, Any]) -> None:
        """Raises ZooError where no trial around this recipe could be trained."""
        self._start()
        self._say({"kind": "check", "recipe": dict(recipe)})
        message = self._hear()
        if message is None:
            raise ZooError(f"the training process ended before the first trial: {self._end()}")
        self._require(message)

    def train(self, order: Order, tell: Tell) -> Outcome:
        """Trains a trial. A child that dies makes it fail; the next trial gets a new one.

        Raises:
            ZooError: for what is not the trial's fault, such as a full disk; the trial stays
                unfinished. What `tell` raises is raised here as well.
        """
        try:
            self._start()
            self._say({"kind": "order", "order": dataclasses.asdict(order)})
            while True:
                message = self._hear()
                if message is None:
                    return Outcome("failed", reason=self._end())
                if message["kind"] in (BEGAN, EPOCH):
                    self._say({"answer": tell(message)})
                    continue
                self._require(message)
                self._judge(message["memory"])
                return Outcome(**message["outcome"])
        except BaseException:
            # In the middle of an epoch; its last checkpoint is whole.
            self.close()
            raise

    def close(self) -> None:
        """Ends the child, in whatever it is doing."""
        child, self._child = self._child, None
        if child is None:
            return
        child.kill()
        child.wait()
        for pipe in (child.stdin, self._answers):
            if pipe is not None:
                _close(pipe)

    def _start(self) -> None:
        if self._child is not None and self._child.poll() is None:
            return
        self.close()
        answers, child_end = os.pipe()
        # It finds the very modules that this process would, wherever it was started.
        path = os.pathsep.join(one or os.getcwd() for one in sys.path)
        try:
            self._child = subprocess.Popen(
                [sys.executable, "-P", "-m", "tuning.trial_child", str(child_end)],
                stdin=subprocess.PIPE,
                stdout=None if self.show else subprocess.DEVNULL,
                pass_fds=[child_end],
                text=True,
                encoding="utf-8",
                env={**os.environ, "PYTHONPATH": path},
            )
        finally:
            os.close(child_end)
        self._answers = os.fdopen(answers, encoding="utf-8")
        self._memory = None
        self._say(self._setup)
        message = self._hear()
        if message is None:
            raise ZooError(f"the training process ended as it began: {self._end()}")
        self._require(message)

    def _say(self, message: Mapping[str, Any]) -> None:
        assert self._child is not None and self._child.stdin is not None
        try:
            self._child.stdin.write(json.dumps(message) + "\n")
            self._child.stdin.flush()
        except BrokenPipeError:
            # It has ended; `_hear` finds the same and says why.
            _log.info("the training process is gone")

    def _hear(self) -> dict[str, Any] | None:
        """Returns the child's next message, None where it has ended."""
        assert self._answers is not None
        line = self._answers.readline()
        # A last line that a kill cut off has no end.
        return json.loads(line) if line.endswith("\n") else None

    def _require(self, message: Mapping[str, Any]) -> None:
        if message["kind"] != "broken":
            return
        kind = getattr(errors, message["error"], ZooError)
        # This one would make another text of it.
        raise (ZooError if kind is errors.UnknownModelError else kind)(message["reason"])

    def _judge(self, memory: int) -> None:
        """Has the next trial trained by a new child where this one has grown too much."""
        if self._memory is None:
            self._memory = memory
        elif memory - self._memory > self.growth:
            _log.info("the training process has grown to %d MB; it is replaced", memory >> 20)
            self.close()

    def _end(self) -> str:
        """Returns in words how the child ended."""
        assert self._child is not None
        try:
            code = self._child.wait(_SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            code = 0
        self.close()
        if code >= 0:
            return f"the training process ended by itself, with code {code}"
        name = signal.Signals(-code).name
        if -code == signal.SIGKILL:
            return f"the training process was killed ({name}), most likely for lack of memory"
        return f"the training process crashed ({name})"


class InProcess:
    """Trials in this process: they begin sooner, but one that crashes ends the search.

    Args:
        factory: "module:function" that makes the `Trainer`.
        options: The function's arguments.
    """

    pid: int | None = None

    def __init__(self, factory: str, options: Mapping[str, Any]) -> None:
        self._make = lambda: load_object(factory)(**options)
        self._trainer: Trainer | None = None

    def check(self, recipe: Mapping[str, Any]) -> None:
        self._get().check(dict(recipe))

    def train(self, order: Order, tell: Tell) -> Outcome:
        try:
            return perform(self._get(), order, tell)
        except UntoldError as error:
            assert error.__cause__ is not None
            raise error.__cause__ from None
        except BrokenPipeError:
            raise
        except OSError as error:
            raise ZooError(str(error)) from error

    def close(self) -> None:
        """Lets go of the examples."""
        self._trainer = None

    def _get(self) -> Trainer:
        if self._trainer is None:
            self._trainer = self._make()
        return self._trainer


def _close(pipe: IO[str]) -> None:
    try:
        pipe.close()
    except BrokenPipeError:
        _log.info("the training process was gone before it heard all")
