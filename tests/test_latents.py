"""Latent vectors, paths between them, and pixels, against closed forms."""

from __future__ import annotations

import numpy as np
import pytest

from zoo.errors import InvalidInputError
from zoo.latents import draw_latents, draw_rows, slerp, to_pixels


def test_a_vector_depends_on_its_seed_alone() -> None:
    together = draw_latents([3, 1, 4, 1], 16)
    assert together.shape == (4, 16)
    assert together.dtype == np.float32
    for row, seed in zip(together, [3, 1, 4, 1], strict=True):
        np.testing.assert_array_equal(row, draw_latents([seed], 16)[0])
    assert not np.array_equal(together[0], together[1])


def test_vectors_are_standard_normal() -> None:
    drawn = draw_latents(range(2000), 50)
    # Standard errors: mean 1/sqrt(1e5) = 0.003, variance sqrt(2/1e5) = 0.0045.
    assert abs(drawn.mean()) < 0.015
    assert abs(drawn.var() - 1) < 0.02
    # Neighbouring seeds are independent: correlations of 50 pairs have a deviation of 0.14.
    correlations = np.corrcoef(drawn[:200])[~np.eye(200, dtype=bool)]
    assert abs(correlations).max() < 0.8
    assert abs(correlations.mean()) < 0.01


def test_the_vectors_of_a_seed_never_change() -> None:
    # Philox is specified; NumPy promises the stream of standard_normal within a major version.
    expected = np.random.Generator(np.random.Philox(7)).standard_normal(4, np.float32)
    np.testing.assert_array_equal(draw_latents([7], 4)[0], expected)


def test_large_seeds_and_no_seeds() -> None:
    assert draw_latents([2**63 - 1, 0], 3).shape == (2, 3)
    assert draw_latents([], 5).shape == (0, 5)


def test_slerp_walks_a_quarter_circle_in_equal_angles() -> None:
    path = slerp(np.array([1.0, 0.0]), np.array([0.0, 1.0]), 4)
    angles = np.deg2rad([0, 30, 60, 90])
    np.testing.assert_allclose(path, np.stack([np.cos(angles), np.sin(angles)], 1), atol=1e-6)
    assert path.dtype == np.float32


@pytest.mark.parametrize("seed", range(5))
def test_slerp_has_its_ends_equal_steps_and_lengths_in_between(seed: int) -> None:
    start, end = draw_latents([seed, seed + 100], 64)
    path = slerp(start, 2 * end, 9)
    np.testing.assert_allclose(path[0], start, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(path[-1], 2 * end, rtol=1e-5, atol=1e-6)
    lengths = np.linalg.norm(path, axis=1)
    np.testing.assert_allclose(lengths, np.linspace(lengths[0], lengths[-1], 9), rtol=1e-5)
    unit = path / lengths[:, None]
    cosines = (unit[1:] * unit[:-1]).sum(1)
    np.testing.assert_allclose(cosines, cosines[0], atol=1e-5)


def test_slerp_between_equal_and_parallel_vectors_is_a_line() -> None:
    vector = np.array([0.6, 0.8], np.float32)
    np.testing.assert_allclose(slerp(vector, vector, 3), np.tile(vector, (3, 1)), atol=1e-6)
    np.testing.assert_allclose(
        slerp(vector, 3 * vector, 3), vector * np.array([[1], [2], [3]]), atol=1e-5
    )


def test_slerp_of_odd_vectors_stays_finite() -> None:
    zero, one = np.zeros(2, np.float32), np.array([1.0, 0.0], np.float32)
    for start, end in ((zero, one), (one, zero), (zero, zero), (one, -one)):
        path = slerp(start, end, 5)
        assert np.isfinite(path).all()
        np.testing.assert_allclose(path[0], start, atol=1e-6)
        np.testing.assert_allclose(path[-1], end, atol=1e-6)


def test_slerp_refuses_shapes_that_differ() -> None:
    with pytest.raises(InvalidInputError, match=r"got shapes \(3,\) and \(4,\)"):
        slerp(np.zeros(3), np.zeros(4), 5)
    with pytest.raises(InvalidInputError, match=r"got shapes \(2, 3\) and \(2, 3\)"):
        slerp(np.zeros((2, 3)), np.zeros((2, 3)), 5)


def test_pixels_round_to_the_nearest_and_are_clipped() -> None:
    values = np.arange(256)
    np.testing.assert_array_equal(to_pixels(values / 127.5 - 1), values)
    np.testing.assert_array_equal(to_pixels((values + 0.4) / 127.5 - 1), values)
    np.testing.assert_array_equal(to_pixels((values - 0.4) / 127.5 - 1), values)
    np.testing.assert_array_equal(to_pixels(np.array([-9.0, -1.0, 1.0, 9.0])), [0, 0, 255, 255])
    assert to_pixels(np.zeros((2, 3), np.float32)).dtype == np.uint8


def test_truncated_numbers_follow_the_truncated_normal() -> None:
    """Its variance is 1 - 2 t phi(t) / (2 Phi(t) - 1); nothing lies beyond t."""
    drawn = draw_latents(range(2000), 50, truncation=1.0)
    assert np.abs(drawn).max() <= 1
    density, inside = np.exp(-0.5) / np.sqrt(2 * np.pi), 0.6826895
    assert abs(drawn.mean()) < 0.01
    assert drawn.var() == pytest.approx(1 - 2 * density / inside, abs=0.005)
    np.testing.assert_array_equal(draw_latents([3], 50, truncation=1.0)[0], drawn[3])
    free = draw_latents(range(5), 50)
    np.testing.assert_array_equal(draw_latents(range(5), 50, truncation=50.0), free)


def test_rows_have_labels_beside_latents() -> None:
    rows = draw_rows([7, 8, 9], 4, classes=3)
    np.testing.assert_array_equal(rows[:, :4], draw_latents([7, 8, 9], 4))
    np.testing.assert_array_equal(rows[:, 4:], np.eye(3)[[1, 2, 0]])
    np.testing.assert_array_equal(draw_rows([7, 8], 4, 3, [2, 2])[:, 4:], np.eye(3)[[2, 2]])
    assert draw_rows([1], 4).shape == (1, 4) and rows.dtype == np.float32
