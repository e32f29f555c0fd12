"""Paths that take images: labels, translations and reconstructions of them."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field, StrictInt, StrictStr

from serving.schemas.common import IMAGE, MODEL, Body, ImageField, Picture


class _Images(Body):
    model: StrictStr | None = Field(default=None, description=MODEL)
    image: ImageField | None = Field(default=None, description=IMAGE)
    images: list[ImageField] | None = Field(
        default=None, min_length=1, description="Several of these, in place of `image`."
    )


class ClassifyRequest(_Images):
    """Images to label. Exactly one of `image` and `images` is given."""

    top_k: StrictInt | None = Field(
        default=None,
        ge=1,
        description="Labels an image; by default 3, or all when there are fewer.",
    )


class TranslateRequest(_Images):
    """Images to turn into ones of another domain. Exactly one of `image` and `images` is given."""

    direction: StrictStr | None = Field(
        default=None, description="Such as `mnist_to_usps`; by default the model's first."
    )


class ReconstructRequest(_Images):
    """Images to send through their codes. Exactly one of `image` and `images` is given."""


class Label(BaseModel):
    """A class and the share of belief in it."""

    label: str
    score: float


class ClassifyAnswer(BaseModel):
    """One list of labels an image, best first. All scores of an image sum to 1."""

    model: str
    predictions: list[list[Label]]


class PicturesAnswer(BaseModel):
    """One image for each that was sent; `direction` is the way a translator went."""

    model: str
    size: str
    direction: str | None = None
    output_format: Literal["png"] = "png"
    data: list[Picture]
