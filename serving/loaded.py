"""A model in memory: its pipeline, warmed, and its queue."""

from __future__ import annotations

import asyncio
import ctypes
import dataclasses
import gc
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np

from serving import access_log
from serving.batching import Batcher, Function, Watch
from serving.catalogue import model_id
from serving.metrics import Metrics
from serving.settings import Settings
from serving.turns import Turns
from zoo.cards import Card
from zoo.runtime.batches import power_of_two
from zoo.runtime.functions import Functions

# Calls of a model that goes step by step which take turns with each other.
_CALLS = 4
# Steps of a generator that is warmed: the second finds all that the first has left.
_WARM_STEPS = 2


@dataclasses.dataclass(frozen=True)
class Loaded:
    """A model in memory."""

    id: str
    card: Card
    pipeline: Any
    batcher: Batcher

    async def run(
        self,
        rows: np.ndarray,
        options: Mapping[str, Any] | None = None,
        watch: Watch | None = None,
        function: Function | None = None,
    ) -> np.ndarray:
        """Runs rows in a batch with those of others; see `Batcher.submit`.

        Cancelling takes them out of the queue, or stops a step-by-step call that is for nobody
        else.
        """
        answer = self.batcher.submit(rows, options, watch, function)
        try:
            return await asyncio.wrap_future(answer)
        finally:
            access_log.note(self.id, len(rows), answer.waited)

    def close(self) -> None:
        """Ends its thread and drops its networks."""
        self.batcher.close()
        self.pipeline.functions.close()


def make_loaded(
    card: Card, pipeline: Any, settings: Settings, metrics: Metrics, turns: Turns
) -> Loaded:
    """Gives a pipeline a queue and calls it once with every size of a batch that it will see.

    Args:
        card: Its card.
        pipeline: The pipeline.
        settings: Rows in a batch, and rows that may wait.
        metrics: What is counted from now on; the first calls are not.
        turns: The gate before each call.
    """
    identity = model_id(card)
    batcher = Batcher(
        identity,
        pipeline.run,
        settings.max_batch,
        settings.max_waiting,
        turns,
        pipeline.stepwise,
        calls=_CALLS if pipeline.stepwise else 1,
    )
    loaded = Loaded(identity, card, pipeline, batcher)
    try:
        _warm(loaded, power_of_two(settings.max_batch), turns)
    except BaseException:
        loaded.close()
        raise
    batcher.meter = _Meter(metrics, identity, _runtime_of(pipeline.functions))
    metrics.watch_queue(identity, batcher)
    return loaded


def give_back() -> None:
    """Gives memory that nothing uses any more back to the system.

    Networks of Keras hold each other in circles, and the C library keeps what was freed.
    """
    gc.collect()
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)


def _warm(loaded: Loaded, largest: int, turns: Turns) -> None:
    size = loaded.pipeline.block or 1
    while True:
        if loaded.pipeline.stepwise:
            rows = np.zeros((size, *loaded.card.input["shape"]), np.float32)
            loaded.batcher.submit(rows, {"num_inference_steps": _WARM_STEPS}).result()
        else:
            with turns:
                loaded.pipeline.warm((size,))
        if size >= largest:
            return
        size *= 2


def _runtime_of(functions: Functions) -> str:
    """Returns what computes; where several were chosen, all of them."""
    choice = getattr(functions, "choice", {})
    used = {runtime for sizes in choice.values() for runtime in sizes.values()}
    return "+".join(sorted(used)) or functions.runtime


class _Meter:
    """Counts what a batcher does under its model's id."""

    def __init__(self, metrics: Metrics, model: str, runtime: str) -> None:
        self._metrics = metrics
        self._model = model
        self._runtime = runtime

    def queued(self, seconds: float) -> None:
        self._metrics.queued(self._model, seconds)

    def call(self, rows: int, seconds: float) -> None:
        self._metrics.call(self._model, self._runtime, rows, seconds)
