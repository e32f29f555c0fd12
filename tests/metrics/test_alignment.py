"""Images that are the same but for place, side and light are found; others are not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from zoo.metrics import alignment
from zoo.metrics.alignment import comparisons, nearest_aligned
from zoo.metrics.memorisation import memorisation
from zoo.metrics.neighbours import nearest

RNG = np.random.default_rng(0)
Sample = Callable[[str, str], dict[str, np.ndarray]]


def moved(images: np.ndarray) -> np.ndarray:
    """Shifts each image its own way, moves noise in, mirrors every second one and dims them all."""
    around = [(0, 0), (3, 3), (3, 3), (0, 0)]
    copies = np.pad((40 + 0.7 * images).astype(np.uint8), around)
    copies[:, :3], copies[:, -3:] = (RNG.integers(0, 256, copies[:, :3].shape) for _ in range(2))
    height, width = images.shape[1:3]
    for number, (top, left) in enumerate(RNG.integers(0, 7, (len(images), 2))):
        copies[number, :height, :width] = copies[number, top : top + height, left : left + width]
    copies = copies[:, :height, :width]
    copies[::2] = copies[::2, :, ::-1]
    return copies


def test_it_is_the_highest_correlation_of_all_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    images, others = (RNG.integers(0, 256, (n, 16, 24, 3), dtype=np.uint8) for n in (5, 7))
    # Sides of 16 allow a shift of 2.
    expected = np.full((5, 7), np.inf)
    for i, image in enumerate(images):
        middle = image[2:14, 2:22].ravel()
        for j, other in enumerate(others):
            for side in (other, other[:, ::-1]):
                for top in range(5):
                    for left in range(5):
                        window = side[top : top + 12, left : left + 20].ravel()
                        r = np.corrcoef(middle, window)[0, 1]
                        expected[i, j] = min(expected[i, j], np.sqrt(2 - 2 * r))
    assert comparisons((16, 24, 3)) == 2 * 25 * 12 * 20 * 3
    monkeypatch.setattr(alignment, "_ROWS", 2)  # many blocks, the last one smaller
    monkeypatch.setattr(alignment, "_NUMBERS", 3 * 12 * 20 * 3)
    index, distance = nearest_aligned(images, others)
    np.testing.assert_array_equal(index, expected.argmin(1))
    np.testing.assert_allclose(distance, expected.min(1), rtol=1e-9)
    index, distance = nearest_aligned(others[:4], others)
    np.testing.assert_array_equal(index, np.arange(4))
    assert not distance.any()
    index, distance = nearest_aligned(others[:4], others, own=True)
    assert (index != np.arange(4)).all() and distance.min() > 0.5


def test_an_image_of_one_grey_is_as_far_from_all() -> None:
    grey = np.full((2, 16, 16, 1), 90, np.uint8)
    drawn = RNG.integers(0, 256, (3, 16, 16, 1), dtype=np.uint8)
    np.testing.assert_allclose(nearest_aligned(grey, drawn)[1], 1)
    np.testing.assert_array_equal(nearest_aligned(grey, grey // 2)[1], 0)
    with pytest.raises(ValueError, match="of one size and 1 others or more"):
        nearest_aligned(grey, drawn[:, :8])
    with pytest.raises(ValueError, match="2 others or more"):
        nearest_aligned(grey[:1], grey[:1], own=True)


def test_moved_copies_are_found_and_fresh_images_are_none(sample: Sample) -> None:
    training, test = (sample("fashion_mnist", split)["image"] for split in ("train", "test"))
    held_out, fresh = test[:128], test[128:]
    copies = moved(training[:100])
    found = memorisation(copies, held_out, training, search=nearest_aligned)
    assert found.share > 0.9 and found.nearer > 0.95
    assert np.mean(found.index == np.arange(100)) > 0.95
    assert found.nearer - found.expected > 3 * found.deviation
    # Raw pixels hardly see it.
    flat = [part.reshape(len(part), -1) / 255 for part in (copies, held_out, training)]
    assert memorisation(flat[0], flat[1], flat[2], search=nearest).share < 0.2
    unseen = memorisation(fresh, held_out, training, search=nearest_aligned)
    # Both the threshold and the share are drawn from 128 images: three deviations.
    assert unseen.share == pytest.approx(0.05, abs=0.08)
    assert abs(unseen.nearer - unseen.expected) < 3 * unseen.deviation
    assert unseen.expected == 512 / 640
