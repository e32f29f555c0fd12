"""Paths that draw images, from noise or from an image."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, StrictBool, StrictInt, StrictStr, model_validator

from serving.schemas.common import (
    IMAGE,
    MODEL,
    Body,
    ImageField,
    LabelField,
    Number,
    Picture,
    Seed,
)

# As OpenAI has it.
MAX_PARTIAL_IMAGES = 3


class Interpolate(Body):
    """The way between two latents along the sphere, or between two labels, or both at once."""

    to_seed: Seed | None = Field(
        default=None, description="Where the way ends; it begins at `seed`."
    )
    to_label: LabelField | None = Field(
        default=None, description="The class at the end; it begins with `label`. Needs classes."
    )
    steps: StrictInt = Field(default=9, ge=2, description="Images, both ends included.")

    @model_validator(mode="after")
    def _leads_somewhere(self) -> Interpolate:
        if self.to_seed is None and self.to_label is None:
            raise ValueError("needs to_seed, to_label or both")
        return self


class _Drawing(Body):
    model: StrictStr | None = Field(default=None, description=MODEL)
    prompt: StrictStr | None = Field(
        default=None,
        max_length=32_000,
        description="Names a class in words, such as `a sneaker`, where the generator has classes "
        "and `label` is not given; not used by others.",
    )
    n: StrictInt | None = Field(default=None, ge=1, description="Images; 1 by default.")
    seed: Seed | None = Field(
        default=None,
        description="Image i is drawn from seed + i, whatever else is asked for. Random if absent; "
        "the answer says which it was.",
    )
    label: LabelField | list[LabelField] | None = Field(
        default=None,
        description="A class by name or number, for all or one for each; else all in turn.",
    )
    num_inference_steps: StrictInt | None = Field(
        default=None,
        ge=1,
        description="Steps of a diffusion model's sampler; by default as its card says.",
    )
    guidance_scale: Annotated[Number, Field(ge=0)] | None = Field(
        default=None,
        description="How far a diffusion model leads to the class, 1 being the class alone; by "
        "default as its card says.",
    )
    sampler: StrictStr | dict[str, Any] | None = Field(
        default=None,
        description='Such as `ddim`, or with its options, `{"name": "ddim", "eta": 1.0}`; by '
        "default as the card says.",
    )
    negative_label: LabelField | list[LabelField] | None = Field(
        default=None, description="A class that guidance leads away from."
    )
    size: StrictStr | None = Field(
        default=None, description="`WxH`; if given, the model's own, or `auto`."
    )
    response_format: StrictStr | None = Field(default=None, description="`b64_json`, the only one.")
    output_format: StrictStr | None = Field(default=None, description="`png`, the only one.")
    stream: StrictBool | None = Field(
        default=None,
        description="Answer with server-sent events, as OpenAI does, in place of one object.",
    )
    partial_images: StrictInt | None = Field(
        default=None,
        ge=0,
        le=MAX_PARTIAL_IMAGES,
        description="Events with the image as it is expected then, on the way of a stream.",
    )
    user: StrictStr | None = Field(default=None, description="Not used.")
    safety_identifier: StrictStr | None = Field(default=None, description="Not used.")
    quality: StrictStr | None = Field(default=None, description="Not used.")
    background: StrictStr | None = Field(default=None, description="Not used.")


class GenerateRequest(_Drawing):
    """The OpenAI images request with a seed, a class and the options of samplers.

    What is said not to be used is taken so that OpenAI's clients work.
    """

    truncation: Annotated[Number, Field(gt=0)] | None = Field(
        default=None,
        description="Latent numbers farther from 0 are drawn again: fewer kinds of images.",
    )
    interpolate: Interpolate | None = Field(
        default=None, description="Draw the way to another seed or label instead of `n` samples."
    )
    style: StrictStr | None = Field(default=None, description="Not used.")
    moderation: StrictStr | None = Field(default=None, description="Not used.")


class EditRequest(_Drawing):
    """The OpenAI images edit request: an image to begin from and, for inpainting, a mask."""

    image: ImageField = Field(description=IMAGE)
    mask: ImageField | None = Field(
        default=None,
        description="Of the image's size. Where it is transparent the image is painted anew, as "
        "OpenAI has it; of one without an alpha channel, where it is white.",
    )
    strength: Annotated[Number, Field(ge=0, le=1)] | None = Field(
        default=None, description="How much of the image goes; 0.8 by default, with a mask 1."
    )
    input_fidelity: StrictStr | None = Field(default=None, description="Not used.")


class GeneratedImage(Picture):
    """A PNG. On the way between two seeds `position` goes from 0 to 1 and there is no `seed`."""

    seed: int | None = None
    position: float | None = None


class GenerateAnswer(BaseModel):
    """OpenAI's answer, with the model that drew and the seed of each image."""

    created: int
    model: str
    size: str
    output_format: Literal["png"] = "png"
    data: list[GeneratedImage]
