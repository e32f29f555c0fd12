"""Fréchet and kernel distance, precision to coverage: time and memory beside torchmetrics and prdc.

Both sides get the same 10,000 features, each measure in a process of its own. The kernel distance
is the one over all pairs: for torchmetrics, one subset of everything. The other side takes part
where $TORCH_PYTHON names a Python with torch, torchmetrics, prdc and scikit-learn.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import Row, durations, memory, merged

SIDE_BY_SIDE = True
OWN, OTHER = "zoo", "torchmetrics, prdc"
_MEASURES = ("Fréchet distance", "kernel distance", "precision to coverage")
_TURNS = 3

Measure = Callable[[np.ndarray, np.ndarray], Any]


def rows(quick: bool) -> list[Row]:
    """Every side in turns, a process each time."""
    sides = {OWN: sys.executable}
    if torch := os.environ.get("TORCH_PYTHON"):
        sides[OTHER] = torch
    else:
        print("$TORCH_PYTHON may name a Python with torchmetrics and prdc", file=sys.stderr)
    count, widths = (1000, (64,)) if quick else (10_000, (64, 2048))
    found: list[list[Row]] = []
    for _ in range(1 if quick else _TURNS):
        for width in widths:
            for measure in _MEASURES:
                for side, python in sides.items():
                    found.append(_rows_of(side, python, measure, count, width))
    return merged(found)


def _rows_of(side: str, python: str, measure: str, count: int, width: int) -> list[Row]:
    done = subprocess.run(
        [python, __file__, side, measure, str(count), str(width)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    said = json.loads(done.stdout.splitlines()[-1])
    what = f"{measure}, {count:,} x {width}"
    return [
        *durations(what, {side: [said["seconds"]]}),
        Row(f"{what}: memory beside the features", side, said["mb"], "MB", 0.0),
    ]


def own(measure: str) -> Measure:
    """Returns a measure of this project, as a function of two sets of features."""
    from zoo.metrics.frechet import frechet_distance
    from zoo.metrics.kernel import kernel_distance
    from zoo.metrics.manifold import manifold_scores

    functions: tuple[Measure, ...] = (frechet_distance, kernel_distance, manifold_scores)
    return functions[_MEASURES.index(measure)]


def other(measure: str) -> Measure:
    """Returns the same measure by the other side."""
    import torch
    from prdc import compute_prdc
    from torchmetrics.image.fid import FrechetInceptionDistance
    from torchmetrics.image.kid import KernelInceptionDistance

    class Features(torch.nn.Module):
        """The features are there already."""

        num_features = 0

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x

    def distance(a: np.ndarray, b: np.ndarray) -> float:
        Features.num_features = a.shape[1]
        if measure == _MEASURES[0]:
            metric = FrechetInceptionDistance(feature=Features()).set_dtype(torch.float64)
        else:
            metric = KernelInceptionDistance(feature=Features(), subsets=1, subset_size=len(a))
        metric.update(torch.from_numpy(a), real=True)
        metric.update(torch.from_numpy(b), real=False)
        result = metric.compute()
        return float(result if measure == _MEASURES[0] else result[0])

    return distance if measure in _MEASURES[:2] else lambda a, b: compute_prdc(a, b, 5)


def _report(side: str, measure: str, count: int, width: int) -> None:
    """Prints what `rows` reads: the time of one call and the memory that it took at most."""
    rng = np.random.default_rng(0)
    a = rng.normal(size=(count, width)).astype(np.float32)
    b = (1.1 * rng.normal(size=(count, width))).astype(np.float32)
    call = own(measure) if side == OWN else other(measure)
    call(a[:200], b[:200])
    # The peak that getrusage knows is also that of the process which started this one.
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
    before = memory("VmRSS")
    began = time.perf_counter()
    call(a, b)
    seconds = time.perf_counter() - began
    print(json.dumps({"seconds": seconds, "mb": memory("VmHWM") - before}))


if __name__ == "__main__":
    _report(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
