"""Where generated images are compared with real ones: a judge's features, or aligned pixels."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from zoo import data
from zoo.evaluation.common import chunks, in_chunks, judge_of
from zoo.generation import Generator
from zoo.metrics.alignment import comparisons, nearest_aligned
from zoo.metrics.memorisation import Search
from zoo.metrics.neighbours import nearest

# Multiplications that it may take to search for the generated images: a minute or so on two cores.
# The held-out ones are searched for as well, which takes as long again where they are as many.
ALIGNED = 1.5e12


@dataclasses.dataclass(frozen=True)
class Space:
    """What images are turned into, and what finds the nearest of it.

    Args:
        name: What the names of the metrics end with; a judge's architecture.
        note: The same in full; a judge's name and version.
        rows: A function from uint8 images (n, height, width, channels) to what is compared.
        search: What finds the nearest.
        judged: Whether these are features, in which distances of distributions mean something.
    """

    name: str
    note: str
    rows: Callable[[np.ndarray], np.ndarray]
    search: Search
    judged: bool

    def of(self, images: np.ndarray) -> np.ndarray:
        """Returns the rows of images, computed chunk by chunk."""
        return in_chunks(self.rows, images)

    def of_generated(self, generator: Generator, count: int) -> np.ndarray:
        """Returns the rows of the images of the seeds 0 to count - 1, a chunk drawn at once."""
        return np.concatenate(
            [
                self.rows(generator.generate(part.stop - part.start, seed=part.start))
                for part in chunks(count)
            ]
        )

    def most(self, wanted: int, real: int, shape: tuple[int, ...]) -> int:
        """Returns how many of the images wanted can be held against so many real ones in time.

        Args:
            wanted: How many it would be.
            real: Real images, trained on or held out.
            shape: (height, width, channels) of an image.
        """
        if self.judged:
            return wanted
        return min(wanted, max(1, int(ALIGNED / (real * comparisons(shape)))))


def space_of(name: str) -> Space:
    """Returns the features of a data set's judge, or pixels where it has none that is stored."""
    judge = judge_of(data.get(name).judge, name)
    if judge is None:
        note = "aligned pixels, of one mean and contrast"
        return Space("pixels", note, lambda images: images, nearest_aligned, judged=False)
    note = f"features of {judge.card.name}@{judge.card.version}"
    architecture = judge.card.name.partition(".")[0]
    return Space(architecture, note, judge.features, nearest, judged=True)
