"""Metrics against independent implementations, closed forms and planted cases."""

from __future__ import annotations

import numpy as np
import ot
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import confusion_matrix as sklearn_confusion
from sklearn.metrics import log_loss
from sklearn.metrics.pairwise import polynomial_kernel

from zoo.metrics import classification
from zoo.metrics.frechet import frechet_distance
from zoo.metrics.kernel import kernel_distance

RNG = np.random.default_rng(0)


def features(n: int, d: int, shift: float = 0.0) -> np.ndarray:
    mix = np.random.default_rng(d).normal(size=(d, d))
    return RNG.normal(size=(n, d)) @ mix + shift


def test_frechet_distance_agrees_with_optimal_transport() -> None:
    a, b = features(500, 12), features(400, 12, 0.5) * 1.3
    expected = ot.gaussian.bures_wasserstein_distance(
        a.mean(0), b.mean(0), np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    )
    assert frechet_distance(a, b) == pytest.approx(float(expected) ** 2, rel=1e-8)


def test_frechet_distance_in_closed_form() -> None:
    """In one dimension it is (difference of means)² + (difference of deviations)²."""
    a, b = RNG.normal(0, 1, (300, 1)), RNG.normal(2, 3, (200, 1))
    expected = (a.mean() - b.mean()) ** 2 + (a.std(ddof=1) - b.std(ddof=1)) ** 2
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-9)
    assert frechet_distance(a, a) == pytest.approx(0.0, abs=1e-9)
    assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a), rel=1e-9)


def test_frechet_distance_takes_singular_covariances() -> None:
    a = np.repeat(RNG.normal(size=(50, 1)), 4, axis=1)
    assert frechet_distance(a, a + 1.0) == pytest.approx(4.0, rel=1e-6)


def test_the_bias_of_equal_distributions_falls_as_one_over_n() -> None:
    small, large = (
        np.mean(
            [frechet_distance(RNG.normal(size=(n, 8)), RNG.normal(size=(n, 8))) for _ in range(20)]
        )
        for n in (250, 1000)
    )
    assert small / large == pytest.approx(4.0, rel=0.35)


def test_kernel_distance_agrees_with_the_whole_kernel_matrix() -> None:
    a, b = features(2300, 6) / 4, features(1100, 6, 0.2) / 4  # more rows than a chunk holds
    k = {
        name: polynomial_kernel(x, y, degree=3, gamma=1 / 6, coef0=1)
        for name, x, y in (("aa", a, a), ("bb", b, b), ("ab", a, b))
    }
    expected = (
        (k["aa"].sum() - np.trace(k["aa"])) / (len(a) * (len(a) - 1))
        + (k["bb"].sum() - np.trace(k["bb"])) / (len(b) * (len(b) - 1))
        - 2 * k["ab"].mean()
    )
    assert kernel_distance(a, b) == pytest.approx(expected, rel=1e-9)


def test_kernel_distance_is_unbiased() -> None:
    """For equal distributions estimates lie on both sides of 0."""
    estimates = [
        kernel_distance(RNG.normal(size=(100, 4)), RNG.normal(size=(100, 4))) for _ in range(40)
    ]
    error = np.std(estimates) / np.sqrt(len(estimates))
    assert abs(np.mean(estimates)) < 3 * error
    assert min(estimates) < 0 < max(estimates)


@pytest.mark.parametrize("distance", [frechet_distance, kernel_distance])
def test_distances_refuse_features_that_do_not_fit(distance) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match="expected features"):
        distance(np.zeros((5, 3)), np.zeros((5, 4)))


def test_classification_agrees_with_scikit_learn() -> None:
    scores = RNG.dirichlet(np.ones(5), size=400)
    labels = RNG.integers(0, 5, 400)
    assert classification.negative_log_likelihood(scores, labels) == pytest.approx(
        log_loss(labels, scores), rel=1e-9
    )
    matrix = classification.confusion_matrix(scores, labels)
    np.testing.assert_array_equal(matrix, sklearn_confusion(labels, scores.argmax(1)))
    assert classification.accuracy(scores, labels) == np.trace(matrix) / 400


def test_calibration_error_in_closed_form() -> None:
    """Ten answers of confidence 0.8, of which six are right, are off by 0.2."""
    scores = np.tile([0.8, 0.2], (10, 1))
    labels = np.array([0] * 6 + [1] * 4)
    assert classification.expected_calibration_error(scores, labels) == pytest.approx(0.2)
    sure = np.tile([1.0, 0.0], (4, 1))
    assert classification.expected_calibration_error(sure, np.zeros(4, int)) == 0.0


def test_the_calibration_curve_agrees_with_scikit_learn() -> None:
    scores = RNG.dirichlet(np.ones(3) / 2, size=500)
    labels = RNG.integers(0, 3, 500)
    counts, confidence, right = classification.calibration_curve(scores, labels, bins=8)
    # scikit-learn leaves empty bins out.
    expected = calibration_curve(scores.argmax(1) == labels, scores.max(1), n_bins=8)
    used = counts > 0
    np.testing.assert_allclose(right[used], expected[0])
    np.testing.assert_allclose(confidence[used], expected[1])
    assert counts.sum() == 500 and not confidence[~used].any()


def test_the_most_confident_errors_come_first() -> None:
    scores = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.3, 0.7], [0.95, 0.05]])
    labels = np.array([1, 0, 1, 1, 0])
    assert classification.confident_errors(scores, labels, 25).tolist() == [0, 1, 2]
    assert classification.confident_errors(scores, labels, 2).tolist() == [0, 1]
    assert len(classification.confident_errors(scores, scores.argmax(1), 25)) == 0
