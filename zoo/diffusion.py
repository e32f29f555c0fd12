"""The pipeline of networks that turn noise into images step by step."""

from __future__ import annotations

import copy
import dataclasses
import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.cards import Card
from zoo.errors import CancelledError, InvalidInputError
from zoo.generation import Generator
from zoo.inputs import image_rows
from zoo.latents import from_pixels, to_pixels
from zoo.pipelines import Pipeline
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

Function = Callable[[np.ndarray], np.ndarray]


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

    main = "denoiser"
    slow = True

    def __init__(self, card: Card, networks: Mapping[str, keras.Model]) -> None:
        # Not the generator's own: what is compiled there is one call of one network.
        Pipeline.__init__(self, card, networks)
        from zoo.models.diffusion.predictions import denoised
        from zoo.models.diffusion.time import diffusion_of
        from zoo.runtime import SamplingLoop, compile_network
        from zoo.runtime.sampling import SMALLEST

        self.labels = list(card.input.get("labels", []))
        self.latent_dim = card.input["shape"][0] - len(self.labels)
        self.sampling = Sampling().but(card.output.get("sampling", {}))
        denoiser = self.networks["denoiser"]
        self._shape = sample_shape(denoiser)
        self._schedule, self._prediction = diffusion_of(denoiser)
        self._loop = SamplingLoop(denoiser, functools.partial(denoised, self._prediction))
        self._decode: Function = lambda images: images
        if "decoder" in self.networks:
            self._decode = compile_network(self.networks["decoder"], smallest=SMALLEST)

        # Compiled when it is first asked for, once for all copies: who begins with noise needs no
        # encoder.
        @functools.cache
        def encoder() -> Function:
            if "encoder" not in networks:
                return from_pixels
            return compile_network(networks["encoder"], smallest=SMALLEST)

        self._encoder = encoder

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
        from zoo.runtime.batches import LARGEST, batches

        asked = self.sampling.but(sampling)
        job = self._job(np.asarray(rows, np.float32), asked)
        if asked.callback is not None and len(rows) > LARGEST:
            raise InvalidInputError(
                f"a callback watches at most {LARGEST} images at once, got {len(rows)}"
            )
        return np.concatenate(
            [self._drawn(job, part, asked.callback) for part in batches(len(rows))]
        )

    def _job(self, rows: np.ndarray, asked: Sampling) -> _Job:
        from zoo.models.diffusion.samplers import sampler_of

        # Of pixels it is known that they lie within [-1, 1], of latents it is not.
        clip = {} if "decoder" in self.networks else {"clip": True}
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
        latents = for_each(self._encoder()(given), count, "image")
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

    def _drawn(
        self, job: _Job, part: slice, callback: Callable[[int, int, np.ndarray], Any] | None
    ) -> np.ndarray:
        """Draws some of a job's images, all of them at once."""
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
                answer = callback(step, len(job.table), self._pixels(state[3], job, part))
                if answer is not None and not answer:
                    raise CancelledError(
                        f"the callback cancelled after step {step} of {len(job.table)}"
                    )
        return self._pixels(state[0], job, part)

    def _pixels(self, images: np.ndarray, job: _Job, part: slice) -> np.ndarray:
        """Decodes x or D, and puts back what a mask keeps, which decoding may have changed."""
        drawn = to_pixels(self._decode(images))
        if job.repaint is None or job.pixels is None:
            return drawn
        return np.where(job.repaint[part], drawn, job.pixels[part])


def sample_shape(denoiser: keras.Model) -> tuple[int, ...]:
    """Returns (height, width, channels) of what a denoiser takes the noise out of."""
    return next(tuple(one.shape[1:]) for one in denoiser.inputs if one.name == "sample")
