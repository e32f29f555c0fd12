"""The benchmark on Office-Caltech10: protocols, what is kept, and that no hidden label is used."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import office
from benchmarks.office import PROTOCOLS, TASKS, Point
from benchmarks.points import read_points
from tests.adaptation.domains import write_office
from zoo import data, paths
from zoo.data.prepare import write

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

# 1-NN of the standardised features, all of the source to all of the target, as published.
PUBLISHED = (23.7, 25.8, 25.5, 26.0, 29.8, 25.5, 19.9, 23.0, 59.2, 26.3, 28.5, 63.4)


@pytest.fixture
def features(private_home: Path) -> None:
    write_office(private_home)


def test_features_are_shares_standardised_in_the_domain() -> None:
    counts = np.random.default_rng(0).integers(0, 9, (30, 6))
    counts[:, 0] += 1
    found = office.standardised(counts)
    np.testing.assert_allclose(found.mean(0), 0, atol=1e-12)
    np.testing.assert_allclose(found.std(0), 1)
    # Twice as many words of every kind are the same picture, and a word that is never there is 0.
    counts[3], counts[:, 5] = 2 * counts[3], 0
    again = office.standardised(counts)
    assert not again[:, 5].any()
    shares = (counts / counts.sum(1, keepdims=True))[:, :5]
    np.testing.assert_allclose(again[:, :5], (shares - shares.mean(0)) / shares.std(0))


@pytest.mark.usefixtures("features")
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_labels_that_are_hidden_change_no_prediction(
    protocol: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    predicted: dict[str, list[np.ndarray]] = {}
    for name, method in PROTOCOLS[protocol].items():

        def told(*arrays, name=name, method=method):  # type: ignore[no-untyped-def]
            predicted.setdefault(name, []).append(method(*arrays))
            return predicted[name][-1]

        monkeypatch.setitem(PROTOCOLS[protocol], name, told)
    points = [Point(protocol, "WD", name, 1) for name in PROTOCOLS[protocol]]
    accuracies = [office.measure(point)[0] for point in points]

    folder = data.FEATURE_SETS.get(office.NAME).splits
    arrays = {one: dict(np.load(paths.home() / f"data/{office.NAME}/{one}.npz")) for one in folder}
    hidden = np.arange(len(arrays["dslr"]["label"]))
    if protocol == "few labels":
        hidden = data.load_trials(office.NAME, "webcam", "dslr")[1].test
    label = arrays["dslr"]["label"]
    label[hidden] = np.random.default_rng(0).permutation(label[hidden])
    write(office.NAME, arrays, {})
    shuffled = [office.measure(point)[0] for point in points]
    assert shuffled != accuracies
    for name, (before, after) in predicted.items():
        np.testing.assert_array_equal(before, after, err_msg=name)


@pytest.mark.usefixtures("features")
def test_what_is_measured_is_the_share_of_the_test_rows() -> None:
    trial = data.load_trials(office.NAME, "webcam", "dslr")[2]
    assert len(trial.target) == 20 and len(trial.test) == 30
    accuracy, _, converged = office.measure(Point("trials", "WD", "SVM", 2))
    xs, ys = office.domain("webcam")
    xt, yt = office.domain("dslr")
    expected = office.svm().fit(xs[trial.source], ys[trial.source]).predict(xt[trial.test])
    assert accuracy == pytest.approx(100 * (expected == yt[trial.test]).mean())
    assert converged


def test_every_task_and_trial_is_measured_once() -> None:
    assert len(set(TASKS)) == 12 and all(task[0] != task[1] for task in TASKS)
    points = office.wanted_points(TASKS, 20)
    assert len(set(points)) == len(points)
    counts = {protocol: sum(p.protocol == protocol for p in points) for protocol in PROTOCOLS}
    trials = {"whole": 1, "trials": 20, "few labels": 20}
    assert counts == {p: 12 * trials[p] * len(methods) for p, methods in PROTOCOLS.items()}


def test_finished_points_are_not_measured_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tmp_path / "points.csv"
    wanted = [Point("trials", "CA", "SVM", trial) for trial in range(4)]
    seen: list[int] = []

    def measure(point: Point) -> tuple[float, float, bool]:
        if len(seen) == 3:
            raise KeyboardInterrupt
        seen.append(point.trial)
        return 50.0 + point.trial, 0.5, point.trial != 1

    monkeypatch.setattr(office, "measure", measure)
    with pytest.raises(KeyboardInterrupt):
        office.measured(table, wanted)
    assert [point.trial for point in read_points(table, Point)] == [0, 1, 2]
    seen.pop()
    found = office.measured(table, wanted)
    assert seen == [0, 1, 3]
    assert [point.accuracy for point in found] == [50, 51, 52, 53]
    assert [point.converged for point in found] == [1, 0, 1, 1]


def test_the_summary_is_the_mean_of_trials_and_of_tasks() -> None:
    points = [
        Point("trials", task, "SVM", trial, accuracy=value)
        for task, values in (("CA", (40.0, 50.0)), ("DW", (80.0, 80.0)))
        for trial, value in enumerate(values)
    ]
    first, second, average = office.summary(points)
    assert (first.what, first.side, first.value) == ("trials: C→A", "SVM", 45.0)
    assert first.spread == pytest.approx(np.std([40, 50], ddof=1))
    assert (second.what, second.value, second.spread) == ("trials: D→W", 80.0, 0.0)
    assert (average.what, average.value) == ("trials: average", 62.5)


@pytest.mark.full
def test_the_nearest_neighbour_is_exactly_as_published(full_source: Path) -> None:
    data.prepare(office.NAME, full_source)
    found = [office.measure(Point("whole", task, "1-NN", 0))[0] for task in TASKS]
    assert tuple(round(value, 1) for value in found) == PUBLISHED
