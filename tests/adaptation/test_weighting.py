"""Kernel mean matching and landmarks: constraints, objectives and planted shares."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import LinearConstraint, minimize
from scipy.stats import norm
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.neighbors import KNeighborsClassifier

from tests.adaptation.domains import blobs, few_labels
from zoo.adaptation import InvalidDomainError, KernelMeanMatching, LandmarkSelection, squared_mmd


def test_weights_minimise_the_objective_under_the_constraints() -> None:
    rng = np.random.default_rng(0)
    source, target = rng.normal(size=(25, 2)), rng.normal(size=(30, 2)) + 0.7
    labels = np.arange(25) % 2
    found = KernelMeanMatching(sigma=2.0, bound=3.0, epsilon=0.1, tolerance=1e-10)
    found.fit(source, labels, target)
    kernel = rbf_kernel(source, gamma=0.5)
    linear = 25 * rbf_kernel(source, target, gamma=0.5).mean(1)
    expected = minimize(
        lambda x: x @ kernel @ x / 2 - linear @ x,
        np.ones(25),
        jac=lambda x: kernel @ x - linear,
        bounds=[(0, 3)] * 25,
        constraints=LinearConstraint(np.ones(25), 22.5, 27.5),
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 2000},
    )
    assert expected.success
    assert found.objective_ == pytest.approx(expected.fun, abs=1e-7)
    assert found.objective_ <= expected.fun + found.gap_ + 1e-7
    assert found.weights_.min() >= 0 and found.weights_.max() <= 3
    assert 22.5 - 1e-9 <= found.weights_.sum() <= 27.5 + 1e-9


def test_weights_are_the_ratio_of_the_densities() -> None:
    """Source N(0, 1), target N(1, 1/2): the ratio is known, and the weighted mean is the target's.

    A kernel that is wide tells means apart; what it cannot tell apart it leaves as it is.
    """
    rng = np.random.default_rng(1)
    source = rng.normal(size=(600, 1))
    target = 1 + np.sqrt(0.5) * rng.normal(size=(600, 1))
    labels = np.digitize(source[:, 0], [0.0])
    found = KernelMeanMatching(bound=20.0).fit(source, labels, target)
    ratio = norm(1, np.sqrt(0.5)).pdf(source[:, 0]) / norm.pdf(source[:, 0])
    assert np.corrcoef(found.weights_, ratio)[0, 1] > 0.8
    mean = np.average(source[:, 0], weights=found.weights_)
    assert mean == pytest.approx(target.mean(), abs=0.1)
    again = KernelMeanMatching(bound=20.0).fit(source, labels, target)
    np.testing.assert_array_equal(found.weights_, again.weights_)


def test_the_base_learns_with_the_weights() -> None:
    """Within a class the near half of the source has another border than the far half."""
    rng = np.random.default_rng(2)
    source = rng.uniform(-3, 3, size=(400, 2))
    # Left of the middle the border is y = 2, right of it y = -1; the target is right.
    labels = (source[:, 1] > np.where(source[:, 0] < 0, 2.0, -1.0)).astype(int)
    target = np.column_stack([rng.uniform(1, 3, 300), rng.uniform(-3, 3, 300)])
    truth = (target[:, 1] > -1).astype(int)
    plain = KernelMeanMatching(bound=1.0, epsilon=0.0).fit(source, labels, target)
    np.testing.assert_allclose(plain.weights_, 1.0)
    found = KernelMeanMatching().fit(source, labels, target)
    assert found.score(target, truth) > 0.97 > plain.score(target, truth)
    known = found.fit(source, labels, target, few_labels(truth, 5))
    assert len(known.weights_) == 400


def test_weights_that_cannot_sum_up_are_refused() -> None:
    source, labels = blobs()
    with pytest.raises(InvalidDomainError, match=r"no weights of at most bound=0.5 have a mean"):
        KernelMeanMatching(bound=0.5, epsilon=0.1).fit(source, labels, source)


def two_halves(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Each class of the source is half where the target is and half elsewhere; which half it is."""
    rng = np.random.default_rng(seed)
    labels = np.repeat([0, 1], [60, 30])
    near = np.arange(90) % 2 == 0
    centres = np.column_stack([np.where(near, 0.0, 8.0), 3.0 * labels])
    target = np.column_stack([np.zeros(50), 3.0 * (np.arange(50) % 3 == 0)])
    noise = 0.5 * rng.normal(size=(140, 2))
    return centres + noise[:90], labels, target + noise[90:], near


def test_landmarks_are_where_the_target_is_and_classes_keep_their_share() -> None:
    source, labels, target, near = two_halves()
    found = LandmarkSelection(sigma=2.0).fit(source, labels, target)
    assert found.shares_[near].sum() > 0.98
    assert near[found.landmarks_].mean() > 0.6
    assert set(labels[found.landmarks_]) == {0, 1}
    for one, share in ((0, 2 / 3), (1, 1 / 3)):
        assert found.shares_[labels == one].sum() == pytest.approx(share, abs=1e-12)
    assert found.shares_.min() >= 0
    assert found.squared_mmd_ < 0.1 * squared_mmd(source, target, 2.0)


def test_the_reported_mmd_is_that_of_the_shares() -> None:
    source, labels, target, _ = two_halves(1)
    found = LandmarkSelection(sigma=2.0).fit(source, labels, target)
    share = found.shares_
    within = share @ rbf_kernel(source, gamma=0.5) @ share
    across = share @ rbf_kernel(source, target, gamma=0.5).mean(1)
    expected = within + rbf_kernel(target, gamma=0.5).mean() - 2 * across
    assert found.squared_mmd_ == pytest.approx(expected, abs=1e-12)
    uniform = squared_mmd(source, target, 2.0)
    assert found.squared_mmd_ <= uniform


def test_no_share_within_the_constraints_is_better() -> None:
    source, labels, target, _ = two_halves(2)
    source, labels = source[::4], labels[::4]
    found = LandmarkSelection(sigma=2.0, tolerance=1e-10).fit(source, labels, target)
    kernel = rbf_kernel(source, gamma=0.5)
    linear = rbf_kernel(source, target, gamma=0.5).mean(1)
    classes = np.stack([labels == one for one in (0, 1)]).astype(float)
    shares = classes.mean(1)
    best = minimize(
        lambda x: x @ kernel @ x - 2 * linear @ x,
        np.full(len(source), 1 / len(source)),
        jac=lambda x: 2 * (kernel @ x - linear),
        bounds=[(0, 1)] * len(source),
        constraints=LinearConstraint(classes, shares, shares),
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 2000},
    )
    assert best.success
    constant = rbf_kernel(target, gamma=0.5).mean()
    assert found.squared_mmd_ == pytest.approx(best.fun + constant, abs=1e-7)


def test_the_base_learns_landmarks_and_labelled_targets_alone() -> None:
    source, labels, target, _ = two_halves()
    truth = (target[:, 1] > 1.5).astype(int)
    base = KNeighborsClassifier(n_neighbors=1)
    found = LandmarkSelection(base, sigma=2.0).fit(source, labels, target)
    chosen = found.landmarks_
    assert found.base_.n_samples_fit_ == len(chosen) < len(source) / 2
    np.testing.assert_array_equal(found.base_.predict(source[chosen]), labels[chosen])
    assert found.score(target, truth) > 0.95
    found.fit(source, labels, target, few_labels(truth, 2))
    assert found.base_.n_samples_fit_ == len(chosen) + 4
    assert not hasattr(base, "classes_"), "the given classifier is not fitted, a copy of it is"
