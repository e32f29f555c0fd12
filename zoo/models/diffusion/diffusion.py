"""Training a denoiser (Ho et al. 2020, algorithm 1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import keras
import numpy as np
from keras import ops
from keras.config import floatx

from zoo.errors import did_you_mean, nearest
from zoo.latents import draw_rows, from_pixels, to_pixels
from zoo.models.diffusion.predictions import target
from zoo.models.diffusion.samplers import sampler_of
from zoo.models.diffusion.schedules import noised
from zoo.models.diffusion.time import diffusion_of
from zoo.sampling import KEPT, SAMPLER, require_guidance
from zoo.training.engine import Batch, Losses, MultiPlayerModel
from zoo.training.noise import CounterSeed

LOSS_WEIGHTS = ("simple", "min_snr")
# Hang et al. 2023, section 3.4: a signal-to-noise ratio above this weighs no more.
_GAMMA = 5.0
# Steps of the samples in the grids.
_STEPS = 10
# Images that are drawn together, for a search asks for thousands.
_AT_ONCE = 250


class DenoisingGame(MultiPlayerModel):
    """One network learns to tell image from noise at every level of noise.

    The loss is the mean of w(t) |answer - target|^2 over images, pixels and timesteps, where the
    denoiser answers to alpha(t) x_0 + sigma(t) noise at a random t. Schedule, prediction and
    classes are those of the denoiser; see `zoo.models.diffusion.unet.denoiser`.

    The timesteps of a batch of n are drawn from n equal parts of all timesteps, one from each, so
    that losses differ less from batch to batch. In evaluation they are the middles of these parts,
    and the noise is always the same, so that epochs can be compared.

    Args:
        networks: `{attribute name: network}`, of which `denoiser` learns.
        loss_weight: `simple`, w = 1 (Ho et al. 2020, eq. 14); or `min_snr` (Hang et al. 2023,
            section 3.4), which makes the error of the image weigh min(snr, 5), with
            snr = alpha^2 / sigma^2.
        label_dropout: How often an image is shown without its label, in [0, 1), so that there is
            an answer without one for guidance to move away from (Ho and Salimans 2022,
            algorithm 1).
        sampling: How the stored model draws where nothing else is asked for, and is measured:
            `sampler`, `num_inference_steps` and `guidance_scale` as for `zoo.sampling.Sampling`,
            whose defaults stand for what is left out. The card keeps them.

    Raises:
        ValueError: for an option out of range, and for `min_snr` with zero terminal SNR, whose last
            timestep would weigh nothing and be learned by nothing.
        InvalidInputError: for a denoiser that is none, and a sampling that cannot be.
        UnknownModelError: for a sampler that there is none of.
    """

    players = {"denoiser": ("denoiser",)}
    rounds: tuple[tuple[str, ...], ...] = (("denoiser",),)
    published: tuple[str, ...] = ("denoiser",)
    # Whether what is diffused lies in [-1, 1].
    clip: ClassVar[bool] = True

    def __init__(
        self,
        networks: Mapping[str, keras.Model],
        *,
        loss_weight: str,
        label_dropout: float,
        sampling: Mapping[str, Any] | None,
        **kwargs: Any,
    ) -> None:
        denoiser = networks["denoiser"]
        self.noise_schedule, self.prediction = diffusion_of(denoiser)
        if loss_weight not in LOSS_WEIGHTS:
            raise ValueError(f"loss_weight must be {' or '.join(LOSS_WEIGHTS)}, got {loss_weight}")
        if loss_weight == "min_snr" and self.noise_schedule.zero_terminal_snr:
            raise ValueError("min_snr gives the last timestep of zero terminal SNR no weight")
        if not 0 <= label_dropout < 1:
            raise ValueError(f"label_dropout must be in [0, 1), got {label_dropout}")
        super().__init__(networks, **kwargs)
        self.loss_weight = loss_weight
        self.label_dropout = label_dropout
        shapes = {name: tensor.shape for name, tensor in denoiser.input.items()}
        self.classes = shapes["label"][-1] if "label" in shapes else 0
        self.sampling = dict(sampling or {})
        self._check_sampling()
        self._sample_shape = tuple(shapes["sample"][1:])
        # A column for each class.
        self.sample_columns = self.classes or None
        times = np.arange(self.noise_schedule.steps)
        self._alpha = self.noise_schedule.alpha(times)
        self._sigma = self.noise_schedule.sigma(times)
        self._weight = _weights(loss_weight, self.prediction, self._alpha, self._sigma)

    def _check_sampling(self) -> None:
        asked = self.sampling
        for option in asked:
            if option not in KEPT:
                near = did_you_mean(nearest(str(option), KEPT))
                raise ValueError(f"sampling is of {', '.join(KEPT)}, got {option!r}{near}")
        kind = asked.get("sampler", SAMPLER)
        sampler = sampler_of(kind, self.noise_schedule, self.prediction, clip=self.clip)
        if "num_inference_steps" in asked:
            sampler.spaced(asked["num_inference_steps"])
        if "guidance_scale" in asked:
            require_guidance(asked["guidance_scale"])
            if not self.classes:
                raise ValueError("guidance_scale needs a denoiser with classes, and this has none")

    # What a subclass may change.

    def encoded(self, images: Any) -> Any:
        """Turns pixels, 0 to 255, into what is diffused: here images in [-1, 1]."""
        return from_pixels(images)

    def decoded(self, samples: np.ndarray) -> np.ndarray:
        """Turns what was drawn into images in [-1, 1]."""
        return samples

    # The method.

    def compute_losses(
        self, batch: Batch, players: Sequence[str], training: bool = True
    ) -> tuple[Losses, Losses]:
        x0 = self.encoded(batch["image"])
        count = ops.shape(x0)[0]
        timestep = self._timesteps(count, training)
        alpha, sigma = (_of(levels, timestep) for levels in (self._alpha, self._sigma))
        seed = self.rng("noise") if training else CounterSeed(self.seed, "evaluation", 0)
        noise = keras.random.normal(ops.shape(x0), seed=seed)
        noisy = noised(x0, noise, alpha, sigma)
        inputs = {"sample": noisy, "timestep": ops.cast(timestep, floatx())}
        if self.classes:
            inputs["label"] = self._labels(batch["label"], count, training)
        answer = ops.cast(self.denoiser(inputs, training=training), floatx())
        error = answer - target(self.prediction, x0, noise, alpha, sigma)
        loss = ops.mean(_of(self._weight, timestep) * ops.square(error))
        return {"denoiser": loss}, {}

    def _timesteps(self, count: Any, training: bool) -> Any:
        """Returns a timestep for each of a batch, integers (count,)."""
        steps = self.noise_schedule.steps
        places: Any = 0.5
        if training:
            places = keras.random.uniform((count,), seed=self.rng("timesteps"))
        parts = ops.cast(ops.arange(count, dtype="int32"), floatx()) + places
        times = ops.floor(parts / ops.cast(count, floatx()) * steps)
        return ops.clip(ops.cast(times, "int32"), 0, steps - 1)

    def _labels(self, labels: Any, count: Any, training: bool) -> Any:
        """Returns one-hot rows; in training some are zeros, which is no label."""
        rows = ops.one_hot(labels, self.classes, dtype=floatx())
        if not training or not self.label_dropout:
            return rows
        drawn = keras.random.uniform((count, 1), seed=self.rng("labels"))
        return rows * ops.cast(drawn >= self.label_dropout, floatx())

    def sample(self, count: int) -> np.ndarray:
        """Returns `count` images, uint8, from the same noise, by the averaged weights.

        Classes come in turn. It takes 10 steps of DPM-Solver++ and no guidance.
        """
        size = int(np.prod(self._sample_shape))
        rows = draw_rows(range(count), size, self.classes)
        pieces = (rows[start : start + _AT_ONCE] for start in range(0, count, _AT_ONCE))
        with self.averaged_weights():
            return np.concatenate([self._drawn(piece, size) for piece in pieces])

    def _drawn(self, rows: np.ndarray, size: int) -> np.ndarray:
        x = rows[:, :size].reshape(-1, *self._sample_shape)
        given: dict[str, Any] = {"label": rows[:, size:]} if self.classes else {}
        sampler = sampler_of(SAMPLER, self.noise_schedule, self.prediction, clip=self.clip)
        sampler.set_timesteps(min(_STEPS, self.noise_schedule.steps))
        for index, timestep in enumerate(sampler.timesteps):
            given |= {"sample": x, "timestep": np.full(len(x), timestep, np.float32)}
            output = ops.convert_to_numpy(self.denoiser(given, training=False))
            x = sampler.step(output, index, x)
        return to_pixels(self.decoded(x))


@keras.saving.register_keras_serializable("zoo")
class Diffusion(DenoisingGame):
    """Diffusion of pixels (Ho et al. 2020); see `DenoisingGame`.

    Args:
        denoiser: As `unet.py` builds it, for images.
        loss_weight: `simple` or `min_snr`.
        label_dropout: Share of images shown without their label.
        sampling: How the stored model draws.
    """

    def __init__(
        self,
        denoiser: keras.Model,
        *,
        loss_weight: str = "simple",
        label_dropout: float = 0.1,
        sampling: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            {"denoiser": denoiser},
            loss_weight=loss_weight,
            label_dropout=label_dropout,
            sampling=sampling,
            **kwargs,
        )


def _of(levels: np.ndarray, timestep: Any) -> Any:
    """Takes each example's level, (batch, 1, 1, 1)."""
    taken = ops.take(ops.convert_to_tensor(levels, dtype=floatx()), timestep, axis=0)
    return taken[:, None, None, None]


def _weights(name: str, prediction: str, alpha: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    """Returns w(t) for every timestep.

    As the errors of v, noise and image are to each other as 1 / sigma, alpha / sigma and 1, what
    weighs the image's by min(snr, 5) is that over snr + 1, snr and 1 (Hang et al. 2023, sec. 3.4).
    """
    if name == "simple":
        return np.ones_like(alpha)
    snr = (alpha / sigma) ** 2
    return np.minimum(snr, _GAMMA) / {"v": snr + 1, "epsilon": snr, "sample": 1.0}[prediction]
