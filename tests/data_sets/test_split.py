"""Splits and orders: functions of seeds alone, complete, and without overlap."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from zoo.data import cut_validation, order
from zoo.data.split import cut_test
from zoo.errors import RecipeError

Sample = Callable[[str, str], dict[str, np.ndarray]]

GOLDEN_CUT = [2, 8, 16, 23, 32]
GOLDEN_ORDER = [3, 2, 4, 0, 1, 5]


def numbered(count: int) -> dict[str, np.ndarray]:
    return {"image": np.arange(count).reshape(-1, 1, 1, 1), "label": np.arange(count) % 10}


@pytest.mark.parametrize(("count", "cut"), [(10, 3), (10, 0), (10, 9), (512, 100), (1, 0)])
def test_a_cut_is_complete_and_without_overlap(count: int, cut: int) -> None:
    rest, validation = cut_validation(numbered(count), cut)
    assert len(validation["image"]) == len(validation["label"]) == cut
    assert len(rest["image"]) == len(rest["label"]) == count - cut
    together = np.concatenate([rest["image"].ravel(), validation["image"].ravel()])
    np.testing.assert_array_equal(np.sort(together), np.arange(count))
    for part in (rest, validation):
        positions = part["image"].ravel()
        assert (np.diff(positions) > 0).all(), "the original order is kept"
        np.testing.assert_array_equal(part["label"], positions % 10)


def test_a_cut_is_the_same_whatever_random_state_there_is(sample: Sample) -> None:
    arrays = sample("mnist", "train")
    np.random.seed(1)
    first = cut_validation(arrays, 100)
    np.random.seed(2)
    np.random.random(1000)
    second = cut_validation(arrays, 100)
    for one, other in zip(first, second, strict=True):
        for key in ("image", "label"):
            np.testing.assert_array_equal(one[key], other[key])


def test_the_cut_of_the_shipped_models_never_moves() -> None:
    # A model that learned from an image must not be validated on it after an update.
    _, validation = cut_validation(numbered(60_000), 5000)
    positions = validation["image"].ravel()
    expected = np.sort(np.random.Generator(np.random.PCG64(2718)).permutation(60_000)[:5000])
    np.testing.assert_array_equal(positions, expected)
    assert positions[:5].tolist() == GOLDEN_CUT


def test_a_cut_is_a_fair_sample() -> None:
    _, validation = cut_validation(numbered(60_000), 5000)
    counts = np.bincount(validation["label"], minlength=10)
    # 500 of each class are expected, with a deviation of 20.
    assert (abs(counts - 500) < 100).all()


@pytest.mark.parametrize("cut", [10, 11, 10**9])
def test_a_cut_that_leaves_nothing_is_refused(cut: int) -> None:
    with pytest.raises(RecipeError, match=r"data\.validation must be below the 10 examples"):
        cut_validation(numbered(10), cut)


def pictures(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 4, 4, 1), np.uint8)


def test_a_test_split_is_a_fifth_of_each_class_that_has_five() -> None:
    label = np.repeat([0, 1, 2], [50, 5, 4])
    testing = cut_test({"image": pictures(59), "label": label})
    assert np.bincount(label[testing], minlength=3).tolist() == [10, 1, 0]


def test_images_added_later_leave_the_others_where_they_were() -> None:
    images, more = pictures(400), pictures(40, seed=1)
    label = np.arange(440) % 2
    before = cut_test({"image": images, "label": label[:400]})
    mixed = np.random.default_rng(2).permutation(440)
    every = np.concatenate([images, more])[mixed]
    after = cut_test({"image": every, "label": label[mixed]})
    moved = (after[np.argsort(mixed)][:400] != before).sum()
    # The border of the fifth moves by what the new ones take: 88 of 440 for 80 of 400.
    assert moved <= 8


def test_an_order_is_a_permutation_and_a_function_of_seed_and_epoch() -> None:
    base = order(1000, seed=1, epoch=2)
    np.testing.assert_array_equal(np.sort(base), np.arange(1000))
    np.testing.assert_array_equal(base, order(1000, seed=1, epoch=2))
    for seed, epoch in ((1, 3), (2, 2), (2, 1), (12, 0), (0, 12)):
        other = order(1000, seed, epoch)
        # Two random orders agree in one place on average; ten would be a chance of 1e-7.
        assert (other == base).sum() < 10


def test_the_order_is_what_it_always_was() -> None:
    # A run that is resumed after an update must go on in the order it began with.
    expected = np.random.Generator(np.random.PCG64([3, 4])).permutation(6)
    np.testing.assert_array_equal(order(6, seed=3, epoch=4), expected)
    assert order(6, seed=3, epoch=4).tolist() == GOLDEN_ORDER


def test_small_orders() -> None:
    assert order(0, 0, 0).tolist() == []
    assert order(1, 5, 5).tolist() == [0]
