"""Metrics against independent implementations, closed forms and planted cases."""

from __future__ import annotations

import dataclasses

import numpy as np
import ot
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import confusion_matrix as sklearn_confusion
from sklearn.metrics import log_loss
from sklearn.metrics.pairwise import polynomial_kernel
from sklearn.neighbors import NearestNeighbors

from zoo.metrics import classification, neighbours
from zoo.metrics.frechet import Moments, frechet_distance
from zoo.metrics.kernel import kernel_distance
from zoo.metrics.manifold import manifold_scores
from zoo.metrics.memorisation import memorisation
from zoo.metrics.smoothness import path_jumps

RNG = np.random.default_rng(0)


def features(n: int, d: int, shift: float = 0.0) -> np.ndarray:
    mix = np.random.default_rng(d).normal(size=(d, d))
    return RNG.normal(size=(n, d)) @ mix + shift


def golden_sets() -> tuple[np.ndarray, np.ndarray]:
    """Two sets on which torchmetrics 1.9.0 and prdc 0.2 were run, with torch 2.13, in float64."""
    rng = np.random.default_rng(7)
    real = rng.normal(size=(600, 16)) * np.linspace(0.5, 2.0, 16)
    generated = rng.normal(size=(500, 16)) * np.linspace(0.6, 1.4, 16) + 0.3
    return real, generated


def test_distances_agree_with_torchmetrics() -> None:
    """Its FrechetInceptionDistance, and its KernelInceptionDistance with one subset of all."""
    real, generated = golden_sets()
    assert frechet_distance(generated, real) == pytest.approx(3.6587909625576, rel=1e-11)
    assert kernel_distance(generated, real[:500]) == pytest.approx(0.5566780184428644, rel=1e-12)


@pytest.mark.parametrize(
    ("k", "expected"),
    [
        (5, (0.974, 0.5266666666666666, 1.6388, 0.8916666666666667)),
        (3, (0.942, 0.43833333333333335, 1.6453333333333333, 0.775)),
    ],
)
def test_manifold_scores_agree_with_prdc(k: int, expected: tuple[float, ...]) -> None:
    real, generated = golden_sets()
    scores = manifold_scores(real, generated, k)
    assert dataclasses.astuple(scores) == pytest.approx(expected, rel=1e-12)


def test_manifold_scores_of_equal_and_of_disjoint_sets() -> None:
    real = RNG.normal(size=(200, 5))
    same = manifold_scores(real, real)
    assert (same.precision, same.recall, same.coverage) == (1.0, 1.0, 1.0)
    # A ball holds its centre and what is nearer than the fifth neighbour: five members.
    assert same.density == pytest.approx(1.0)
    far = manifold_scores(real, real + 100)
    assert dataclasses.astuple(far) == (0.0, 0.0, 0.0, 0.0)


def test_a_generator_without_variety_is_precise_and_recalls_little() -> None:
    real = RNG.normal(size=(400, 4))
    narrow = manifold_scores(real, 0.2 * RNG.normal(size=(400, 4)))
    wide = manifold_scores(real, 3 * RNG.normal(size=(400, 4)))
    assert narrow.precision > 0.95 and narrow.recall < 0.2 and narrow.coverage < 0.5
    assert wide.precision < 0.5 and wide.recall > 0.8


def test_moments_do_not_depend_on_the_chunks() -> None:
    """Nor do they suffer from a mean far above the deviation, as sums of squares would."""
    rows = RNG.normal(size=(2500, 6)) + 1e6
    moments = Moments()
    for part in np.array_split(rows, [1, 40, 41, 1900]):
        moments.add(part)
    moments.add(rows[:0])
    np.testing.assert_allclose(moments.mean, rows.mean(0), rtol=1e-14)
    np.testing.assert_allclose(moments.covariance, np.cov(rows, rowvar=False), atol=1e-9)
    other = features(500, 6) + 1e6
    expected = frechet_distance(rows, other)
    assert frechet_distance(moments, Moments.of(other)) == pytest.approx(expected, rel=1e-9)


def test_nearest_neighbours_agree_with_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "_BLOCK", 1000)  # many blocks, the last one smaller
    rows, columns = features(301, 7, 5.0), features(97, 7, 5.0)
    tree = NearestNeighbors(n_neighbors=1).fit(columns)
    expected, where = tree.kneighbors(rows)
    index, distance = neighbours.nearest(rows, columns)
    np.testing.assert_array_equal(index, where[:, 0])
    np.testing.assert_allclose(distance, expected[:, 0], rtol=1e-9)
    others, away = NearestNeighbors(n_neighbors=1).fit(columns).kneighbors()[::-1]
    index, distance = neighbours.nearest(columns[:50], columns, own=True)
    np.testing.assert_array_equal(index, others[:50, 0])
    np.testing.assert_allclose(distance, away[:50, 0], rtol=1e-9)
    radii, _ = NearestNeighbors(n_neighbors=3).fit(columns).kneighbors()
    np.testing.assert_allclose(neighbours.squared_radii(columns, 3), radii[:, -1] ** 2, rtol=1e-9)
    with pytest.raises(ValueError, match="k from 1 to 96, got 97"):
        neighbours.squared_radii(columns, 97)


