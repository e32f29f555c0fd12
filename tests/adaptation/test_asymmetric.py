"""ARC-t: its gradient, closed forms, and transforms that were planted."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import check_grad, minimize
from sklearn.neighbors import KNeighborsClassifier

from tests.adaptation.domains import blobs, few_labels, rotation
from zoo.adaptation import AsymmetricTransform, InvalidDomainError
from zoo.adaptation.asymmetric_transform import HingedSimilarity


def test_the_gradient_is_that_of_finite_differences() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(6, 3)), rng.normal(size=(5, 4))
    problem = HingedSimilarity(x, y, rng.random((6, 5)) < 0.4, 0.7, 1.0, -0.5)
    for _ in range(3):
        entries = rng.normal(size=12)
        error = check_grad(lambda w: problem(w)[0], lambda w: problem(w)[1], entries)
        assert error < 1e-5


@pytest.mark.parametrize("penalty", [0.5, 50.0])
def test_a_planted_rotation_is_recovered(penalty: float) -> None:
    """Samples x = e_c and y = R e_c with l = 1, u = 0: W is Rᵀ times 2λ/(1 + 2λ).

    Of the pairs of one class ½m² + λ(1 - m)² is least there; all others are at their bound.
    """
    turn = rotation(4)
    found = AsymmetricTransform(penalty=penalty, upper=0.0)
    found.fit(np.eye(4), np.arange(4), np.eye(4) @ turn, np.arange(4))
    expected = 2 * penalty / (1 + 2 * penalty) * turn
    np.testing.assert_allclose(found.transformation_, expected, atol=1e-5)


def test_the_minimum_in_the_spans_is_that_in_all_features() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(5, 9)), rng.normal(size=(4, 7))
    ys, yt = np.array([0, 1, 0, 1, 0]), np.array([0, 1, 1, 0])
    found = AsymmetricTransform(penalty=2.0).fit(x, ys, y, yt)
    problem = HingedSimilarity(x, y, ys[:, None] == yt, 2.0, 1.0, -1.0)
    whole = minimize(problem, rng.normal(size=63), jac=True, options={"gtol": 1e-9})
    assert found.objective_ == pytest.approx(whole.fun, rel=1e-8)
    np.testing.assert_allclose(found.transformation_.ravel(), whole.x, atol=1e-4)


def turned(features: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The target in other coordinates, of which there may be more or fewer."""
    source, labels = blobs(features=5, seed=0)
    target, truth = blobs(features=5, seed=1)
    mixed = target @ np.random.default_rng(3).normal(size=(5, features))
    return source, labels, mixed, truth


@pytest.mark.parametrize("kernel", ["linear", "rbf"])
@pytest.mark.parametrize("features", [4, 5, 8])
def test_three_labels_a_class_bridge_other_features(kernel: str, features: int) -> None:
    source, labels, target, truth = turned(features)
    found = AsymmetricTransform(kernel=kernel)
    found.fit(source, labels, target, few_labels(truth, 3))
    assert found.score(target, truth) > 0.9
    assert found.transform(source, "source").shape[1] == found.transform(target).shape[1]
    if features == 5 and kernel == "linear":
        unadapted = KNeighborsClassifier(1, metric="cosine").fit(source, labels)
        assert unadapted.score(target, truth) < 0.8


def test_bounds_the_wrong_way_round_are_refused() -> None:
    source, labels = blobs()
    with pytest.raises(InvalidDomainError, match="lower must be above upper, got lower=0"):
        AsymmetricTransform(lower=0.0, upper=1.0).fit(source, labels, source, labels)
