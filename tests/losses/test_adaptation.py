"""Losses of adaptation against closed forms, NumPy, SciPy and scikit-learn."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from scipy.spatial.distance import pdist
from sklearn.metrics.pairwise import rbf_kernel

from zoo.losses import adaptation

ROWS = np.random.default_rng(0)
SOURCE = ROWS.normal(size=(7, 4)).astype("float32")
TARGET = (ROWS.normal(size=(5, 4)) * 2 + 1).astype("float32")


def number(value: Any) -> float:
    return float(keras.ops.convert_to_numpy(value))


def array(value: Any) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(value))


def test_reversal_leaves_what_passes_as_it_is() -> None:
    passed = adaptation.reverse_gradient(keras.ops.convert_to_tensor(SOURCE), 0.3)
    np.testing.assert_array_equal(array(passed), SOURCE)


@pytest.mark.parametrize(
    ("progress", "expected"), [(0, 0), (0.1, 0.462), (0.25, 0.848), (0.5, 0.987), (1, 0.9999)]
)
def test_the_schedule_is_the_papers(progress: float, expected: float) -> None:
    assert number(adaptation.dann_schedule(progress)) == pytest.approx(expected, abs=6e-4)
    assert number(adaptation.dann_schedule(progress, gamma=0.0)) == 0


def test_a_domain_classifier_that_knows_nothing_loses_two_bits() -> None:
    nothing = np.zeros((3, 1), "float32")
    assert number(adaptation.domain_loss(nothing, nothing)) == pytest.approx(2 * np.log(2))


def test_the_domain_loss_is_two_cross_entropies_and_weights_average() -> None:
    source, target = SOURCE[:, :1], TARGET[:, :1]

    def terms(logits: np.ndarray, is_source: bool) -> np.ndarray:
        shares = 1 / (1 + np.exp(-logits[:, 0].astype("float64")))
        return -np.log(shares if is_source else 1 - shares)

    plain = terms(source, True).mean() + terms(target, False).mean()
    assert number(adaptation.domain_loss(source, target)) == pytest.approx(plain, rel=1e-5)
    weights = (np.arange(1, 8, dtype="float32"), np.arange(1, 6, dtype="float32"))
    weighted = np.average(terms(source, True), weights=weights[0])
    weighted += np.average(terms(target, False), weights=weights[1])
    found = number(adaptation.domain_loss(source, target, weights))
    assert found == pytest.approx(weighted, rel=1e-5)


def test_coral_is_half_where_two_domains_vary_by_two_along_other_axes() -> None:
    source = np.array([[1, 0], [-1, 0]], "float32")
    target = np.array([[0, 1], [0, -1]], "float32")
    # Covariances diag(2, 0) and diag(0, 2): 8 / (4 · 2²).
    assert number(adaptation.coral(source, target)) == pytest.approx(0.5)
    assert number(adaptation.coral(source, source + 3)) == pytest.approx(0, abs=1e-6)


def test_coral_is_that_of_numpys_covariances() -> None:
    gap = np.cov(SOURCE, rowvar=False) - np.cov(TARGET, rowvar=False)
    expected = np.linalg.norm(gap) ** 2 / (4 * 4**2)
    assert number(adaptation.coral(SOURCE, TARGET)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("unbiased", [False, True])
def test_mmd_is_that_of_scikit_learns_kernels(unbiased: bool) -> None:
    sigmas = [0.5, 3.0, 20.0]

    def kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return np.mean([rbf_kernel(x, y, gamma=1 / sigma) for sigma in sigmas], axis=0)

    def within(rows: np.ndarray) -> float:
        matrix = kernel(rows, rows)
        if not unbiased:
            return float(matrix.mean())
        return float(matrix[~np.eye(len(rows), dtype=bool)].mean())

    expected = within(SOURCE) + within(TARGET) - 2 * kernel(SOURCE, TARGET).mean()
    found = number(adaptation.mmd(SOURCE, TARGET, sigmas, unbiased))
    assert found == pytest.approx(expected, abs=1e-5)


def test_mmd_of_two_points_is_the_closed_form_and_of_one_set_nothing() -> None:
    here, there = np.array([[0.0]], "float32"), np.array([[2.0]], "float32")
    found = number(adaptation.mmd(here, there, [4.0]))
    assert found == pytest.approx(2 - 2 * np.exp(-1), rel=1e-5)
    assert number(adaptation.mmd(SOURCE, SOURCE, [1.0])) == pytest.approx(0, abs=1e-6)


def test_bandwidths_are_multiples_of_the_mean_squared_distance() -> None:
    mean = pdist(np.concatenate([SOURCE, TARGET]), "sqeuclidean").mean()
    found = [number(sigma) for sigma in adaptation.bandwidths(SOURCE, TARGET, (0.5, 4.0))]
    assert found == pytest.approx([0.5 * mean, 4 * mean], rel=1e-5)
    alike = np.ones((4, 2), "float32")
    assert number(adaptation.mmd(alike, alike, adaptation.bandwidths(alike, alike))) == 0


def test_the_outer_product_pairs_every_feature_with_every_class() -> None:
    predictions = np.array([[0.2, 0.8], [1.0, 0.0]], "float32")
    found = array(adaptation.outer(SOURCE[:2], predictions))
    expected = [np.outer(f, g).ravel() for f, g in zip(SOURCE[:2], predictions, strict=True)]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_a_sure_prediction_counts_twice_and_a_blind_one_little_more_than_once() -> None:
    predictions = np.array([[1, 0, 0, 0], [0.25, 0.25, 0.25, 0.25]], "float32")
    np.testing.assert_allclose(array(adaptation.certainty(predictions)), [2, 1.25], rtol=1e-6)
