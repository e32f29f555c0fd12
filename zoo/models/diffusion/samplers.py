"""The samplers by name, each as the columns of its table.

Throughout r = sigma / alpha, and a prime marks the level that a step ends at. In coordinates
y = x / alpha the probability-flow equation is dy/dr = (y - D) / r (Song et al. 2021, eq. 14; Karras
et al. 2022, eq. 1 and 3).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from zoo.checks import is_number
from zoo.errors import InvalidInputError, UnknownModelError
from zoo.models.diffusion.sampler import Sampler
from zoo.models.diffusion.schedules import NoiseSchedule

Columns = dict[str, np.ndarray]

# Linear schedules of 1000 steps end at 0.006, the cosine at 0.00005.
_LEAST_ALPHA = 1e-3


class DDIM(Sampler):
    """Denoising diffusion implicit models (Song et al. 2021, eq. 12 and 16).

    x' = alpha' D + sqrt(sigma'^2 - s^2) e + s z, where the noise e = (x - alpha D) / sigma is in x
    and s = eta (sigma' / sigma) sqrt(1 - alpha^2 / alpha'^2). So x has the factor
    c = sqrt(sigma'^2 - s^2) / sigma, and D has alpha' - c alpha. The noise follows from the clipped
    estimate where that is clipped.

    Args:
        schedule: As for `Sampler`.
        prediction: Likewise.
        eta: 0 adds no noise, 1 as much as DDPM.
        **options: As for `Sampler`.
    """

    name = "ddim"
    default_spacing = "leading"

    def __init__(
        self, schedule: NoiseSchedule, prediction: str, *, eta: float = 0.0, **options: Any
    ) -> None:
        super().__init__(schedule, prediction, **options)
        if not is_number(eta) or not 0 <= eta <= 1:
            raise InvalidInputError(f"eta must be 0 to 1, got {eta!r}")
        self.eta = float(eta)

    def rows(
        self, alpha: np.ndarray, sigma: np.ndarray, next_alpha: np.ndarray, next_sigma: np.ndarray
    ) -> Columns:
        return _implicit(self.eta, alpha, sigma, next_alpha, next_sigma)


class DDPM(Sampler):
    """The denoising diffusion process itself (Ho et al. 2020, algorithm 2), from level to level.

    x' is drawn from the posterior q(x' | x, D) of eq. 7, with its variance
    (sigma'^2 / sigma^2) (1 - a), a = alpha^2 / alpha'^2. That is DDIM with eta 1: the variance is
    s^2, and as sigma^2 - (1 - a) = a sigma'^2, the factor c = sqrt(sigma'^2 - s^2) / sigma is
    sqrt(a) sigma'^2 / sigma^2, which x has in eq. 7.
    """

    name = "ddpm"
    default_spacing = "leading"

    def rows(
        self, alpha: np.ndarray, sigma: np.ndarray, next_alpha: np.ndarray, next_sigma: np.ndarray
    ) -> Columns:
        return _implicit(1.0, alpha, sigma, next_alpha, next_sigma)


class Euler(Sampler):
    """Euler's method in y and r (Karras et al. 2022, algorithm 1 without its second half).

    y' = y + (r' - r) (y - D) / r gives x' = alpha' y' = (sigma' / sigma) x + (alpha' -
    alpha sigma' / sigma) D, which is DDIM without noise. It visits other timesteps, also such as
    lie between two of the schedule's.
    """

    name = "euler"
    fractional = True

    def rows(
        self, alpha: np.ndarray, sigma: np.ndarray, next_alpha: np.ndarray, next_sigma: np.ndarray
    ) -> Columns:
        return _implicit(0.0, alpha, sigma, next_alpha, next_sigma)


class Heun(Sampler):
    """Heun's method in y and r, second order (Karras et al. 2022, algorithm 1 without churn).

    The first row is Euler's and leads to x_e. The second sees x_e at the next level, gives D_e, and
    takes the mean of both slopes: y' = y + (r' - r) ((y - D) / r + (y_e - D_e) / r') / 2. With
    q = r' / r = (sigma' / sigma) (alpha / alpha'), x' = alpha' y' has the factors

        x: (alpha' / alpha + sigma' / sigma) / 2,   D: alpha' (1 - q) / 2,
        x_e: (1 - 1 / q) / 2,                       D_e: -alpha' (1 - 1 / q) / 2.

    A step to r' = 0 has no second slope, and one from an infinite r no first: both are Euler's. So
    is one from where alpha is below 1e-3: its factors would be hundreds, of differences of nothing.
    """

    name = "heun"
    fractional = True

    def rows(
        self, alpha: np.ndarray, sigma: np.ndarray, next_alpha: np.ndarray, next_sigma: np.ndarray
    ) -> Columns:
        first = _implicit(0.0, alpha, sigma, next_alpha, next_sigma)
        whole = (next_sigma > 0) & (alpha >= _LEAST_ALPHA)
        a, s, a_next, s_next = (one[whole] for one in (alpha, sigma, next_alpha, next_sigma))
        q = (s_next / s) * (a / a_next)
        second = {
            "sample": (1 - 1 / q) / 2,
            "denoised": -a_next * (1 - 1 / q) / 2,
            "last_denoised": a_next * (1 - q) / 2,
            "kept_sample": (a_next / a + s_next / s) / 2,
            "keep": np.zeros(len(q), bool),
            "second": np.ones(len(q), bool),
        }
        nothing = np.zeros(len(alpha))
        first |= {"last_denoised": nothing, "kept_sample": nothing, "keep": whole}
        first["second"] = nothing.astype(bool)
        steps = np.arange(len(alpha))
        steps = np.concatenate([steps, steps[whole]])
        # Stable: the second row of a step comes after its first.
        order = np.argsort(steps, kind="stable")
        columns = {key: np.concatenate([first[key], second[key]])[order] for key in second}
        return {"step": steps[order], **columns}


class DPMSolver(Sampler):
    """DPM-Solver++(2M), second order from one evaluation a step (Lu et al. 2022, algorithm 2).

    With l = log(alpha / sigma), h = l' - l and h_0 the step before, the estimate is carried on in
    a straight line to the middle of the step, D + (D - D_kept) h / (2 h_0), and the rest is exact:
    x' = (sigma' / sigma) x + alpha' (1 - exp(-h)) (…). As exp(-h) = alpha sigma' / (alpha' sigma),
    alpha' (1 - exp(-h)) is Euler's factor of D. The first step and the last are of first order, and
    so is one after a step from r = infinity, whose h_0 is infinite.
    """

    name = "dpm_solver++"
    ends_at_last_point = True

    def rows(
        self, alpha: np.ndarray, sigma: np.ndarray, next_alpha: np.ndarray, next_sigma: np.ndarray
    ) -> Columns:
        columns = _implicit(0.0, alpha, sigma, next_alpha, next_sigma)
        ahead = np.zeros(len(alpha))
        if len(alpha) > 2:
            with np.errstate(divide="ignore"):
                h = np.diff(np.log(alpha) - np.log(sigma))
            ahead[1:-1] = h[1:] / (2 * h[:-1])
        factor = columns["denoised"]
        return {
            **columns,
            "denoised": factor * (1 + ahead),
            "last_denoised": -factor * ahead,
            "keep": np.ones(len(alpha), bool),
        }


def _implicit(
    eta: float,
    alpha: np.ndarray,
    sigma: np.ndarray,
    next_alpha: np.ndarray,
    next_sigma: np.ndarray,
) -> Columns:
    """The columns of DDIM."""
    noise = eta * next_sigma / sigma * np.sqrt(np.maximum(0.0, 1.0 - (alpha / next_alpha) ** 2))
    factor = np.sqrt(np.maximum(0.0, next_sigma**2 - noise**2)) / sigma
    return {"sample": factor, "denoised": next_alpha - factor * alpha, "noise": noise}


SAMPLERS: dict[str, type[Sampler]] = {one.name: one for one in (DDPM, DDIM, Euler, Heun, DPMSolver)}


def sampler_of(
    config: str | Mapping[str, Any], schedule: NoiseSchedule, prediction: str, **defaults: Any
) -> Sampler:
    """Makes a sampler from its name or its configuration.

    Args:
        config: A name in `SAMPLERS`, or `{"name": name, option: value, …}`.
        schedule: The noise that the denoiser was trained with.
        prediction: What it predicts.
        **defaults: Options for where the configuration says nothing, such as `clip=True`.

    Raises:
        UnknownModelError: for an unknown name.
        InvalidInputError: for an option that the sampler does not have, or as it refuses.
    """
    options = {"name": config} if isinstance(config, str) else dict(config)
    name = str(options.pop("name", None))
    if name not in SAMPLERS:
        raise UnknownModelError(name, SAMPLERS, kind="sampler")
    sampler = SAMPLERS[name]
    options = {**defaults, **options}
    sampler.require_options(options)
    return sampler(schedule, prediction, **options)
