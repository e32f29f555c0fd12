"""The pipeline of networks that turn noise into images step by step."""

from __future__ import annotations

import copy
import dataclasses
import functools
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from zoo.cards import Card
from zoo.checks import is_whole
from zoo.errors import CancelledError, InvalidInputError
from zoo.generation import Generator
from zoo.inputs import image_rows
from zoo.latents import from_pixels, to_pixels
from zoo.runtime.batches import LARGEST, batches
from zoo.sampling import (
    GUIDANCE,
    SAMPLER,
    STEPS,
    STRENGTH,
    Sampling,
    for_each,
    further_noise,
    pieces,
    require_guidance,
    shrunk,
)

if TYPE_CHECKING:
    import keras

    from zoo.models.diffusion.table import SamplingTable
    from zoo.runtime.functions import Functions


@dataclasses.dataclass(frozen=True)
class _Job:
    """What is to be computed for n rows.

    Args:
        table: The rows of the sampler that are left to do.
        noise: What the rows hold (n, h, w, c); the sampler's further noise follows from it.
        start: Where x begins, likewise.
        conditions: Arrays (n, …) for the loop.
        scale: Of the guidance, if there is any.
        pixels: The image to begin from, uint8 (n, height, width, channels).
        repaint: Where it may change (n, height, width, 1).
    """

    table: SamplingTable
    noise: np.ndarray
    start: np.ndarray
    conditions: dict[str, np.ndarray]
    scale: float | None = None
    pixels: np.ndarray | None = None
    repaint: np.ndarray | None = None


