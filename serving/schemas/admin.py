"""What administers the models in memory and their names."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field, StrictInt

from serving.schemas.common import Body, Number

VersionNumber = Annotated[StrictInt, Field(ge=1)]
Weight = Annotated[Number, Field(ge=0)]


class LabelsRequest(Body):
    """Names for versions of a model; they take the place of those it had."""

    labels: dict[str, VersionNumber] = Field(
        default={}, description='Such as `{"stable": 1, "canary": 2}`; without any, none is left.'
    )
    weights: dict[str, Weight] = Field(
        default={},
        description="Shares of the requests that name no version, by label; without any, all go to "
        "the newest. One request id always meets one version.",
    )


class LabelsAnswer(BaseModel):
    """The names of a model's versions, as they are now."""

    model: str
    labels: dict[str, int]
    weights: dict[str, float]
