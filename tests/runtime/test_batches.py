"""Rows in parts and filled up: every row is answered, and batches have few sizes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from zoo.runtime.batches import LARGEST, in_batches


@pytest.mark.parametrize(
    ("count", "smallest", "largest", "sizes"),
    [
        (1, 1, LARGEST, [1]),
        (3, 1, LARGEST, [4]),
        (3, 8, LARGEST, [8]),
        (300, 1, LARGEST, [256, 64]),
        (20, 8, 8, [8, 8, 8]),
        (8, 8, 8, [8]),
        (0, 8, 8, [8]),
    ],
)
@pytest.mark.parametrize("named", [False, True])
def test_every_row_is_answered_in_batches_of_few_sizes(
    count: int, smallest: int, largest: int, sizes: list[int], named: bool
) -> None:
    seen: list[int] = []

    def run(rows: Any) -> np.ndarray:
        one, other = (rows["x"], rows["y"]) if named else (rows, 0 * rows[:, 0])
        assert one.dtype == np.float32
        seen.append(len(one))
        return one.sum(axis=1) + other

    x = np.arange(count * 2, dtype=np.float64).reshape(count, 2)
    y = np.arange(count) if named else np.zeros(count)
    answers = in_batches(run, smallest, largest)({"x": x, "y": y} if named else x)
    np.testing.assert_array_equal(answers, x.sum(axis=1) + y)
    assert seen == sizes
