"""Batches of several streams: passes, laps, and orders that are functions of seeds alone."""

from __future__ import annotations

import numpy as np
import pytest

from zoo.data.feed import epoch_length, first_images, gather, shuffled_batches, stream_lengths
from zoo.data.split import order
from zoo.errors import RecipeError

Arrays = dict[str, np.ndarray]


def streams(**counts: int) -> Arrays:
    return {f"{name}/image": np.arange(count)[:, None] for name, count in counts.items()}


def test_keys_of_one_prefix_are_one_stream() -> None:
    arrays = {**streams(a=4, b=7), "image": np.arange(3), "label": np.arange(3)}
    assert stream_lengths(arrays) == {"a": 4, "b": 7, "": 3}
    assert epoch_length(arrays) == 7
    assert first_images(streams(target=2)).shape == (2, 1)
    assert first_images({"label": np.arange(3), "image": np.arange(3)[:, None]}).shape == (3, 1)
    assert first_images(arrays).shape == (3,), "of the main stream, though others come before"
    assert first_images(streams(b=7, a=4)).shape == (7, 1)


def test_the_order_of_the_main_stream_is_what_it_always_was() -> None:
    """Numbers written down before there were streams: checkpoints go on with this order."""
    (epoch,) = shuffled_batches({"image": np.arange(10)}, 3, 5, 2, 3)
    expected = np.random.default_rng([5, 2]).permutation(10)[:9].reshape(3, 3)
    np.testing.assert_array_equal(epoch[""], expected)
    assert expected[0].tolist() == [2, 4, 0]


def test_an_epoch_is_one_pass_over_the_longest_stream() -> None:
    for epoch in shuffled_batches(streams(a=40, b=12), 8, 1, 0, 3):
        assert {name: rows.shape for name, rows in epoch.items()} == {"a": (5, 8), "b": (5, 8)}
        assert sorted(epoch["a"].ravel()) == list(range(40))


def test_a_shorter_stream_goes_round_in_new_orders_from_epoch_to_epoch() -> None:
    epochs = list(shuffled_batches(streams(a=40, b=12), 8, 1, 0, 6))
    seen = np.concatenate([epoch["b"].ravel() for epoch in epochs])
    laps = seen.reshape(20, 12)
    assert all(sorted(lap) == list(range(12)) for lap in laps)
    assert len({tuple(lap) for lap in laps}) == 20


def test_streams_of_one_length_are_in_different_orders() -> None:
    (epoch,) = shuffled_batches(streams(a=64, b=64), 64, 1, 0, 1)
    assert np.mean(epoch["a"] == epoch["b"]) < 0.1
    assert not np.array_equal(epoch["a"][0], order(64, 1, 0))


def test_where_a_run_starts_changes_nothing() -> None:
    arrays = {**streams(a=50, b=11), "image": np.arange(23)}
    whole = list(shuffled_batches(arrays, 8, 3, 0, 5))
    later = list(shuffled_batches(arrays, 8, 3, 3, 5))
    for one, other in zip(whole[3:], later, strict=True):
        assert set(one) == set(other) == {"a", "b", ""}
        assert all(np.array_equal(one[name], other[name]) for name in one)


def test_an_epoch_of_several_passes_shows_each_example_so_often() -> None:
    arrays = {"image": np.arange(10)}
    epochs = list(shuffled_batches(arrays, 4, 1, 0, 3, passes=2))
    assert [epoch[""].shape for epoch in epochs] == [(5, 4)] * 3
    passes = np.concatenate([epoch[""].ravel() for epoch in epochs]).reshape(6, 10)
    assert all(sorted(one) == list(range(10)) for one in passes)
    assert len({tuple(one) for one in passes}) == 6
    later = list(shuffled_batches(arrays, 4, 1, 2, 3, passes=2))
    np.testing.assert_array_equal(later[0][""], epochs[2][""])


def test_arrays_of_a_stream_stay_together() -> None:
    arrays = {"a/image": np.arange(9), "a/label": np.arange(9) * 10, "b/image": np.arange(4)}
    (epoch,) = shuffled_batches(arrays, 3, 1, 0, 1)
    batch = gather(arrays, {name: rows[1] for name, rows in epoch.items()})
    np.testing.assert_array_equal(batch["a/image"] * 10, batch["a/label"])
    assert batch["b/image"].shape == (3,)


def test_a_stream_that_is_empty_or_torn_is_refused() -> None:
    with pytest.raises(RecipeError, match="no examples of b/image"):
        stream_lengths(streams(a=3, b=0))
    with pytest.raises(RecipeError, match="a/label has 2 examples, others of its stream 3"):
        stream_lengths({"a/image": np.arange(3), "a/label": np.arange(2)})
