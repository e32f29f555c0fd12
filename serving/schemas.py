"""Bodies of requests and answers. They check themselves and describe themselves in OpenAPI."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr

# Integers that JavaScript and every JSON reader keep exact.
MAX_SEED = 2**53 - 1

ImageField = StrictStr | list[Any]
Seed = Annotated[StrictInt, Field(ge=0, le=MAX_SEED)]

_IMAGE = (
    "base64 of an encoded image (PNG, JPEG, WebP, GIF, BMP), a data URL, or nested lists (h, w) or "
    "(h, w, c) of numbers 0 to 255, 0 to 1 or -1 to 1, told apart by their range. URLs are refused."
)


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", protected_namespaces=())


class ClassifyRequest(_Body):
    """Images to label. Exactly one of `image` and `images` is given."""

    model: StrictStr | None = Field(
        None,
        description="`name`, its newest version, or `name@version`. May be left out when the "
        "service has one classifier.",
    )
    image: ImageField | None = Field(None, description=_IMAGE)
    images: list[ImageField] | None = Field(
        None, min_length=1, max_length=64, description="Several of these."
    )
    top_k: StrictInt | None = Field(
        None, ge=1, description="Labels an image; by default 3, or all when there are fewer."
    )


class Label(BaseModel):
    """A class and the share of belief in it."""

    label: str
    score: float


class ClassifyAnswer(BaseModel):
    """One list of labels an image, best first. All scores of an image sum to 1."""

    model: str
    predictions: list[list[Label]]


class Interpolate(_Body):
    """The way between the latents of two seeds, along the sphere."""

    to_seed: Seed = Field(description="Where the way ends; it begins at `seed`.")
    steps: StrictInt = Field(9, ge=2, le=64, description="Images, both ends included.")


class GenerateRequest(_Body):
    """The OpenAI images request with `seed`, and `interpolate` as an extension.

    `prompt`, `user`, `quality`, `style` and `background` are taken so that OpenAI's clients work;
    an unconditional model has no use for them.
    """

    model: StrictStr | None = Field(
        None,
        description="`name` or `name@version`. May be left out when the service has one generator.",
    )
    prompt: StrictStr | None = Field(None, max_length=32_000, description="Not used.")
    n: StrictInt | None = Field(None, ge=1, le=64, description="Images; 1 by default.")
    seed: Seed | None = Field(
        None,
        description="Image i is drawn from seed + i, whatever else is asked for. Random if absent; "
        "the answer says which it was.",
    )
    size: StrictStr | None = Field(None, description="`WxH`; if given, the model's own.")
    response_format: StrictStr | None = Field(None, description="`b64_json`, the only one.")
    output_format: StrictStr | None = Field(None, description="`png`, the only one.")
    interpolate: Interpolate | None = Field(
        None, description="Draw the way from `seed` to another seed instead of `n` samples."
    )
    user: StrictStr | None = Field(None, description="Not used.")
    quality: StrictStr | None = Field(None, description="Not used.")
    style: StrictStr | None = Field(None, description="Not used.")
    background: StrictStr | None = Field(None, description="Not used.")


class GeneratedImage(BaseModel):
    """A PNG. On the way between two seeds `position` goes from 0 to 1 and there is no `seed`."""

    b64_json: str
    seed: int | None = None
    position: float | None = None


class GenerateAnswer(BaseModel):
    """OpenAI's answer, with the model that drew and the seed of each image."""

    created: int
    model: str
    size: str
    output_format: Literal["png"] = "png"
    data: list[GeneratedImage]


class ModelMetric(BaseModel):
    """A measured number, the split and the number of examples it was measured on."""

    name: str
    value: float
    split: str
    n: int


class ModelEntry(BaseModel):
    """A model in OpenAI's shape, with what its card says in short."""

    model_config = ConfigDict(protected_namespaces=())

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str
    task: str
    version: int
    versions: list[int]
    family: str
    paper: str
    labels: list[str]
    input: dict[str, Any]
    output: dict[str, Any]
    metrics: list[ModelMetric]
    parameters: int
    licence: str


class ModelCard(ModelEntry):
    """A model with its complete card."""

    card: dict[str, Any]


class ModelList(BaseModel):
    """OpenAI's list."""

    object: Literal["list"] = "list"
    data: list[ModelEntry]


class ErrorDetail(BaseModel):
    """What went wrong, in one line."""

    type: str
    message: str
    request_id: str
    near: list[str] = Field(description="Known names close to an unknown one, best first.")


class ErrorAnswer(BaseModel):
    """Every error has this shape."""

    error: ErrorDetail
