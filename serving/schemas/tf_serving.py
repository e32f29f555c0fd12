"""TensorFlow Serving's REST API, https://www.tensorflow.org/tfx/serving/api_rest."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field, StrictStr


class PredictRequest(BaseModel):
    """Rows for a model. Exactly one of `instances` and `inputs` is given."""

    signature_name: StrictStr | None = Field(
        default=None,
        description="A function of the model; by default the first, `serving_default`.",
    )
    instances: list[Any] | None = Field(
        default=None,
        min_length=1,
        description="A row each: nested lists, or `{input: nested lists}`.",
    )
    inputs: list[Any] | dict[str, Any] | None = Field(
        default=None, description="All rows as one: nested lists, or `{input: nested lists}`."
    )


class PredictAnswer(BaseModel):
    """`predictions` to instances, `outputs` to inputs, a row each."""

    predictions: list[Any] | None = None
    outputs: list[Any] | None = None


class VersionState(BaseModel):
    """What a version is good for; `AVAILABLE` also before its first request loads it."""

    version: str
    state: str
    status: dict[str, str]


class VersionStatus(BaseModel):
    """The state of one version."""

    model_version_status: list[VersionState]
