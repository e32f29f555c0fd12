"""What the server says of its models."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from serving.abilities import Ability

State = Literal["available", "loading", "ready", "draining", "failed"]


class ModelMetric(BaseModel):
    """A measured number, the split and the number of examples it was measured on."""

    name: str
    value: float
    split: str
    n: int


class ModelEntry(BaseModel):
    """A model in OpenAI's shape, with what its card says in short.

    `abilities` are what it can be asked for, `pictures` what `/v1/models/{name}/files/{file}` has.
    """

    model_config = ConfigDict(protected_namespaces=())

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str
    task: str
    abilities: list[Ability] = []
    version: int
    versions: list[int]
    state: State = "available"
    family: str
    paper: str
    labels: list[str]
    input: dict[str, Any]
    output: dict[str, Any]
    metrics: list[ModelMetric]
    pictures: list[str] = []
    parameters: int
    licence: str


class ModelCard(ModelEntry):
    """A model with its complete card."""

    card: dict[str, Any]


class ModelList(BaseModel):
    """OpenAI's list."""

    object: Literal["list"] = "list"
    data: list[ModelEntry]
