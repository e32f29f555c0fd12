"""The time a denoiser is told, and what it knows of the diffusion it was trained with."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import keras
from keras import ops

from zoo.errors import InvalidInputError
from zoo.models.diffusion.predictions import require_prediction
from zoo.models.diffusion.schedules import NoiseSchedule

# Of frequencies from 1 down to 1 / 10000, for times from 0 to 1000 (Ho et al. 2020, appendix B).
_SLOWEST, _SPAN = 10_000.0, 1000.0


@keras.saving.register_keras_serializable("zoo")
class DiffusionTime(keras.layers.Layer):
    """Timesteps as cosines and sines of falling frequencies (Vaswani et al. 2017, section 3.5).

    Its configuration says which noise schedule and which prediction the network is trained with, so
    that these travel with the weights; `diffusion_of` reads them.

    Args:
        schedule: Name or configuration of a `NoiseSchedule`.
        prediction: One of `PREDICTIONS`.
        dimension: Numbers given, even.

    Shape:
        (batch,), from 0 to the schedule's last step, to (batch, dimension), in [-1, 1].

    Raises:
        InvalidInputError: for a schedule or a prediction that cannot be.
        ValueError: for a dimension that is odd or below 2.
    """

    def __init__(
        self, schedule: str | Mapping[str, Any], prediction: str, dimension: int, **kwargs: Any
    ) -> None:
        if dimension < 2 or dimension % 2:
            raise ValueError(f"the dimension of the time must be even, 2 or more, got {dimension}")
        # Half precision could not tell one timestep from the next.
        super().__init__(autocast=False, **kwargs)
        self.noise_schedule = NoiseSchedule.from_config(schedule)
        require_prediction(prediction, self.noise_schedule)
        self.prediction = prediction
        self.dimension = dimension

    def call(self, inputs: Any) -> Any:
        half = self.dimension // 2
        dtype = keras.backend.standardize_dtype(inputs.dtype)
        exact = dtype if dtype == "float64" else "float32"
        powers = ops.arange(half, dtype=exact) / half
        frequencies = ops.exp(-math.log(_SLOWEST) * powers) * (_SPAN / self.noise_schedule.steps)
        angles = ops.cast(inputs, exact)[:, None] * frequencies[None]
        waves = ops.concatenate([ops.cos(angles), ops.sin(angles)], axis=-1)
        return ops.cast(waves, self.compute_dtype)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (*input_shape, self.dimension)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "schedule": self.noise_schedule.config(),
            "prediction": self.prediction,
            "dimension": self.dimension,
        }


def diffusion_of(denoiser: keras.Model) -> tuple[NoiseSchedule, str]:
    """Returns the noise schedule and the prediction that a denoiser was built for.

    Raises:
        InvalidInputError: for a network without a layer `DiffusionTime`.
    """
    for layer in denoiser.layers:
        if isinstance(layer, DiffusionTime):
            return layer.noise_schedule, layer.prediction
    raise InvalidInputError(f"{denoiser.name} is no denoiser: it has no layer DiffusionTime")
