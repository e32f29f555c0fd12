"""Whether generated images are copies of training images."""

from __future__ import annotations

import dataclasses

import numpy as np

from zoo.metrics.features import require_alike
from zoo.metrics.neighbours import nearest

PERCENTILE = 5.0


@dataclasses.dataclass(frozen=True)
class Memorisation:
    """How near generated images lie to training images.

    Args:
        share: Of generated images, those no farther from a training image than `threshold`.
        threshold: The percentile of the distances of held-out images to their nearest training
            images.
        index: Of the training image that is nearest to each generated one, int (n,).
        distance: To that image, float64 (n,).
    """

    share: float
    threshold: float
    index: np.ndarray
    distance: np.ndarray


def memorisation(
    generated: np.ndarray,
    held_out: np.ndarray,
    training: np.ndarray,
    percentile: float = PERCENTILE,
) -> Memorisation:
    """Compares distances to the training images with those that images never trained on have.

    Real images that were held out lie as near to the training images as chance has it; so many
    generated images lie nearer only where the generator repeats what it saw. A few copies among
    many images show, which they would not in a test of the two medians (Meehan et al. 2020 cut
    space into cells for that). Nearness alone is no proof: typical images lie where the training
    images are dense. Look at the pairs.

    Args:
        generated: Features (n, d).
        held_out: Features (m, d) of real images that were not trained on.
        training: Features (t, d).
        percentile: Of the held-out distances, 0 to 100: the threshold.

    Returns:
        The share, about percentile / 100 for a generator as good as fresh data and 1 for copies;
        below it where what is generated is far from all that is real. Memory grows with
        (n + m + t) d.

    Raises:
        ValueError: for features that do not fit each other.
    """
    require_alike(generated, held_out, training, least=1)
    index, distance = nearest(generated, training)
    threshold = float(np.percentile(nearest(held_out, training)[1], percentile))
    return Memorisation(float(np.mean(distance <= threshold)), threshold, index, distance)
