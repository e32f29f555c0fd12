"""Showing images on their way to those who want to see them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np


@dataclasses.dataclass(frozen=True)
class Watch:
    """Who is told of the steps of a request that goes step by step.

    Args:
        previews: How many images of the way are wanted at most, evenly spaced.
        on_step: Called with (step, total, preview) after each step, counted from 1, on the thread
            that computes: it must be quick and must not raise. `preview` holds the request's own
            images as they are expected then, uint8 (n, height, width, channels), or None.
    """

    previews: int
    on_step: Callable[[int, int, np.ndarray | None], None]


class Progress:
    """The steps of one call, told to each request in its own rows.

    Args:
        watches: The watch, if any, and the number of rows of each request in the call.
        options: Those of the call; `num_inference_steps` says about how many steps there will be.
        part: Which part of a request it is that is too large for one call. Of such a request
            steps are told, counted over all parts, but no previews.
        parts: How many there are.

    Attributes:
        interval: Steps between previews; 0 for none.
        elsewhere: Seconds that were others' turns.
    """

    def __init__(
        self,
        watches: Sequence[tuple[Watch | None, int]],
        options: Mapping[str, Any],
        part: int,
        parts: int,
    ) -> None:
        self._watches = watches
        self._part = part
        self._parts = parts
        self._shown = [0] * len(watches)
        self.elsewhere = 0.0
        most = max((watch.previews for watch, _ in watches if watch is not None), default=0)
        steps = options.get("num_inference_steps", 1)
        # A sampler may take two steps for one; what comes too often is left out below.
        self.interval = max(1, steps // (most + 1)) if most and parts == 1 else 0

    def tell(self, step: int, total: int, preview: np.ndarray | None) -> None:
        """Tells all who watch."""
        start = 0
        for index, (watch, count) in enumerate(self._watches):
            if watch is not None:
                own = None
                due = min(step * (watch.previews + 1) // total, watch.previews)
                # The preview of the last step would be the answer itself.
                if preview is not None and step < total and due > self._shown[index]:
                    own, self._shown[index] = preview[start : start + count], due
                watch.on_step(self._part * total + step, self._parts * total, own)
            start += count
