"""Precision, recall, density, coverage: is what is generated real, is all that is real there?

Each set's manifold is the union of balls around its members, as wide as the distance to the k-th
nearest other member.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from zoo.metrics.features import require_alike
from zoo.metrics.neighbours import squared_distances, squared_radii

NEIGHBOURS = 5


@dataclasses.dataclass(frozen=True)
class Manifold:
    """How two manifolds lie to each other.

    Args:
        precision: Share of generated members inside the real manifold, 0 to 1.
        recall: Share of real members inside the generated manifold, 0 to 1.
        density: Real balls that hold a generated member, on average, divided by k; about 1 for
            equal distributions, above it where generated members crowd the densest places.
        coverage: Share of real balls that hold a generated member, 0 to 1.
    """

    precision: float
    recall: float
    density: float
    coverage: float


def manifold_scores(real: np.ndarray, generated: np.ndarray, k: int = NEIGHBOURS) -> Manifold:
    """Measures precision, recall, density and coverage.

    Kynkäänniemi et al. 2019, eq. 1 and 2; Naeem et al. 2020, section 3. A member is inside a ball
    when its distance to the centre is less than the radius; no member counts as its own neighbour.
    All four depend on the sizes of the sets: compare equal n and m only.

    Args:
        real: Features (n, d).
        generated: Features (m, d).
        k: The neighbour that gives a ball its radius.

    Returns:
        The four measures, computed in float64. Memory grows with (n + m) d, not with n m.

    Raises:
        ValueError: for features that do not fit each other, or k not below n and m.
    """
    require_alike(real, generated)
    real_radii, generated_radii = squared_radii(real, k), squared_radii(generated, k)
    balls = np.zeros(len(generated), int)
    recalled = covered = 0
    for part, squares in squared_distances(real, generated):
        inside = squares < real_radii[part, None]
        balls += inside.sum(axis=0)
        covered += int(inside.any(axis=1).sum())
        recalled += int((squares < generated_radii).any(axis=1).sum())
    return Manifold(
        precision=float(np.mean(balls > 0)),
        recall=recalled / len(real),
        density=float(balls.sum() / (k * len(generated))),
        coverage=covered / len(real),
    )
