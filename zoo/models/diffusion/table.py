"""What every sampler comes down to: a table with one row for each evaluation of the network."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from zoo.checks import is_number
from zoo.errors import InvalidInputError


@dataclasses.dataclass(frozen=True)
class SamplingTable:
    """The rows by which noise becomes an image.

    In row i the network sees x at level (alpha, sigma) and gives the image D that it takes x for.
    Then

        x  ←  sample · x + denoised · D + last_denoised · D_kept + kept_sample · x_kept + noise · z

    with z from N(0, 1), and where `keep` says so the x and D of before that line become x_kept and
    D_kept. Before the first row these are zeros. In such coordinates, x = alpha x0 + sigma noise,
    every sampler here has this form, so that one loop serves them all.

    Args:
        timestep: What the network is told, float64 (n,), as are all that follow.
        alpha: Share of the image in x.
        sigma: Share of the noise in x.
        sample: Factor of x.
        denoised: Factor of D.
        last_denoised: Factor of D_kept.
        kept_sample: Factor of x_kept; not 0 in the second row of a step that has two.
        noise: Deviation of the fresh noise; 0 throughout where the sampler is deterministic.
        keep: Booleans (n,).
        next_alpha: Share of the image after the row; 1 after the last.
        next_sigma: Share of the noise; 0 after the last.
        clip: Whether D is clipped to [-1, 1].
    """

    timestep: np.ndarray
    alpha: np.ndarray
    sigma: np.ndarray
    sample: np.ndarray
    denoised: np.ndarray
    last_denoised: np.ndarray
    kept_sample: np.ndarray
    noise: np.ndarray
    keep: np.ndarray
    next_alpha: np.ndarray
    next_sigma: np.ndarray
    clip: bool = False

    def __len__(self) -> int:
        return len(self.timestep)

    @property
    def is_stochastic(self) -> bool:
        """Whether any row adds noise."""
        return bool(self.noise.any())

    def columns(self) -> dict[str, np.ndarray]:
        """Returns the arrays by their names."""
        return {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if field.name != "clip"
        }

    def since(self, index: int) -> SamplingTable:
        """Returns the rows from `index` on, as `start_index` gives it; none for `len(table)`.

        What the first of them would take from the row before it, it takes from itself: with
        D_kept = D a multistep row is one of first order.
        """
        columns = {name: column[index:].copy() for name, column in self.columns().items()}
        if index < len(self):
            columns["denoised"][0] += columns["last_denoised"][0]
            columns["last_denoised"][0] = 0.0
        return SamplingTable(**columns, clip=self.clip)


def start_index(table: SamplingTable, strength: float) -> int:
    """Returns at which row to begin with a noisy image in place of noise.

    Of n steps the last `strength` · n are taken, rounded. The image begins with the noise of that
    row, `alpha[index]` and `sigma[index]`; at `len(table)` it stays as it is.

    Args:
        table: The whole table.
        strength: From 0, which changes nothing, to 1, which starts from the noisiest level.

    Raises:
        InvalidInputError: for a strength outside 0 to 1.

    Example:
        rows = table.since(start_index(table, 0.6))
    """
    if not is_number(strength):
        raise InvalidInputError(f"strength must be a number from 0 to 1, got {strength!r}")
    if not 0 <= strength <= 1:
        raise InvalidInputError(f"strength must be 0 to 1, got {strength}")
    steps = np.flatnonzero(table.kept_sample == 0)
    skipped = len(steps) - math.floor(strength * len(steps) + 0.5)
    return int(steps[skipped]) if skipped < len(steps) else len(table)
