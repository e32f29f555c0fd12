"""Times and memory, measured alike for both sides of a comparison."""

from __future__ import annotations

import dataclasses
import itertools
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any


@dataclasses.dataclass(frozen=True)
class Row:
    """One line of the table.

    Args:
        what: What was measured.
        side: Whose: this project's, or what it is measured beside.
        value: The number.
        unit: Its unit.
        spread: Half the distance between the quartiles of the repetitions, or the deviation over
            seeds, in the same unit.
    """

    what: str
    side: str
    value: float
    unit: str
    spread: float


def interleave(
    sides: Mapping[str, Callable[[], Any]], repeats: int, warmups: int = 1
) -> dict[str, list[float]]:
    """Times several functions in turns, so that a slow minute of the machine hits all of them.

    Returns:
        `{side: seconds of each repetition}`.
    """
    for _ in range(warmups):
        for function in sides.values():
            function()
    seconds: dict[str, list[float]] = {side: [] for side in sides}
    for _ in range(repeats):
        for side, function in sides.items():
            began = time.perf_counter()
            function()
            seconds[side].append(time.perf_counter() - began)
    return seconds


def rates(what: str, seconds: Mapping[str, list[float]], count: int, unit: str) -> list[Row]:
    """Rows of `count` things per second: medians and quartile spreads."""
    return [_row(what, side, [count / s for s in times], unit) for side, times in seconds.items()]


def durations(what: str, seconds: Mapping[str, list[float]]) -> list[Row]:
    """Rows of milliseconds."""
    return [_row(what, side, [1000 * s for s in times], "ms") for side, times in seconds.items()]


def over_seeds(what: str, side: str, values: Sequence[float], unit: str) -> Row:
    """The row of one value a seed, or a trial: their mean and their sample deviation."""
    return Row(what, side, statistics.fmean(values), unit, deviation(values))


def deviation(values: Sequence[float]) -> float:
    """Returns the sample deviation; that of one value alone is 0."""
    return statistics.stdev(values) if len(values) > 1 else 0.0


def merged(repetitions: Sequence[Sequence[Row]]) -> list[Row]:
    """Joins rows of several measurements: the median of the medians, the widest spread."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in itertools.chain.from_iterable(repetitions):
        groups.setdefault((row.what, row.side), []).append(row)
    return [
        dataclasses.replace(
            rows[0],
            value=statistics.median(row.value for row in rows),
            spread=max(row.spread for row in rows),
        )
        for rows in groups.values()
    ]


def _row(what: str, side: str, values: list[float], unit: str) -> Row:
    spread = 0.0
    if len(values) > 3:
        low, _, high = statistics.quantiles(values, n=4)
        spread = (high - low) / 2
    return Row(what, side, statistics.median(values), unit, spread)


def memory(field: str) -> float:
    """Returns a field of what Linux says of this process's memory, in MB."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{field}:"))