def test_copies_of_training_images_are_found() -> None:
    training, held_out, fresh = (RNG.normal(size=(n, 6)) for n in (800, 400, 400))
    copies = memorisation(training[100:300], held_out, training)
    assert copies.share == 1.0 and not copies.distance.any()
    np.testing.assert_array_equal(copies.index, np.arange(100, 300))
    # Fresh data lie as near as held-out data do: 5%, within three deviations.
    assert memorisation(fresh, held_out, training).share == pytest.approx(0.05, abs=0.045)
    assert memorisation(held_out, held_out, training).share == pytest.approx(0.05, abs=0.003)
    half = np.concatenate([training[:200], fresh[:200] + 20])
    assert memorisation(half, held_out, training).share == 0.5
    assert memorisation(fresh + 20, held_out, training).share == 0.0


def test_the_share_nearer_to_training_images_is_that_of_random_splits() -> None:
    """Mean and deviation against many splits of one set, some of whose members are hit often."""
    real = RNG.normal(size=(60, 3))
    generated = real[RNG.choice(60, 300, p=RNG.dirichlet(np.full(60, 0.3)))]
    generated = generated + 0.3 * RNG.normal(size=generated.shape)
    tree = NearestNeighbors(n_neighbors=1).fit(real)
    weights = np.bincount(tree.kneighbors(generated)[1][:, 0], minlength=60) / 300
    splits = np.argsort(RNG.random((20_000, 60)), axis=1)
    shares = weights[splits[:, :45]].sum(axis=1)
    found = memorisation(generated, real[splits[0, 45:]], real[splits[0, :45]])
    assert found.nearer == pytest.approx(shares[0])
    assert found.expected == pytest.approx(shares.mean(), abs=0.005) == 0.75
    assert found.deviation == pytest.approx(shares.std(), rel=0.03)


def test_noisy_copies_among_twins_are_told_by_what_was_held_out() -> None:
    """Ten pictures of each person, in pairs of near equals: copies are no nearer than twins are."""
    shots = RNG.normal(size=(40, 1, 10)) * 3 + RNG.normal(size=(40, 5, 10)) / 2
    pictures = np.repeat(shots, 2, axis=1) + 0.01 * RNG.normal(size=(40, 10, 10))
    mixed = np.stack([person[RNG.permutation(10)] for person in pictures])
    training, held_out = mixed[:, :8].reshape(-1, 10), mixed[:, 8:].reshape(-1, 10)
    copies = memorisation(training + 0.05 * RNG.normal(size=training.shape), held_out, training)
    assert copies.share < 0.05
    assert copies.nearer > 0.88 and copies.nearer - 0.8 > 4 * copies.deviation
    anew = (shots + 0.01 * RNG.normal(size=shots.shape)).reshape(-1, 10)
    fresh = memorisation(anew, held_out, training)
    assert abs(fresh.nearer - 0.8) < 3 * fresh.deviation
    assert fresh.expected == copies.expected == 0.8
    # The twin of a held-out picture is one of nine, of which one is held out.
    assert fresh.nearer_held_out == copies.nearer_held_out == pytest.approx(8 / 9, abs=0.11)
    with pytest.raises(ValueError, match="2 held-out images or more, got 1"):
        memorisation(anew, held_out[:1], training)


def test_jumps_of_paths_in_closed_form() -> None:
    even = np.linspace(0, 1, 9)[:, None] * np.ones((1, 3))
    jump = np.array([0, 1, 2, 3, 10, 11, 12, 13, 14.0])[:, None] * np.ones((1, 3))
    still = np.zeros((9, 3))
    once = np.repeat([0.0, 5.0], [4, 5])[:, None] * np.ones((1, 3))
    ratios = path_jumps(np.stack([even, jump, still, once]))
    np.testing.assert_allclose(ratios, [1, 7, 1, 8])
    with pytest.raises(ValueError, match="3 or more images"):
        path_jumps(np.zeros((4, 2, 3)))


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


@pytest.mark.parametrize("distance", [frechet_distance, kernel_distance, manifold_scores])
def test_distances_refuse_features_that_do_not_fit(distance) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match="expected features"):
        distance(np.zeros((5, 3)), np.zeros((5, 4)))
    with pytest.raises(ValueError, match="finite"):
        distance(np.zeros((9, 3)), np.full((9, 3), np.nan))


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
