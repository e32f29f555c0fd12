"""CORAL and subspace alignment: closed forms and planted transforms."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import inv, sqrtm, subspace_angles
from sklearn.decomposition import PCA

from tests.adaptation.domains import blobs, rotation
from zoo.adaptation import CORAL, InvalidDomainError, SubspaceAlignment


@pytest.mark.parametrize("ridge", [0.0, 1.0])
def test_coral_is_its_closed_form(ridge: float) -> None:
    source, labels = blobs(seed=0)
    target = blobs(seed=1)[0] @ rotation(5) * [1, 2, 3, 0.5, 1]
    found = CORAL(ridge=ridge).fit(source, labels, target)
    of_source = np.cov(source.T) + ridge * np.eye(5)
    of_target = np.cov(target.T) + ridge * np.eye(5)
    expected = inv(sqrtm(of_source)) @ sqrtm(of_target)
    np.testing.assert_allclose(found.transformation_, expected, atol=1e-9)
    np.testing.assert_allclose(found.transform(source, "source"), source @ expected, atol=1e-9)
    np.testing.assert_array_equal(found.transform(target), target)
    np.testing.assert_array_equal(
        found.fit_transform(source, labels, target), found.transform(source, "source")
    )
    if not ridge:
        recoloured = np.cov(found.transform(source, "source").T)
        np.testing.assert_allclose(recoloured, np.cov(target.T), atol=1e-9)


def test_coral_finds_a_scaling_of_white_features() -> None:
    """Of a source with the covariance I the colouring alone is left, whatever it was."""
    rng = np.random.default_rng(0)
    raw = rng.normal(size=(300, 4))
    white = (raw - raw.mean(0)) @ inv(sqrtm(np.cov(raw.T)))
    half = rng.normal(size=(4, 4))
    colouring = half @ half.T + np.eye(4)
    found = CORAL(ridge=0).fit(white, raw[:, 0] > 0, white @ colouring)
    np.testing.assert_allclose(found.transformation_, colouring, atol=1e-9)
    assert (found.predict(white @ colouring) == (raw[:, 0] > 0)).mean() > 0.97


def test_a_singular_covariance_needs_a_ridge() -> None:
    source, labels = blobs()
    source[:, 3] = 1.0
    with pytest.raises(InvalidDomainError, match=r"singular \(1 of 5 directions.* give ridge > 0"):
        CORAL(ridge=0).fit(source, labels, source)
    np.testing.assert_allclose(
        CORAL().fit(source, labels, source).transformation_, np.eye(5), atol=1e-9
    )


def test_the_alignment_brings_one_basis_nearest_to_the_other() -> None:
    source, labels = blobs(seed=0)
    target = blobs(seed=1)[0] @ rotation(5)
    found = SubspaceAlignment(n_components=3).fit(source, labels, target)
    bases = found.bases_
    for side, rows in (("source", source), ("target", target)):
        np.testing.assert_allclose(bases[side].T @ bases[side], np.eye(3), atol=1e-12)
        principal = PCA(3).fit(rows).components_.T
        np.testing.assert_allclose(subspace_angles(bases[side], principal), 0, atol=1e-6)
    nearest = np.linalg.lstsq(bases["source"], bases["target"], rcond=None)[0]
    np.testing.assert_allclose(found.alignment_, nearest, atol=1e-12)
    aligned = (source - source.mean(0)) @ bases["source"] @ nearest
    np.testing.assert_allclose(found.transform(source, "source"), aligned, atol=1e-12)
    inner = (target - target.mean(0)) @ bases["target"]
    np.testing.assert_allclose(found.transform(target), inner, atol=1e-12)


def test_subspaces_that_are_the_same_need_no_alignment() -> None:
    """Where the target is the source moved away, the source is found again exactly."""
    source, labels = blobs()
    found = SubspaceAlignment(n_components=2).fit(source, labels, source + 7.0)
    np.testing.assert_allclose(found.alignment_, np.eye(2), atol=1e-12)
    np.testing.assert_allclose(
        found.transform(source, "source"), found.transform(source + 7.0), atol=1e-10
    )
    np.testing.assert_array_equal(found.predict(source + 7.0), labels)


def test_more_components_than_there_can_be_are_refused() -> None:
    source, labels = blobs()
    with pytest.raises(InvalidDomainError, match="n_components must be a whole number from 1 to 3"):
        SubspaceAlignment(n_components=4).fit(source, labels, source[:4])
