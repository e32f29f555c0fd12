"""How a diffusion model's images are asked for, and what follows from that without the model."""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.checks import is_number
from zoo.errors import InvalidInputError, did_you_mean, nearest

if TYPE_CHECKING:
    from zoo.models.diffusion.table import SamplingTable

# What is asked for where neither the caller nor the card says anything: the guidance of a generator
# with classes, the strength with an image.
SAMPLER = "dpm_solver++"
STEPS = 20
GUIDANCE = 1.5
STRENGTH = 0.8
# What a recipe may say, and a card keeps, of how its model draws.
KEPT = ("sampler", "num_inference_steps", "guidance_scale")
# Noise of a stochastic sampler that is held at once, in bytes.
_NOISE = 64 * 2**20


@dataclasses.dataclass(frozen=True)
class Sampling:
    """How noise becomes images.

    Args:
        num_inference_steps: Steps of the sampler, 1 to those of the noise schedule.
        guidance_scale: 0 asks for no class, 1 for the class, and more leads further away from
            images of no class (Ho and Salimans 2022, with 1 + w): more typical ones, of fewer
            kinds. All but 1 take twice the time. None is `GUIDANCE`, without classes nothing.
        sampler: A name of `zoo.models.diffusion.samplers.SAMPLERS`, or its configuration, such as
            `{"name": "ddim", "eta": 1.0}`.
        negative_label: A class that guidance leads away from in place of none, for all or one for
            each image.
        image: One to begin from, or one for each, of the generator's size, in any of the forms that
            `zoo.inputs.image_rows` takes (Meng et al. 2022, SDEdit).
        strength: How much of the image goes, from 0, which gives it back as it is, or as the
            autoencoder has it, to 1, at which only a mask lets it count. None is `STRENGTH`, with
            a mask 1.
        mask: Of the image's size, one or one for each: what is white is painted anew, what is black
            stays to the last bit (as in Lugmayr et al. 2022, section 4.1, without resampling).
            Numbers up to 1 are taken as 0 and 1.
        callback: Called with (step, total, preview) after each evaluation of the network, counted
            from 1, of which Heun's method has two a step: `preview` are the images as they are
            expected then, uint8 (n, height, width, channels). What is false, but not None, cancels.
            It costs a call of Python each time, and a decoding with each preview.
        previews: After every how many evaluations there is a preview; at the others it is None. 0
            is for none at all.
    """

    num_inference_steps: int = STEPS
    guidance_scale: float | None = None
    sampler: str | Mapping[str, Any] = SAMPLER
    negative_label: str | int | Sequence[str | int] | None = None
    image: Any = None
    strength: float | None = None
    mask: Any = None
    callback: Callable[[int, int, Any], Any] | None = None
    previews: int = 1

    def but(self, options: Mapping[str, Any]) -> Sampling:
        """Returns a copy with some values replaced; an unknown one raises `InvalidInputError`."""
        known = [field.name for field in dataclasses.fields(self)]
        for option in options:
            if option not in known:
                near = did_you_mean(nearest(option, known))
                raise InvalidInputError(f"sampling has no option {option!r}{near}")
        return dataclasses.replace(self, **options)


def require_guidance(scale: Any) -> None:
    """Raises `InvalidInputError` for what is no scale of guidance."""
    if not is_number(scale) or not 0 <= scale < math.inf:
        raise InvalidInputError(f"guidance_scale must be a number from 0 on, got {scale!r}")


def further_noise(noise: np.ndarray) -> np.random.Generator:
    """Returns a stream of noise that is fixed by the noise that an image begins with."""
    key = hashlib.blake2b(noise.tobytes(), digest_size=16).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(key, "little")))


def pieces(table: SamplingTable, bytes_of_row: int, watched: bool) -> Iterator[SamplingTable]:
    """Yields the rows of a table that are run in one call.

    Args:
        table: The whole.
        bytes_of_row: Size of the noise that a row needs, if any does.
        watched: Whether someone looks after each row.
    """
    most = max(1, len(table))
    if watched:
        most = 1
    elif table.is_stochastic:
        most = max(1, _NOISE // bytes_of_row)
    for start in range(0, len(table), most):
        stop = start + most
        rows: dict[str, Any] = {name: one[start:stop] for name, one in table.columns().items()}
        yield dataclasses.replace(table, **rows)


def for_each(images: np.ndarray, count: int, what: str) -> np.ndarray:
    """Returns as many images as there are rows, where one was given or one for each."""
    if len(images) not in (1, count):
        raise InvalidInputError(f"expected one {what} or {count}, got {len(images)}")
    return np.broadcast_to(images, (count, *images.shape[1:]))


def shrunk(repaint: np.ndarray, height: int, width: int) -> np.ndarray:
    """Marks every place of latents in which there is a pixel that may change."""
    for axis, size in ((1, height), (2, width)):
        begins = np.arange(size) * repaint.shape[axis] // size
        repaint = np.logical_or.reduceat(repaint, begins, axis=axis)
    return repaint
