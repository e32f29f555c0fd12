"""Nearest neighbours by Euclidean distance, block by block."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from zoo.metrics.features import require_alike

# Distances held at once: 16 MiB.
_BLOCK = 2**21


def squared_distances(rows: np.ndarray, columns: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Yields the squared distances of all pairs, some rows at a time.

    Args:
        rows: (n, d).
        columns: (m, d).

    Yields:
        Which rows, and float64 (some rows, m): |x|² - 2 x·y + |y|². What should be 0 may be off by
        rounding, to either side. Beside both sets in float64, memory is that of one block.
    """
    # Distances stay as they are when both sets move; near the origin least is lost to rounding.
    centre = columns.mean(axis=0, dtype=np.float64)
    y = columns - centre
    # With both squares among the factors, one product of matrices gives the distances.
    right = np.column_stack([y, np.ones(len(y)), np.einsum("ij,ij->i", y, y)]).T
    size = max(1, _BLOCK // len(columns))
    for start in range(0, len(rows), size):
        x = rows[start : start + size] - centre
        left = np.column_stack([-2 * x, np.einsum("ij,ij->i", x, x), np.ones(len(x))])
        yield slice(start, start + len(x)), left @ right


def squared_radii(rows: np.ndarray, k: int) -> np.ndarray:
    """Returns each row's squared distance to its k-th nearest neighbour, itself left out.

    Args:
        rows: (n, d).
        k: 1 to n - 1.

    Returns:
        float64 (n,), of at least 0.

    Raises:
        ValueError: for any other k.
    """
    if not 1 <= k < len(rows):
        raise ValueError(f"expected k from 1 to {len(rows) - 1}, got {k}")
    radii = np.empty(len(rows))
    for part, squares in squared_distances(rows, rows):
        own = np.arange(part.start, part.stop)
        squares[own - part.start, own] = -np.inf
        radii[part] = np.partition(squares, k, axis=1)[:, k]
    return np.maximum(radii, 0)


def nearest(
    rows: np.ndarray, columns: np.ndarray, own: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Finds the column that is nearest to each row.

    Args:
        rows: (n, d).
        columns: (m, d).
        own: Whether row i and column i are the same one, which is left out.

    Returns:
        Its index, int (n,), and its distance, float64 (n,): 0 for an equal one.

    Raises:
        ValueError: for rows and columns that do not fit each other.
    """
    require_alike(rows, columns, least=1)
    index = np.empty(len(rows), int)
    distance = np.empty(len(rows))
    for part, squares in squared_distances(rows, columns):
        if own:
            mine = np.arange(part.start, part.stop)
            squares[mine - part.start, mine] = np.inf
        index[part] = squares.argmin(axis=1)
        gap = np.asarray(rows[part], np.float64) - columns[index[part]]
        distance[part] = np.sqrt(np.einsum("ij,ij->i", gap, gap))
    return index, distance
