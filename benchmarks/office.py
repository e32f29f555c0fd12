"""Office-Caltech10: what the classical methods of adaptation reach on its twelve tasks.

Features are the SURF histograms, divided by their sums and standardised in each domain. There are
three protocols. `whole`: all of the source is labelled, all of the target is adapted to without
labels, and predicted. `trials`: the source is that of the 20 published trials, the rest is the
same. `few labels`: in these trials, three target samples a class have labels too; the other target
samples are predicted, and the table says the mean of the 20.

No label of the target goes into a prediction, but for those three. Every option is fixed
beforehand, the same for all tasks. Linear algebra has one thread: on matrices of this size several
wait for each other, and for whatever else runs. Each point is kept as it is done; the command given
again goes on with the rest.
"""

from __future__ import annotations

import dataclasses
import itertools
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC
from threadpoolctl import threadpool_limits

from benchmarks.measure import Row, over_seeds
from benchmarks.points import key_of, read_points, write_points
from zoo import adaptation, data, paths

# The table has a column for each method.
SIDE_BY_SIDE = True
NAME = "office_caltech10"
# In the order in which papers have the tasks.
LETTERS = {"C": "caltech", "A": "amazon", "W": "webcam", "D": "dslr"}
TASKS = ("CA", "CW", "CD", "AC", "AW", "AD", "WC", "WA", "WD", "DC", "DA", "DW")
_C = 0.01

Predictor = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray | None], np.ndarray]


@dataclasses.dataclass(frozen=True)
class Point:
    """One prediction of a target domain, as a line of the table of points.

    Args:
        protocol: Of `PROTOCOLS`.
        task: Source and target, by their letters.
        method: Its name here.
        trial: Of the published ones, from 0; 0 where all of the source is used.
        accuracy: In percent of the target samples predicted.
        seconds: How long it took to adapt, learn and predict.
        converged: 1, or 0 where a solver ended early.
    """

    protocol: str
    task: str
    method: str
    trial: int
    accuracy: float = 0.0
    seconds: float = 0.0
    converged: int = 1


def svm() -> SVC:
    """Returns the linear support vector machine that all methods share."""
    return SVC(kernel="linear", C=_C)


def coral_kernel(
    xs: np.ndarray, ys: np.ndarray, xt: np.ndarray, yt: np.ndarray | None
) -> np.ndarray:
    """Predicts as the authors of CORAL did: by the kernel K = X_s A X_sᵀ, and X_t Aᵀ X_sᵀ to test.

    The first is not symmetric, so that this is no support vector machine in any feature space, and
    other than transforming the source and learning from it.
    """
    matrix = adaptation.CORAL(base=svm()).fit(xs, ys, xt).transformation_
    machine = SVC(kernel="precomputed", C=_C).fit(xs @ matrix @ xs.T, ys)
    return machine.predict(xt @ matrix.T @ xs.T)


def alone(make: Callable[[], Any]) -> Predictor:
    """A classifier that learns all labels there are and does not adapt."""

    def predict(
        xs: np.ndarray, ys: np.ndarray, xt: np.ndarray, yt: np.ndarray | None
    ) -> np.ndarray:
        known = np.zeros(len(xt), bool) if yt is None else yt >= 0
        rows = np.concatenate([xs, xt[known]])
        labels = ys if yt is None else np.concatenate([ys, yt[known]])
        return make().fit(rows, labels).predict(xt)

    return predict


def target_only(
    xs: np.ndarray, ys: np.ndarray, xt: np.ndarray, yt: np.ndarray | None
) -> np.ndarray:
    """Predicts by the labelled target samples alone."""
    if yt is None:
        raise ValueError("there are no labels of the target")
    return svm().fit(xt[yt >= 0], yt[yt >= 0]).predict(xt)


def adapted(make: Callable[[], Any]) -> Predictor:
    """One of this project's estimators."""
    return lambda xs, ys, xt, yt: make().fit(xs, ys, xt, yt).predict(xt)


def nearest() -> KNeighborsClassifier:
    """Returns the nearest neighbour."""
    return KNeighborsClassifier(n_neighbors=1)


_WITHOUT_LABELS: dict[str, Predictor] = {
    "1-NN": alone(nearest),
    "SVM": alone(svm),
    "CORAL": coral_kernel,
    "CORAL, features": adapted(lambda: adaptation.CORAL(base=svm())),
    "SA, 1-NN": adapted(adaptation.SubspaceAlignment),
    "SA, SVM": adapted(lambda: adaptation.SubspaceAlignment(base=svm())),
    "KMM": adapted(lambda: adaptation.KernelMeanMatching(base=svm())),
    "landmarks": adapted(lambda: adaptation.LandmarkSelection(base=svm())),
    "DIP, 1-NN": adapted(adaptation.DomainInvariantProjection),
    "DIP, SVM": adapted(lambda: adaptation.DomainInvariantProjection(base=svm())),
    "DIP, kernel, 1-NN": adapted(lambda: adaptation.DomainInvariantProjection(kernel="rbf")),
}
PROTOCOLS: dict[str, dict[str, Predictor]] = {
    "whole": _WITHOUT_LABELS,
    # What papers measure in this way, beside what does not adapt.
    "trials": {name: _WITHOUT_LABELS[name] for name in ("1-NN", "SVM", "SA, 1-NN", "DIP, 1-NN")},
    "few labels": {
        "1-NN": alone(nearest),
        "SVM": alone(svm),
        "SVM, target": target_only,
        "ITML": adapted(adaptation.ITML),
        "ARC-t": adapted(adaptation.AsymmetricTransform),
        "ARC-t, kernel": adapted(lambda: adaptation.AsymmetricTransform(kernel="rbf")),
    },
}


