"""Other implementations of the same methods, where they are installed and run."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from sklearn.utils import check_array

from tests.adaptation.domains import blobs, rotation
from zoo.adaptation import CORAL, KernelMeanMatching
from zoo.adaptation.itml import logdet_metric


def moved() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    source, labels = blobs(per_class=12, seed=0)
    return source, labels, blobs(per_class=12, seed=1)[0] @ rotation(5) + 0.3


def test_coral_is_that_of_adapt() -> None:
    module = pytest.importorskip("adapt.feature_based", reason="adapt is not installed")
    source, labels, target = moved()
    other = module.CORAL(lambda_=0.7, verbose=0)
    found = CORAL(ridge=0.7).fit_transform(source, labels, target)
    np.testing.assert_allclose(found, other.fit_transform(source, target), atol=1e-9)


def test_weights_are_as_good_as_those_of_adapt() -> None:
    """Weights are not unique where samples are near: the objective and the constraints count."""
    module = pytest.importorskip("adapt.instance_based", reason="adapt is not installed")
    source, labels, target = moved()
    other = module.KMM(kernel="rbf", gamma=0.2, B=5.0, eps=0.3, verbose=0)
    weights = other.fit_weights(source, target)
    found = KernelMeanMatching(sigma=5.0, bound=5.0, epsilon=0.3, tolerance=1e-9)
    found.fit(source, labels, target)
    squares = ((source[:, None] - np.concatenate([source, target])) ** 2).sum(-1)
    kernel = np.exp(-squares / 5)
    own, linear = kernel[:, : len(source)], len(source) * kernel[:, len(source) :].mean(1)
    theirs = weights @ own @ weights / 2 - linear @ weights
    assert found.objective_ == pytest.approx(theirs, rel=1e-5)
    for one in (weights, found.weights_):
        assert one.min() > -1e-5 and one.max() < 5 + 1e-5
        assert abs(one.sum() - len(source)) < 0.3 * len(source) + 1e-4


def test_the_metric_is_that_of_metric_learn() -> None:
    module = pytest.importorskip("metric_learn", reason="metric-learn is not installed")
    if "force_all_finite" not in inspect.signature(check_array).parameters:
        pytest.skip("metric-learn does not run on this scikit-learn")
    rng = np.random.default_rng(0)
    pairs, similar = rng.normal(size=(12, 2, 3)), np.arange(12) % 3 == 0
    other = module.ITML(gamma=0.8, max_iter=20_000, tol=1e-10)
    other._fit(pairs, np.where(similar, 1, -1), bounds=np.array([0.7, 4.0]))
    gaps = pairs[:, 0] - pairs[:, 1]
    found = logdet_metric(gaps, similar, (0.7, 4.0), 0.8, 20_000, 1e-10)
    np.testing.assert_allclose(found.metric, other.get_mahalanobis_matrix(), atol=1e-6)
