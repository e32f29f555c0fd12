"""The Open Inference Protocol, version 2, with the extensions of Triton that it serves.

https://github.com/kserve/open-inference-protocol, `specification/protocol`. What a request has
beside these fields is left alone, as the protocol lets servers differ in their extensions.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, StrictStr

Size = Annotated[StrictInt, Field(ge=0, le=2**31)]


class TensorParameters(BaseModel):
    """Of an input. With `binary_data_size` its bytes come after the JSON."""

    binary_data_size: Size | None = None


class OutputParameters(BaseModel):
    """Of an output that is asked for."""

    binary_data: StrictBool | None = Field(
        default=None, description="Its bytes come after the JSON."
    )
    classification: Annotated[StrictInt, Field(ge=1)] | None = Field(
        default=None, description="So many `score:index:label`, best first, in place of all scores."
    )


class RequestParameters(BaseModel):
    """Of a request."""

    binary_data_output: StrictBool | None = Field(
        default=None, description="All outputs come as bytes, but those that say otherwise."
    )


class RequestInput(BaseModel):
    """An input tensor: `data`, flat or nested, or bytes after the JSON."""

    name: StrictStr
    shape: list[Size] = Field(max_length=8)
    datatype: StrictStr = Field(description="`FP32`; for pixels from 0 to 255 also `UINT8`.")
    parameters: TensorParameters = TensorParameters()
    data: list[Any] | None = None


class RequestOutput(BaseModel):
    """An output that is asked for."""

    name: StrictStr
    parameters: OutputParameters = OutputParameters()


class InferRequest(BaseModel):
    """Tensors for a model. Without `outputs` all of them are computed."""

    id: StrictStr | None = Field(
        default=None, max_length=1000, description="Comes back with the answer."
    )
    parameters: RequestParameters = RequestParameters()
    inputs: list[RequestInput] = Field(min_length=1, max_length=16)
    outputs: list[RequestOutput] | None = Field(default=None, max_length=16)


class AnswerOutput(BaseModel):
    """An output tensor: `data`, flat, or `binary_data_size` bytes after the JSON."""

    name: str
    shape: list[int]
    datatype: str
    parameters: dict[str, Any] | None = None
    data: list[Any] | None = None


class InferAnswer(BaseModel):
    """What a model computed."""

    model_config = ConfigDict(protected_namespaces=())

    model_name: str
    model_version: str
    id: str | None = None
    outputs: list[AnswerOutput]


class ServerMetadata(BaseModel):
    """What the server is."""

    name: str
    version: str
    extensions: list[str]


class Live(BaseModel):
    """That the process answers."""

    live: bool


class Ready(BaseModel):
    """That requests are taken."""

    ready: bool


class ModelReady(BaseModel):
    """That a model is in memory and warm."""

    name: str
    ready: bool


class TensorMetadata(BaseModel):
    """A tensor of a model; -1 is the number of rows."""

    name: str
    datatype: str
    shape: list[int]


class ModelMetadata(BaseModel):
    """A model's versions, inputs and outputs."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]


class ConfigTensor(BaseModel):
    """A tensor in Triton's configuration: without the number of rows."""

    name: str
    data_type: str
    dims: list[int]


class ModelConfig(BaseModel):
    """What Triton's clients ask of a model's configuration."""

    name: str
    platform: str
    backend: str
    max_batch_size: int
    input: list[ConfigTensor]
    output: list[ConfigTensor]


class IndexRequest(BaseModel):
    """What of the repository is asked for. The body may be empty."""

    ready: StrictBool = Field(default=False, description="Only models that are in memory.")


class IndexEntry(BaseModel):
    """A stored model: READY in memory, LOADING, UNLOADING, or UNAVAILABLE until it is asked for."""

    name: str
    version: str
    state: str
    reason: str
