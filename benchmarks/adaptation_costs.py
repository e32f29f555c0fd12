"""Time and memory of the methods of adaptation that compare all samples, against their number.

Each measurement is a process of its own. Both domains have n samples of 64 normal features, the
target moved by a tenth; the source has ten classes. DIP makes ten steps, the others run until they
end. Classifiers are not part of it: the base is the mean of each class.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import Row, durations, memory

SIDE_BY_SIDE = True
COUNTS = (1_000, 3_000, 10_000)
_FEATURES, _CLASSES, _STEPS = 64, 10, 10


def rows(quick: bool) -> list[Row]:
    """Seconds and memory beside the samples, for each method and number of samples."""
    found = []
    for count in (200, 400) if quick else COUNTS:
        for method in METHODS:
            done = subprocess.run(
                [sys.executable, "-m", "benchmarks.adaptation_costs", method, str(count)],
                cwd=Path(__file__).parents[1],
                stdout=subprocess.PIPE,
                text=True,
                check=True,
            )
            said = json.loads(done.stdout.splitlines()[-1])
            what = f"n = {count:,}"
            found += durations(f"{what}: time", {method: [said["seconds"]]})
            found.append(Row(f"{what}: memory beside the samples", method, said["mb"], "MB", 0.0))
            found.append(Row(f"{what}: steps", method, said["steps"], "", 0.0))
    return found


def domains(count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns the source, its classes and the target, the same in every process."""
    rng = np.random.default_rng(0)
    source = rng.normal(size=(count, _FEATURES))
    labels = np.arange(count) % _CLASSES
    source[np.arange(count), labels] += 3
    target = rng.normal(size=(count, _FEATURES)) + 0.1
    target[np.arange(count), labels] += 3
    return source, labels, target


def _mmd(source: np.ndarray, labels: np.ndarray, target: np.ndarray) -> int:
    from zoo.adaptation import squared_mmd

    squared_mmd(source, target)
    return 1


def _fitted(name: str, **options: Any) -> Callable[[np.ndarray, np.ndarray, np.ndarray], int]:
    def fit(source: np.ndarray, labels: np.ndarray, target: np.ndarray) -> int:
        from sklearn.naive_bayes import GaussianNB

        from zoo import adaptation

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Of ten steps nobody expects that they converge.
            found = getattr(adaptation, name)(base=GaussianNB(), **options)
            return int(found.fit(source, labels, target).n_iter_)

    return fit


METHODS = {
    "MMD": _mmd,
    "KMM": _fitted("KernelMeanMatching"),
    "landmarks": _fitted("LandmarkSelection"),
    "DIP": _fitted("DomainInvariantProjection", max_steps=_STEPS),
    "DIP, kernel": _fitted("DomainInvariantProjection", kernel="rbf", max_steps=_STEPS),
}


def _report(method: str, count: int) -> None:
    """Prints what `rows` reads: the time of one fit and the memory that it took at most."""
    source, labels, target = domains(count)
    METHODS[method](source[:100], labels[:100], target[:100])
    # The peak that getrusage knows is also that of the process which started this one.
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
    before = memory("VmRSS")
    began = time.perf_counter()
    steps = METHODS[method](source, labels, target)
    seconds = time.perf_counter() - began
    said = {"seconds": seconds, "mb": memory("VmHWM") - before, "steps": steps}
    print(json.dumps(said))


if __name__ == "__main__":
    _report(sys.argv[1], int(sys.argv[2]))