class DiffusionGenerator(Generator):
    """Draws images from noise, in pixels or in the latent space of an autoencoder.

    Its rows are the noise, with the one-hot label beside it where there are classes: what a
    `Generator` does with rows, such as `path` and `walk`, it does as well. A sample depends on its
    seed and on how it is drawn, never on what is drawn beside it. Noise that a sampler adds on the
    way follows from the noise that the image begins with.

    Example:
        generator = zoo.load("ldm.fashion_mnist")
        images = generator.generate(16, seed=0, label="a sneaker", guidance_scale=2.0)
        slow = generator.with_sampling(sampler="ddpm", num_inference_steps=250)
        slow.interpolate(3, 8, steps=10)

    Attributes:
        sampling: How images are drawn where nothing else is asked for: as the card says, whose
            numbers were measured so.
    """

    takes: ClassVar[Mapping[str, str]] = {
        "denoise": "noise",
        "decode": "latents",
        "encode": "pixels",
    }
    main = "denoiser"
    slow = True
    stepwise = True

    def __init__(self, card: Card, functions: Functions) -> None:
        super().__init__(card, functions)
        from zoo.models.diffusion.predictions import denoised
        from zoo.models.diffusion.schedules import NoiseSchedule

        facts = functions.facts
        self.sampling = Sampling().but(card.output.get("sampling", {}))
        self._shape: tuple[int, ...] = tuple(facts["shape"])
        self._schedule = NoiseSchedule.from_config(facts["schedule"])
        self._prediction: str = facts["prediction"]
        self._loop = functions.sampling_loop(functools.partial(denoised, self._prediction))

    @classmethod
    def functions_of(cls, networks: Mapping[str, keras.Model]) -> dict[str, keras.Model]:
        """Returns `denoise`, of named inputs, and for latents `decode` and `encode`."""
        names = {"denoiser": "denoise", "decoder": "decode", "encoder": "encode"}
        return {name: networks[network] for network, name in names.items() if network in networks}

    @classmethod
    def facts_of(cls, networks: Mapping[str, keras.Model]) -> dict[str, Any]:
        """Returns the noise schedule, what is predicted, and the shape of what is denoised."""
        from zoo.models.diffusion.time import diffusion_of

        schedule, prediction = diffusion_of(networks["denoiser"])
        shape = list(sample_shape(networks["denoiser"]))
        return {"schedule": schedule.config(), "prediction": prediction, "shape": shape}

    @classmethod
    def describe(
        cls, networks: Mapping[str, keras.Model], labels: Sequence[str]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        from zoo.models.diffusion.time import diffusion_of

        denoiser = networks["denoiser"]
        inputs = {tensor.name: tensor for tensor in denoiser.inputs}
        classes = inputs["label"].shape[-1] if "label" in inputs else 0
        shape = list(sample_shape(denoiser))
        drawn = list(networks["decoder"].output_shape[1:]) if "decoder" in networks else shape
        label = {"range": "N(0, 1), then a one-hot label", "labels": list(labels)}
        steps = min(STEPS, diffusion_of(denoiser)[0].steps)
        sampling = {"sampler": SAMPLER, "num_inference_steps": steps}
        guidance = {"guidance_scale": GUIDANCE} if classes else {}
        return (
            {
                "name": "sample",
                "shape": [math.prod(shape) + classes],
                "dtype": "float32",
                **(label if classes else {"range": "N(0, 1)"}),
            },
            {
                "kind": "pixels",
                "dtype": "uint8",
                "range": [0, 255],
                "shape": drawn,
                "sampling": {**sampling, **guidance},
            },
        )

    @property
    def drawn_by(self) -> str:
        asked = self.sampling
        sampler = asked.sampler if isinstance(asked.sampler, str) else asked.sampler["name"]
        words = [str(sampler), f"{asked.num_inference_steps} steps"]
        if self.labels:
            scale = GUIDANCE if asked.guidance_scale is None else asked.guidance_scale
            words.append(f"guidance {scale:g}")
        return ", ".join(words)

    def with_sampling(self, **options: Any) -> DiffusionGenerator:
        """Returns the generator with another `sampling`; networks and what is compiled are shared.

        Args:
            **options: As for `Sampling`.
        """
        other = copy.copy(self)
        other.sampling = self.sampling.but(options)
        return other

    def generate(
        self,
        n: int = 1,
        seed: int | Sequence[int] = 0,
        label: str | int | Sequence[str | int] | None = None,
        truncation: float | None = None,
        **sampling: Any,
    ) -> np.ndarray:
        """Returns n images, uint8 (n, height, width, channels).

        Args:
            n: As for `rows`.
            seed: Likewise.
            label: Likewise.
            truncation: Likewise.
            **sampling: As for `Sampling`.

        Raises:
            InvalidInputError: as `rows` and `run` do.
        """
        return self.run(self.rows(n, seed, label, truncation), **sampling)

    def run(self, rows: np.ndarray, **sampling: Any) -> np.ndarray:
        """Draws images: rows (n, d), see `rows`, to uint8 (n, height, width, channels).

        Args:
            rows: Noise and labels.
            **sampling: As for `Sampling`; what is not said is as `sampling` has it.

        Raises:
            InvalidInputError: for steps that the noise schedule does not have; guidance without
                classes; a strength outside 0 to 1; an image or a mask of another size or number.
            UnknownModelError: for a sampler that there is none of, with near names.
            CancelledError: when the callback says so.
        """
        asked = self.sampling.but(sampling)
        if not is_whole(asked.previews) or asked.previews < 0:
            raise InvalidInputError(f"previews must be 0 or more, got {asked.previews!r}")
        job = self._job(np.asarray(rows, np.float32), asked)
        if asked.callback is not None and len(rows) > LARGEST:
            raise InvalidInputError(
                f"a callback watches at most {LARGEST} images at once, got {len(rows)}"
            )
        return np.concatenate([self._drawn(job, part, asked) for part in batches(len(rows))])

    def _job(self, rows: np.ndarray, asked: Sampling) -> _Job:
        from zoo.models.diffusion.samplers import sampler_of

        # Of pixels it is known that they lie within [-1, 1], of latents it is not.
        clip = {} if "decode" in self.functions else {"clip": True}
        sampler = sampler_of(asked.sampler, self._schedule, self._prediction, **clip)
        table = sampler.table(asked.num_inference_steps)
        noise = rows[:, : self.latent_dim].reshape(-1, *self._shape)
        job = _Job(table, noise, noise, {})
        job = self._guided(job, rows[:, self.latent_dim :], asked)
        if asked.image is not None:
            return self._begun(job, asked)
        for option in ("mask", "strength"):
            if getattr(asked, option) is not None:
                raise InvalidInputError(f"{option} needs an image to begin from")
        return job

    def _guided(self, job: _Job, labels: np.ndarray, asked: Sampling) -> _Job:
        """Adds what is asked for by label, and what is led away from."""
        scale, negative = asked.guidance_scale, asked.negative_label
        if not self.labels:
            for option, value in (("guidance_scale", scale), ("negative_label", negative)):
                if value is not None:
                    raise InvalidInputError(
                        f"{option} needs a generator with classes; {self.card.name} has none"
                    )
            return job
        scale = GUIDANCE if scale is None else scale
        require_guidance(scale)
        if scale == 1:
            if negative is not None:
                raise InvalidInputError("negative_label does nothing with a guidance_scale of 1")
            return dataclasses.replace(job, conditions={"label": labels})
        other = np.zeros_like(labels)
        numbers = self._class_numbers(negative, len(labels))
        if numbers is not None:
            other[np.arange(len(labels)), numbers] = 1.0
        conditions = {"label": labels, "other": other}
        return dataclasses.replace(job, conditions=conditions, scale=float(scale))

    def _begun(self, job: _Job, asked: Sampling) -> _Job:
        """Begins from an image in place of noise, and keeps what a mask does not give up."""
        from zoo.models.diffusion.schedules import noised
        from zoo.models.diffusion.table import start_index

        strength = asked.strength
        if strength is None:
            strength = STRENGTH if asked.mask is None else 1.0
        index = start_index(job.table, strength)
        shape, count = self.card.output["shape"], len(job.start)
        given = image_rows(asked.image, shape, resize=False)
        pixels = for_each(to_pixels(from_pixels(given)), count, "image")
        latents = for_each(self._encode(given), count, "image")
        start = latents
        if index < len(job.table):
            alpha, sigma = job.table.alpha[index], job.table.sigma[index]
            start = noised(latents, job.noise, alpha, sigma).astype(np.float32)
        free = job.noise if strength == 1 else start
        job = dataclasses.replace(job, table=job.table.since(index), start=free, pixels=pixels)
        if asked.mask is None:
            return job
        shades = image_rows(asked.mask, (*shape[:2], 1), resize=False)
        repaint = for_each(shades > (127.5 if shades.max() > 1 else 0.5), count, "mask")
        mask = shrunk(repaint, *self._shape[:2])
        known = {"known": latents, "drawn": job.noise, "mask": mask.astype(np.float32)}
        return dataclasses.replace(
            job,
            start=np.where(mask, free, start),
            conditions={**job.conditions, **known},
            repaint=repaint,
        )

    def _drawn(self, job: _Job, part: slice, asked: Sampling) -> np.ndarray:
        """Draws some of a job's images, all of them at once."""
        callback = asked.callback
        conditions: dict[str, Any] = {name: rows[part] for name, rows in job.conditions.items()}
        if job.scale is not None:
            conditions["scale"] = job.scale
        state = self._loop.begin(job.start[part])
        further = [further_noise(one) for one in job.noise[part]] if job.table.is_stochastic else []
        step = 0
        for piece in pieces(job.table, state[0].nbytes, watched=callback is not None):
            if further:
                size = (len(piece), *self._shape)
                drawn = [one.standard_normal(size, np.float32) for one in further]
                conditions["noise"] = np.stack(drawn, axis=1)
            state = self._loop(piece, state, conditions)
            step += len(piece)
            if callback is not None:
                shown = asked.previews and step % asked.previews == 0
                preview = self._pixels(state[3], job, part) if shown else None
                answer = callback(step, len(job.table), preview)
                if answer is not None and not answer:
                    raise CancelledError(
                        f"the callback cancelled after step {step} of {len(job.table)}"
                    )
        return self._pixels(state[0], job, part)

    def _encode(self, pixels: np.ndarray) -> np.ndarray:
        """Turns pixels 0 to 255 into what is denoised."""
        if "encode" in self.functions:
            return self.functions["encode"](pixels)
        return from_pixels(pixels)

    def _decode(self, images: np.ndarray) -> np.ndarray:
        """Turns what is denoised into images in [-1, 1]."""
        return self.functions["decode"](images) if "decode" in self.functions else images

    def _pixels(self, images: np.ndarray, job: _Job, part: slice) -> np.ndarray:
        """Decodes x or D, and puts back what a mask keeps, which decoding may have changed."""
        drawn = to_pixels(self._decode(images))
        if job.repaint is None or job.pixels is None:
            return drawn
        return np.where(job.repaint[part], drawn, job.pixels[part])


def sample_shape(denoiser: keras.Model) -> tuple[int, ...]:
    """Returns (height, width, channels) of what a denoiser takes the noise out of."""
    return next(tuple(one.shape[1:]) for one in denoiser.inputs if one.name == "sample")
