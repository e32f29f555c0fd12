"""What all samplers share: the timesteps they visit, their configuration, one step."""

from __future__ import annotations

import inspect
from typing import Any, ClassVar

import numpy as np

from zoo.checks import is_whole
from zoo.errors import InvalidInputError, did_you_mean, nearest
from zoo.models.diffusion.predictions import denoised, require_prediction
from zoo.models.diffusion.schedules import NoiseSchedule
from zoo.models.diffusion.table import SamplingTable

SPACINGS = ("leading", "trailing", "linspace")
FINAL_LEVELS = ("clean", "first")
# Factors that a sampler may do without.
_OPTIONAL = ("last_denoised", "kept_sample", "noise")


class Sampler:
    """Turns noise into images in a number of steps. A subclass writes `rows`.

    Args:
        schedule: The noise that the denoiser was trained with.
        prediction: What it predicts, one of `PREDICTIONS`.
        spacing: Which n of the T timesteps are visited.

            - `leading`: 0, T // n, 2 (T // n), … and `steps_offset` added to each; the noisiest
              ones are left out.
            - `trailing`: T - 1, T - 1 - T / n, …, rounded; the noisiest one is always there
              (Lin et al. 2024, table 2).
            - `linspace`: from T - 1 to 0 in equal steps.

            None is what the sampler is known for, and `trailing` with zero terminal SNR.
        steps_offset: See `leading`.
        final_level: Where the last step ends: `clean`, without noise, or `first`, with as little
            as at timestep 0.
        clip: Whether each estimate of the image is clipped to [-1, 1]: for images, not for latents.

    Raises:
        InvalidInputError: for an option out of range, and as for `require_prediction`.

    Example:
        sampler = sampler_of("dpm_solver++", NoiseSchedule("cosine"), "v")
        sampler.set_timesteps(20)
        for index, timestep in enumerate(sampler.timesteps):
            x = sampler.step(denoiser(x, timestep), index, x)
    """

    name: ClassVar[str]
    default_spacing: ClassVar[str] = "linspace"
    # Whether `linspace` may fall between two timesteps.
    fractional: ClassVar[bool] = False
    # Whether the least noisy point of `leading` and `linspace` is where the last step ends, not
    # where it begins.
    ends_at_last_point: ClassVar[bool] = False

    def __init__(
        self,
        schedule: NoiseSchedule,
        prediction: str,
        *,
        spacing: str | None = None,
        steps_offset: int = 0,
        final_level: str = "clean",
        clip: bool = False,
    ) -> None:
        require_prediction(prediction, schedule)
        if spacing is None:
            spacing = "trailing" if schedule.zero_terminal_snr else self.default_spacing
        for option, value, known in (
            ("spacing", spacing, SPACINGS),
            ("final_level", final_level, FINAL_LEVELS),
            ("clip", clip, (True, False)),
        ):
            if value not in known:
                names = ", ".join(str(one) for one in known)
                raise InvalidInputError(f"{option} must be {names}, got {value!r}")
        if not is_whole(steps_offset) or not 0 <= steps_offset < schedule.steps:
            raise InvalidInputError(
                f"steps_offset must be 0 to {schedule.steps - 1}, got {steps_offset!r}"
            )
        self.schedule = schedule
        self.prediction = prediction
        self.spacing = spacing
        self.steps_offset = int(steps_offset)
        self.final_level = final_level
        self.clip = bool(clip)
        self._table: SamplingTable | None = None
        self._kept: tuple[Any, Any] = (0.0, 0.0)

    # What a subclass writes.

    def rows(
        self, alpha: np.ndarray, sigma: np.ndarray, next_alpha: np.ndarray, next_sigma: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Returns the table's factors, a row for each step from a level to the next.

        Those left out are 0. Where some steps have a second row, `step`, integers, says which step
        each row belongs to, and `second`, booleans, which rows see what their step leads to.
        """
        raise NotImplementedError

    # The table and what applies it.

    def table(self, num_inference_steps: int) -> SamplingTable:
        """Returns the rows of a number of steps.

        Raises:
            InvalidInputError: for less than one step, or more than the schedule has.
        """
        times = self.spaced(num_inference_steps)
        # Levels from the first to the last, and one more, at which the last step ends.
        alpha, sigma = self.schedule.alpha(times), self.schedule.sigma(times)
        clean = self.final_level == "clean"
        alpha = np.append(alpha, 1.0 if clean else self.schedule.alpha(0))
        sigma = np.append(sigma, 0.0 if clean else self.schedule.sigma(0))
        factors = self.rows(alpha[:-1], sigma[:-1], alpha[1:], sigma[1:])
        steps = factors.pop("step", np.arange(len(times)))
        seen = steps + factors.pop("second", np.zeros(len(steps), bool))
        nothing = {name: np.zeros(len(steps)) for name in _OPTIONAL}
        return SamplingTable(
            **{
                "timestep": np.append(times, 0.0)[seen],
                "alpha": alpha[seen],
                "sigma": sigma[seen],
                "next_alpha": alpha[steps + 1],
                "next_sigma": sigma[steps + 1],
                "keep": np.zeros(len(steps), bool),
                **nothing,
                **factors,
            },
            clip=self.clip,
        )

    def spaced(self, num_inference_steps: int) -> np.ndarray:
        """Returns the timesteps of a number of steps, falling, float64."""
        total, count = self.schedule.steps, num_inference_steps
        if not is_whole(count) or not 1 <= count <= total:
            raise InvalidInputError(
                f"num_inference_steps must be 1 to {total}, the steps of the noise schedule, "
                f"got {count!r}"
            )
        if self.spacing == "trailing":
            return np.round(total - np.arange(count) * (total / count)) - 1.0
        points = count + self.ends_at_last_point
        if self.spacing == "linspace":
            # Of one point it is the noisiest.
            times: np.ndarray = np.linspace(total - 1.0, 0.0, points)
            times = times if self.fractional else np.round(times)
        else:
            times = np.arange(points)[::-1] * float(max(1, total // points)) + self.steps_offset
        times = np.minimum(times[:count], total - 1.0)
        # As many steps as the schedule has may round to the same one.
        return np.unique(times)[::-1]

    def set_timesteps(self, num_inference_steps: int) -> None:
        """Makes ready for images in so many steps; see `table`."""
        self._table = self.table(num_inference_steps)
        self._kept = (0.0, 0.0)

    @property
    def timesteps(self) -> np.ndarray:
        """What the network is told in each evaluation, float64 (n,)."""
        return self._ready().timestep

    def step(
        self, output: np.ndarray, index: int, sample: np.ndarray, noise: np.ndarray | None = None
    ) -> np.ndarray:
        """Goes through one row of the table. Rows are taken in order, from 0 on.

        Args:
            output: The network's answer to `sample` at `timesteps[index]`.
            index: The row.
            sample: The noisy images (batch, …).
            noise: From N(0, 1), of the same shape, for samplers that add some.

        Returns:
            The less noisy images.

        Raises:
            InvalidInputError: before `set_timesteps`, for a row that there is none of, and without
                the noise that a row needs.
        """
        table = self._ready()
        if not 0 <= index < len(table):
            raise InvalidInputError(f"index must be 0 to {len(table) - 1}, got {index}")
        row = {name: float(column[index]) for name, column in table.columns().items()}
        estimate = denoised(self.prediction, output, sample, row["alpha"], row["sigma"])
        if self.clip:
            estimate = np.clip(estimate, -1.0, 1.0)
        kept_sample, kept_estimate = (0.0, 0.0) if index == 0 else self._kept
        moved = (
            row["sample"] * sample
            + row["denoised"] * estimate
            + row["last_denoised"] * kept_estimate
            + row["kept_sample"] * kept_sample
        )
        if row["noise"]:
            if noise is None:
                raise InvalidInputError(f"the sampler {self.name} needs noise at row {index}")
            moved = moved + row["noise"] * noise
        if row["keep"]:
            self._kept = (sample, estimate)
        return moved

    def add_noise(self, images: Any, noise: Any, timestep: Any) -> Any:
        """Returns alpha(t) images + sigma(t) noise; see `NoiseSchedule.add_noise`."""
        return self.schedule.add_noise(images, noise, timestep)

    # The configuration.

    @classmethod
    def options(cls) -> list[str]:
        """Returns the names of the options."""
        parameters = {**inspect.signature(Sampler).parameters, **inspect.signature(cls).parameters}
        return [key for key, p in parameters.items() if p.kind is inspect.Parameter.KEYWORD_ONLY]

    def config(self) -> dict[str, Any]:
        """Returns name and options, which JSON can hold; `sampler_of` makes the same of them."""
        return {"name": self.name, **{option: getattr(self, option) for option in self.options()}}

    @classmethod
    def require_options(cls, options: Any) -> None:
        """Raises `InvalidInputError` for an option that the sampler does not have."""
        known = cls.options()
        for option in options:
            if option not in known:
                near = did_you_mean(nearest(str(option), known))
                raise InvalidInputError(f"the sampler {cls.name} has no option {option!r}{near}")

    def _ready(self) -> SamplingTable:
        if self._table is None:
            raise InvalidInputError("call set_timesteps before the first step")
        return self._table
