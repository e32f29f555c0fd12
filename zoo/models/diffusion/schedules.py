"""Noise schedules: how much of an image and how much noise there is at each timestep."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from zoo.checks import is_whole
from zoo.errors import InvalidInputError, did_you_mean, nearest

# Nichol and Dhariwal 2021, section 3.2: the offset s of the cosine, and the largest beta.
_COSINE_OFFSET, _LARGEST_BETA = 0.008, 0.999


class NoiseSchedule:
    """The variance-preserving diffusion x_t = alpha(t) x_0 + sigma(t) noise.

    With betas b_1, …, b_T (Ho et al. 2020, section 2) alpha(t)^2 is the product of 1 - b_s over
    s up to t, and sigma(t)^2 = 1 - alpha(t)^2. A timestep t is an integer from 0 to T - 1 and
    stands for the paper's t + 1: at 0 there is a little noise, at T - 1 little else.

    - `linear`: betas in a straight line (Ho et al. 2020, section 4).
    - `scaled_linear`: the roots of the betas in a straight line (Rombach et al. 2022, their code).
    - `cosine`: alpha(t) follows a quarter of a cosine (Nichol and Dhariwal 2021, eq. 17).

    All numbers are float64.

    Args:
        name: One of these.
        steps: Number of timesteps T.
        beta_start: The first beta; None is the paper's. The cosine has none.
        beta_end: The last.
        zero_terminal_snr: Whether the schedule is rescaled so that at T - 1 there is nothing but
            noise (Lin et al. 2024, algorithm 1). `epsilon` cannot be predicted then.

    Attributes:
        betas: (T,).
        alphas_cumprod: alpha(t)^2, (T,).

    Raises:
        InvalidInputError: for an unknown name, fewer than 2 steps, or betas out of order.

    Example:
        schedule = NoiseSchedule("cosine")
        noisy = schedule.add_noise(images, noise, timestep=500)
    """

    def __init__(
        self,
        name: str = "linear",
        *,
        steps: int = 1000,
        beta_start: float | None = None,
        beta_end: float | None = None,
        zero_terminal_snr: bool = False,
    ) -> None:
        if name not in SCHEDULES:
            near = did_you_mean(nearest(str(name), SCHEDULES))
            raise InvalidInputError(f"schedule must be {', '.join(SCHEDULES)}, got {name!r}{near}")
        if not is_whole(steps) or steps < 2:
            raise InvalidInputError(f"a noise schedule has at least 2 steps, got {steps!r}")
        make, first, last = SCHEDULES[name]
        if first is None and (beta_start, beta_end) != (None, None):
            raise InvalidInputError(f"the schedule {name} has no beta_start and no beta_end")
        self.name = name
        self.steps = steps
        self.beta_start = first if beta_start is None else float(beta_start)
        self.beta_end = last if beta_end is None else float(beta_end)
        self.zero_terminal_snr = bool(zero_terminal_snr)
        if first is not None and not 0 < (self.beta_start or 0) <= (self.beta_end or 0) < 1:
            raise InvalidInputError(
                "betas rise from above 0 to below 1, got "
                f"beta_start {self.beta_start} and beta_end {self.beta_end}"
            )
        self.betas: np.ndarray = make(steps, self.beta_start, self.beta_end)
        if self.zero_terminal_snr:
            self.betas = _rescaled(self.betas)
        self.alphas_cumprod: np.ndarray = np.cumprod(1.0 - self.betas)

    def alpha(self, timestep: Any) -> np.ndarray:
        """Returns the share of the image, in [0, 1], at timesteps from 0 to T - 1; see `ratio`."""
        return 1.0 / np.sqrt(1.0 + self.ratio(timestep) ** 2)

    def sigma(self, timestep: Any) -> np.ndarray:
        """Returns the share of the noise, in [0, 1], at timesteps from 0 to T - 1; see `ratio`."""
        return np.sqrt(1.0 - self.alpha(timestep) ** 2)

    def ratio(self, timestep: Any) -> np.ndarray:
        """Returns sigma(t) / alpha(t), infinite where there is nothing but noise.

        Between two timesteps it is interpolated in a straight line, as diffusers' samplers with
        fractional timesteps do.

        Args:
            timestep: Numbers from 0 to T - 1, of any shape.

        Raises:
            InvalidInputError: for timesteps out of range.
        """
        times = np.asarray(timestep, np.float64)
        if times.size and not (times.min() >= 0 and times.max() <= self.steps - 1):
            raise InvalidInputError(
                f"timesteps are 0 to {self.steps - 1}, got {times.min():g} to {times.max():g}"
            )
        with np.errstate(divide="ignore"):
            known = np.sqrt((1.0 - self.alphas_cumprod) / self.alphas_cumprod)
        before = np.floor(times).astype(int)
        after = np.minimum(before + 1, self.steps - 1)
        share = times - before
        # At an integer the neighbour counts for nothing, though it be infinite.
        beyond = np.where(share > 0, known[after], 0.0)
        return (1.0 - share) * known[before] + share * beyond

    def add_noise(self, images: Any, noise: Any, timestep: Any) -> Any:
        """Returns alpha(t) images + sigma(t) noise.

        Args:
            images: Floats (batch, …), as a rule in [-1, 1].
            noise: Of the same shape, from N(0, 1).
            timestep: One for all, or one for each example, (batch,).

        Raises:
            InvalidInputError: for timesteps out of range.
        """
        # Numbers stay Python's, which take on the images' type; arrays are brought to it.
        shape = (-1, *[1] * (len(images.shape) - 1))
        alpha, sigma = (
            level.reshape(shape).astype(np.float32) if np.ndim(timestep) else float(level)
            for level in (self.alpha(timestep), self.sigma(timestep))
        )
        return noised(images, noise, alpha, sigma)

    def config(self) -> dict[str, Any]:
        """Returns what JSON can hold and `from_config` makes the same schedule of."""
        betas = {"beta_start": self.beta_start, "beta_end": self.beta_end}
        return {
            "name": self.name,
            "steps": self.steps,
            **{key: value for key, value in betas.items() if value is not None},
            "zero_terminal_snr": self.zero_terminal_snr,
        }

    @classmethod
    def from_config(cls, config: str | Mapping[str, Any]) -> NoiseSchedule:
        """Makes the schedule of a name or a configuration, such as `{"name": "cosine"}`.

        Raises:
            InvalidInputError: for an option that there is none of, and as for the constructor.
        """
        if isinstance(config, str):
            return cls(config)
        known = ("name", "steps", "beta_start", "beta_end", "zero_terminal_snr")
        for option in config:
            if option not in known:
                near = did_you_mean(nearest(str(option), known))
                raise InvalidInputError(f"a noise schedule has no {option!r}{near}")
        return cls(**config)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, NoiseSchedule) and self.config() == other.config()

    def __hash__(self) -> int:
        return hash(tuple(self.config().values()))

    def __repr__(self) -> str:
        return f"NoiseSchedule({', '.join(f'{k}={v!r}' for k, v in self.config().items())})"


def noised(images: Any, noise: Any, alpha: Any, sigma: Any) -> Any:
    """Returns alpha images + sigma noise, of arrays or tensors that broadcast."""
    return alpha * images + sigma * noise


def _linear(steps: int, start: float, end: float) -> np.ndarray:
    return np.linspace(start, end, steps)


def _scaled_linear(steps: int, start: float, end: float) -> np.ndarray:
    return np.linspace(math.sqrt(start), math.sqrt(end), steps) ** 2


def _cosine(steps: int, start: None, end: None) -> np.ndarray:
    time = np.arange(steps + 1) / steps
    levels = np.cos((time + _COSINE_OFFSET) / (1 + _COSINE_OFFSET) * math.pi / 2) ** 2
    return np.minimum(1.0 - levels[1:] / levels[:-1], _LARGEST_BETA)


def _rescaled(betas: np.ndarray) -> np.ndarray:
    """Shifts alpha so that the last is 0, and scales it so that the first stays (algorithm 1)."""
    alpha = np.sqrt(np.cumprod(1.0 - betas))
    alpha = (alpha - alpha[-1]) * alpha[0] / (alpha[0] - alpha[-1])
    levels = alpha**2
    return 1.0 - np.concatenate([levels[:1], levels[1:] / levels[:-1]])


# What makes the betas, and the papers' first and last, by name.
SCHEDULES: dict[str, tuple[Callable[..., np.ndarray], float | None, float | None]] = {
    "linear": (_linear, 1e-4, 0.02),
    "scaled_linear": (_scaled_linear, 0.00085, 0.012),
    "cosine": (_cosine, None, None),
}
