"""Whether generated images are copies of training images."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from zoo.metrics.neighbours import nearest

PERCENTILE = 5.0

# Takes rows, columns and whether row i and column i are the same; see `nearest`.
Search = Callable[[np.ndarray, np.ndarray, bool], tuple[np.ndarray, np.ndarray]]


@dataclasses.dataclass(frozen=True)
class Memorisation:
    """How near generated images lie to training images.

    Args:
        share: Of generated images, those no farther from a training image than `threshold`.
        threshold: The percentile of the distances of held-out images to their nearest training
            images.
        nearer: Share of generated images that are nearer to a training image than to any held-out
            one.
        nearer_held_out: The same of held-out images, each against the other ones. Where splits hold
            few pictures of each thing this is more than fresh images have: of ten pictures of a
            person, two of them held out, one in nine is left to compete with eight, not two in ten.
        expected: What `nearer` is on average when it is chance which of the real images were
            trained on: the share of these that were.
        deviation: How far it then lies from that, as a standard deviation over all splits.
        index: Of the training image that is nearest to each generated one, int (n,).
        distance: To that image, float64 (n,).
    """

    share: float
    threshold: float
    nearer: float
    nearer_held_out: float
    expected: float
    deviation: float
    index: np.ndarray
    distance: np.ndarray


def memorisation(
    generated: np.ndarray,
    held_out: np.ndarray,
    training: np.ndarray,
    percentile: float = PERCENTILE,
    search: Search = nearest,
) -> Memorisation:
    """Compares generated images with the training images and with real images held out.

    `share`: real images that were held out lie as near to the training images as chance has it;
    so many generated images lie nearer only where the generator repeats what it saw. A few copies
    among many images show, which they would not in a test of the two medians (Meehan et al. 2020
    cut space into cells for that). It misses copies that are altered by more than the nearest
    real images differ, as they do where several pictures of one thing were taken.

    `nearer` does not: an altered copy is still nearer to its original than to what was held out
    (Platzer and Reutterer 2021, "share closer to train"). Let image i of all N real ones be the
    nearest of a share w_i of what is generated. For a generator that does not know which t of them
    were trained on and which m were not, all splits are alike, and the sum of w_i over a random
    t has the mean t / N and the variance t m / N · (Σ w_i² - 1/N) / (N - 1), that of drawing
    without replacement.

    Args:
        generated: Features (n, d), or images where `search` takes these.
        held_out: The same of m real images that were not trained on. The first n of them are
            compared in their turn.
        training: The same of t training images.
        percentile: Of the held-out distances, 0 to 100: the threshold.
        search: What finds the nearest: `nearest`, or `zoo.metrics.alignment.nearest_aligned`.

    Returns:
        Among others the share, about percentile / 100 for a generator as good as fresh data and 1
        for copies; below it where what is generated is far from all that is real. Memory is that
        of `search`.

    Raises:
        ValueError: for fewer than 2 held-out images, or what does not fit each other.
    """
    if len(held_out) < 2:
        raise ValueError(f"expected 2 held-out images or more, got {len(held_out)}")
    index, distance = search(generated, training, False)
    other_index, other_distance = search(generated, held_out, False)
    asked = held_out[: len(generated)]
    _, asked_distance = search(asked, training, False)
    threshold = float(np.percentile(asked_distance, percentile))
    trained = distance < other_distance
    weights = np.concatenate(
        [
            np.bincount(index[trained], minlength=len(training)),
            np.bincount(other_index[~trained], minlength=len(held_out)),
        ]
    ) / len(generated)
    t, m = len(training), len(held_out)
    spread = np.sum(weights**2) - 1 / (t + m)
    variance = t * m / (t + m) * spread / (t + m - 1)
    return Memorisation(
        share=float(np.mean(distance <= threshold)),
        threshold=threshold,
        nearer=_share_nearer(distance, other_distance),
        nearer_held_out=_share_nearer(asked_distance, search(asked, held_out, True)[1]),
        expected=t / (t + m),
        deviation=float(np.sqrt(max(0.0, variance))),
        index=index,
        distance=distance,
    )


def _share_nearer(one: np.ndarray, other: np.ndarray) -> float:
    """Returns the share of the first distances that are less; a tie counts half."""
    return float(np.mean(one < other) + np.mean(one == other) / 2)
