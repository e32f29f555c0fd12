"""Whether images change evenly along a path through latent space."""

from __future__ import annotations

import numpy as np

# A path is smooth when no step is longer than so many times its median step.
SMOOTH = 4.0


def path_jumps(features: np.ndarray) -> np.ndarray:
    """Largest step of each path in ratio to its median step.

    Args:
        features: (paths, images, d) of the images along each path, in order; 3 images or more.

    Returns:
        float64 (paths,), from 1, every step alike, to the number of steps, which a path gets that
        stands still but for one jump.

    Raises:
        ValueError: for other shapes, NaN or infinity.
    """
    features = np.asarray(features, np.float64)
    if features.ndim != 3 or features.shape[1] < 3:
        raise ValueError(
            f"expected features (paths, 3 or more images, d), got shape {features.shape}"
        )
    if not np.isfinite(features).all():
        raise ValueError("expected finite features, got NaN or infinity")
    steps = np.linalg.norm(np.diff(features, axis=1), axis=2)
    largest, median = steps.max(axis=1), np.median(steps, axis=1)
    # A path that never moves is even, too.
    still = largest == 0
    least = np.maximum(median, largest / steps.shape[1])
    return np.where(still, 1.0, largest / np.where(still, 1.0, least))