def rows(quick: bool) -> list[Row]:
    """The accuracy of each method on each task and on average, with the deviation of trials."""
    tasks, trials = (TASKS[-1:], 1) if quick else (TASKS, data.FEATURE_SETS.get(NAME).trials)
    table = paths.home() / "benchmarks" / f"office{'-quick' if quick else ''}.csv"
    points = measured(table, wanted_points(tasks, trials))
    print(f"points in {table}", file=sys.stderr)
    return summary(points)


def wanted_points(tasks: Sequence[str], trials: int) -> list[Point]:
    """Lists what is to be measured, with accuracies still to come."""
    return [
        Point(protocol, task, method, trial)
        for protocol, methods in PROTOCOLS.items()
        for task in tasks
        for trial in range(1 if protocol == "whole" else trials)
        for method in methods
    ]


def measured(table: Path, wanted: Sequence[Point]) -> list[Point]:
    """Returns the wanted points: those in the table as they are, the others measured and added."""
    done = {key_of(point): point for point in read_points(table, Point)}
    for number, point in enumerate(wanted, 1):
        if key_of(point) in done:
            continue
        accuracy, seconds, converged = measure(point)
        point = dataclasses.replace(
            point,
            accuracy=round(accuracy, 4),
            seconds=round(seconds, 3),
            converged=int(converged),
        )
        done[key_of(point)] = point
        write_points(table, done.values())
        print(
            f"{number}/{len(wanted)} {point.protocol}, {point.task}, {point.method}, trial "
            f"{point.trial}: {accuracy:.2f}% ({seconds:.1f} s)",
            file=sys.stderr,
        )
    return [done[key_of(point)] for point in wanted]


def measure(point: Point) -> tuple[float, float, bool]:
    """Returns the accuracy of a point in percent, its seconds, and whether its solver converged."""
    source, target = (LETTERS[letter] for letter in point.task)
    xs, ys = domain(source)
    xt, truth = domain(target)
    known, tested = None, np.arange(len(xt))
    if point.protocol != "whole":
        trial = data.load_trials(NAME, source, target)[point.trial]
        xs, ys, tested = xs[trial.source], ys[trial.source], trial.test
        if point.protocol == "few labels":
            known = np.full(len(xt), -1)
            known[trial.target] = truth[trial.target]
    began = time.perf_counter()
    with warnings.catch_warnings(record=True) as told, threadpool_limits(1):
        warnings.simplefilter("always")
        predicted = PROTOCOLS[point.protocol][point.method](xs, ys, xt, known)
    seconds = time.perf_counter() - began
    converged = not any(issubclass(one.category, ConvergenceWarning) for one in told)
    return 100 * float((predicted == truth)[tested].mean()), seconds, converged


def domain(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Returns a domain's standardised features and its labels."""
    arrays = data.load_features(NAME, name)
    return standardised(arrays["features"]), arrays["label"]


def standardised(counts: np.ndarray) -> np.ndarray:
    """Divides histograms by their sums, then standardises each word over the domain.

    Args:
        counts: (n, words); none of the rows is all 0.

    Returns:
        float64 (n, words), of the mean 0 and variance 1; a word that does not vary is 0.
    """
    shares = counts / counts.sum(axis=1, keepdims=True, dtype=np.float64)
    deviation = shares.std(axis=0)
    return (shares - shares.mean(axis=0)) / np.where(deviation > 0, deviation, 1)


def summary(points: Sequence[Point]) -> list[Row]:
    """Means over the trials, with their sample deviation, and over the tasks."""
    return list(itertools.chain.from_iterable(map(_of_method, _groups(points))))


def _groups(points: Sequence[Point]) -> Iterator[list[Point]]:
    keys = dict.fromkeys((point.protocol, point.method) for point in points)
    for protocol, method in keys:
        yield [point for point in points if (point.protocol, point.method) == (protocol, method)]


def _of_method(points: list[Point]) -> list[Row]:
    protocol, method = points[0].protocol, points[0].method
    found = []
    for task in dict.fromkeys(point.task for point in points):
        values = [point.accuracy for point in points if point.task == task]
        found.append(over_seeds(f"{protocol}: {task[0]}→{task[1]}", method, values, "%"))
    average = statistics.fmean(row.value for row in found)
    return [*found, Row(f"{protocol}: average", method, average, "%", 0.0)]
