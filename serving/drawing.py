"""From a request to draw images to the rows and options of a generator."""

from __future__ import annotations

import dataclasses
import secrets
from typing import TYPE_CHECKING, Any

import numpy as np

from serving.schemas import MAX_SEED, EditRequest, GenerateRequest, Interpolate
from serving.settings import Settings
from zoo.cards import Card
from zoo.errors import InvalidInputError

if TYPE_CHECKING:
    from serving.loaded import Loaded

# What only a generator that draws step by step can be asked for.
_SAMPLING = ("num_inference_steps", "guidance_scale", "sampler", "negative_label")
# Characters of a prompt that are looked at; a class is named in fewer.
_PROMPT = 200


@dataclasses.dataclass(frozen=True)
class Drawing:
    """What is to be drawn.

    Args:
        rows: float32 (n, d).
        about: What the answer says of each image.
        options: Of the generator's `run`.
    """

    rows: np.ndarray
    about: list[dict[str, Any]]
    options: dict[str, Any]


def drawing_of(
    model: Loaded, request: GenerateRequest | EditRequest, settings: Settings
) -> Drawing:
    """Reads a request as a generator understands it.

    A prompt is a label where the generator has classes and no label is named; else it is unused.

    Raises:
        InvalidInputError: for formats and sizes that there are not, more images or steps than the
            settings allow, and what the generator does not have.
    """
    _check_formats(request)
    size = size_of(model.card)
    if request.size not in (None, "auto", size):
        raise InvalidInputError(f"{model.id} draws {size}, got size {request.size[:20]!r}")
    options = _options(model, request, settings.max_steps)
    seed = secrets.randbelow(2**31) if request.seed is None else request.seed
    if isinstance(request, GenerateRequest) and request.interpolate is not None:
        rows = _way(model, request, request.interpolate, seed, settings.max_images)
        steps = len(rows)
        return Drawing(rows, [{"position": i / (steps - 1)} for i in range(steps)], options)
    n = 1 if request.n is None else request.n
    if n > settings.max_images:
        raise InvalidInputError(f"n must be 1 to {settings.max_images}, got {n}")
    if seed + n - 1 > MAX_SEED:
        raise InvalidInputError(f"the seeds of n images end at seed + n - 1, at most {MAX_SEED}")
    truncation = request.truncation if isinstance(request, GenerateRequest) else None
    rows = model.pipeline.rows(n, seed, _label(model, request), truncation)
    return Drawing(rows, [{"seed": seed + i} for i in range(n)], options)


def size_of(card: Card) -> str:
    """Returns `WIDTHxHEIGHT` of the images that a model gives."""
    height, width = card.output["shape"][:2]
    return f"{width}x{height}"


def _check_formats(request: GenerateRequest | EditRequest) -> None:
    if request.response_format not in (None, "b64_json"):
        raise InvalidInputError(
            "response_format must be b64_json; images are in the answer, this server makes no URLs"
        )
    if request.output_format not in (None, "png"):
        raise InvalidInputError("output_format must be png")
    way = request.interpolate if isinstance(request, GenerateRequest) else None
    if way is not None and request.n not in (None, 1):
        raise InvalidInputError("interpolate says the number of images with steps; leave out n")


def _options(
    model: Loaded, request: GenerateRequest | EditRequest, max_steps: int
) -> dict[str, Any]:
    given = {name: getattr(request, name) for name in _SAMPLING}
    given = {name: value for name, value in given.items() if value is not None}
    if not model.pipeline.stepwise:
        if given:
            raise InvalidInputError(
                f"{model.id} does not draw step by step; it takes no {' and no '.join(given)}"
            )
        return {}
    # Said in any case: who asks for what is drawn anyway shares a batch with who asks for nothing.
    options = {"num_inference_steps": model.pipeline.sampling.num_inference_steps, **given}
    if options["num_inference_steps"] > max_steps:
        raise InvalidInputError(
            f"num_inference_steps must be 1 to {max_steps}, got {options['num_inference_steps']}"
        )
    return options


def _way(
    model: Loaded, request: GenerateRequest, way: Interpolate, seed: int, most: int
) -> np.ndarray:
    """Returns rows from a seed to another, from a label to another, or both at once."""
    if way.steps > most:
        raise InvalidInputError(f"interpolate.steps must be 2 to {most}, got {way.steps}")
    label = _label(model, request)
    if way.to_label is not None:
        if isinstance(label, list):
            raise InvalidInputError("with interpolate.to_label, label is the one to begin with")
        classes = len(model.pipeline.labels)
        begin = seed % classes if label is None and classes else label
        # Without classes the generator itself says that it has no labels.
        label = way.to_label if begin is None else [begin, way.to_label]
    end = seed if way.to_seed is None else way.to_seed
    rows: np.ndarray = model.pipeline.path(
        seed, end, way.steps, label=label, truncation=request.truncation
    )
    return rows


def _label(model: Loaded, request: GenerateRequest | EditRequest) -> Any:
    if request.label is not None or not model.pipeline.labels:
        return request.label
    return (request.prompt or "").strip()[:_PROMPT] or None
