"""Sets of features: what every measure of generated images asks of them."""

from __future__ import annotations

import numpy as np


def require_alike(*sets: np.ndarray, least: int = 2) -> None:
    """Checks sets of features that are to be compared.

    Args:
        sets: Each (n, d), of one d; n may differ.
        least: Rows that each must have.

    Raises:
        ValueError: for other shapes, fewer rows, NaN or infinity.
    """
    shapes = [np.shape(rows) for rows in sets]
    fits = all(len(shape) == 2 and shape[0] >= least for shape in shapes)
    if not fits or len({shape[1] for shape in shapes}) > 1:
        raise ValueError(
            f"expected features (n, d) of {least} rows or more and one d, "
            f"got {' and '.join(map(str, shapes))}"
        )
    # A sum is not finite where a term is not, and needs no array of its own.
    if not all(np.isfinite(np.sum(rows, dtype=np.float64)) for rows in sets):
        raise ValueError("expected finite features, got NaN or infinity")
