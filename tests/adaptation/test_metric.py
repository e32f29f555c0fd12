"""ITML: one pair in closed form, its optimality, and a general solver beside it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.exceptions import ConvergenceWarning

from tests.adaptation.domains import blobs, few_labels
from zoo.adaptation import ITML, InvalidDomainError
from zoo.adaptation.itml import draw_pairs, logdet_metric


def test_one_pair_under_a_hard_bound_is_a_closed_form() -> None:
    """A = I + (ξ - p)/p² vvᵀ with p = vᵀv brings vᵀAv to ξ; no other direction moves."""
    gap = np.array([[1.0, 2.0, -1.0]])
    for similar, bounds in ((True, (1.5, 9.0)), (False, (1.0, 9.0))):
        found = logdet_metric(gap, np.array([similar]), bounds, np.inf, 100, 1e-10)
        wanted = bounds[0] if similar else bounds[1]
        expected = np.eye(3) + (wanted - 6) / 36 * np.outer(gap, gap)
        np.testing.assert_allclose(found.metric, expected, atol=1e-12)
    kept = logdet_metric(gap, np.array([True]), (7.0, 9.0), np.inf, 100, 1e-10)
    np.testing.assert_array_equal(kept.metric, np.eye(3))


def random_pairs(seed: int) -> tuple[np.ndarray, np.ndarray, tuple[float, float]]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(5, 2)), np.array([True, True, False, False, True]), (0.6, 3.0)


def divergence(matrix: np.ndarray) -> float:
    return float(np.trace(matrix) - np.linalg.slogdet(matrix)[1] - len(matrix))


@pytest.mark.parametrize("gamma", [0.3, 1.0, 10.0])
def test_it_is_the_minimum_that_a_general_solver_finds(gamma: float) -> None:
    gaps, similar, bounds = random_pairs(0)
    found = logdet_metric(gaps, similar, bounds, gamma, 10_000, 1e-12)
    signs, first = np.where(similar, 1, -1), np.where(similar, *bounds)

    def parts(entries: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        root = np.array([[entries[0], 0], [entries[1], entries[2]]])
        return root @ root.T, np.exp(entries[3:])

    def objective(entries: np.ndarray) -> float:
        matrix, slack = parts(entries)
        return divergence(matrix) + gamma * divergence(np.diag(slack / first))

    def margins(entries: np.ndarray) -> np.ndarray:
        matrix, slack = parts(entries)
        return signs * (slack - np.einsum("pi,ij,pj->p", gaps, matrix, gaps))

    distances = np.einsum("pi,pi->p", gaps, gaps)
    other = minimize(
        objective,
        np.concatenate([[1, 0, 1], np.log(distances)]),
        constraints={"type": "ineq", "fun": margins},
        method="SLSQP",
        options={"ftol": 1e-13, "maxiter": 2000},
    )
    assert other.success
    ours = divergence(found.metric) + gamma * divergence(np.diag(found.slack / first))
    assert ours == pytest.approx(other.fun, abs=1e-6)
    np.testing.assert_allclose(found.metric, parts(other.x)[0], atol=1e-3)


def test_the_conditions_of_optimality_hold() -> None:
    gaps, similar, bounds = random_pairs(1)
    found = logdet_metric(gaps, similar, bounds, 2.0, 10_000, 1e-12)
    signs = np.where(similar, 1, -1)
    assert found.multipliers.min() >= 0
    inverse = np.eye(2) + (gaps * (signs * found.multipliers)[:, None]).T @ gaps
    np.testing.assert_allclose(np.linalg.inv(found.metric), inverse, atol=1e-8)
    distances = np.einsum("pi,ij,pj->p", gaps, found.metric, gaps)
    assert (signs * (found.slack - distances) >= -1e-8).all()
    slackness = found.multipliers * (found.slack - distances)
    np.testing.assert_allclose(slackness, 0, atol=1e-8)


def test_a_metric_forgets_what_tells_domains_apart() -> None:
    """One feature is another in each domain and says nothing of the class."""
    source, labels = blobs(features=4, seed=0)
    target, truth = blobs(features=4, seed=1)
    rng = np.random.default_rng(2)
    source[:, 3] = 8 * rng.normal(size=len(source))
    target[:, 3] = 8 * rng.normal(size=len(target))
    found = ITML(gamma=0.1, n_pairs=400).fit(source, labels, target, few_labels(truth, 4))
    scale = np.diag(found.metric_)
    assert scale[3] < 0.2 * scale[:3].min()
    np.testing.assert_allclose(found.root_ @ found.root_, found.metric_, atol=1e-9)
    assert np.linalg.eigvalsh(found.metric_).min() > 0
    assert found.score(target, truth) > 0.95
    again = ITML(gamma=0.1, n_pairs=400).fit(source, labels, target, few_labels(truth, 4))
    np.testing.assert_array_equal(found.metric_, again.metric_)


def test_outside_the_span_of_the_samples_the_metric_is_as_it_was() -> None:
    source, labels = blobs(per_class=3, features=40)
    target, truth = blobs(per_class=3, features=40, seed=1)
    found = ITML().fit(source, labels, target, truth)
    beyond = np.linalg.svd(np.concatenate([source, target]))[2][18:]
    np.testing.assert_allclose(found.metric_ @ beyond.T, beyond.T, atol=1e-9)
    # The same as learned in all features.
    low, high = found.bounds_
    same = labels[:, None] == truth
    rows = draw_pairs(same, 2000, np.random.default_rng(0))
    gaps = source[rows[:, 0]] - target[rows[:, 1]]
    whole = logdet_metric(gaps, same[rows[:, 0], rows[:, 1]], (low, high), 1.0, 1000, 1e-3)
    np.testing.assert_allclose(found.metric_, whole.metric, atol=1e-8)


def test_pairs_are_of_one_class_and_of_two_alike() -> None:
    same = np.arange(6)[:, None] % 3 == np.arange(9) % 3
    for count, near in ((20, 10), (54, 18), (200, 18)):
        rows = draw_pairs(same, count, np.random.default_rng(0))
        assert len(np.unique(rows, axis=0)) == len(rows) == min(count, 54)
        assert same[rows[:, 0], rows[:, 1]].sum() == near


def test_what_cannot_be_learned_is_one_line() -> None:
    source, labels = blobs(per_class=5)
    with pytest.raises(InvalidDomainError, match="every pair across the domains is one of equal"):
        ITML().fit(np.ones((4, 2)), [0, 0, 1, 1], np.ones((2, 2)), [0, 1])
    with pytest.raises(InvalidDomainError, match="the second of bounds must be a number from 3"):
        ITML(bounds=(3.0, 1.0)).fit(source, labels, source, labels)
    with pytest.warns(ConvergenceWarning, match="after 1 rounds the multipliers still change"):
        ITML(max_steps=1).fit(source, labels, source, labels)
