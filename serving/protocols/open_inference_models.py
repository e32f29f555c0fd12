"""What the Open Inference Protocol says of models, and what it makes of rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from starlette.responses import Response

from serving.bodies import parse
from serving.core import Core
from serving.errors import MalformedRequestError
from serving.protocols.open_inference_binary import (
    LENGTH_HEADER,
    Output,
    datatype_of,
    read_inputs,
    read_raw,
    split_body,
    write_answer,
)
from serving.schemas import State
from serving.schemas.open_inference import (
    ConfigTensor,
    IndexEntry,
    InferRequest,
    ModelConfig,
    ModelMetadata,
    RequestOutput,
    TensorMetadata,
)
from serving.tensors import outputs_of
from zoo.cards import Card
from zoo.errors import CorruptModelError, InvalidInputError, UnknownModelError

_PLATFORM = "keras-model-zoo"

_STATES: dict[State, str] = {
    "available": "UNAVAILABLE",
    "loading": "LOADING",
    "ready": "READY",
    "draining": "UNLOADING",
    "failed": "UNAVAILABLE",
}
_REASONS: dict[State, str] = {
    "available": "its first request loads it",
    "failed": "it could not be loaded; the server's log has the cause",
}


def metadata_of(card: Card, versions: list[int]) -> ModelMetadata:
    """Describes a model; -1 stands for the number of rows."""
    outputs = outputs_of(card).items()
    return ModelMetadata(
        name=card.name,
        versions=[str(version) for version in versions],
        platform=_PLATFORM,
        inputs=[
            TensorMetadata(name=input_of(card), datatype="FP32", shape=[-1, *card.input["shape"]])
        ],
        outputs=[
            TensorMetadata(name=name, datatype=_datatype(one.dtype), shape=[-1, *one.shape])
            for name, one in outputs
        ],
    )


def config_of(card: Card, most: int) -> ModelConfig:
    """Describes a model as Triton's configuration does.

    Args:
        card: Its card.
        most: Rows of one request.
    """
    outputs = outputs_of(card).items()
    return ModelConfig(
        name=card.name,
        platform=_PLATFORM,
        backend=_PLATFORM,
        max_batch_size=most,
        input=[
            ConfigTensor(name=input_of(card), data_type="TYPE_FP32", dims=list(card.input["shape"]))
        ],
        output=[
            ConfigTensor(name=name, data_type=f"TYPE_{_datatype(one.dtype)}", dims=list(one.shape))
            for name, one in outputs
        ],
    )


async def index_of(core: Core, only_ready: bool) -> list[IndexEntry]:
    """Lists all versions of what is served, or those in memory."""
    entries = []
    for card in core.models.cards():
        for version in core.models.versions(card.name):
            state = await _state(core, f"{card.name}@{version}")
            if state == "ready" or not only_ready:
                entries.append(
                    IndexEntry(
                        name=card.name,
                        version=str(version),
                        state=_STATES[state],
                        reason=_REASONS.get(state, ""),
                    )
                )
    return entries


async def _state(core: Core, reference: str) -> State:
    try:
        return await core.state(reference)
    except (CorruptModelError, UnknownModelError):
        # An older version whose card is damaged; the newest alone decides whether a model is there.
        return "failed"


async def infer(core: Core, reference: str, content: bytes, length: str | None) -> Response:
    """Answers a request for a model.

    Args:
        core: What answers.
        reference: The model.
        content: The body.
        length: The header that says how much of it is JSON, if it is there. With none of it, the
            body is bytes of float32 rows, and so is the answer.

    Raises:
        ZooError: as the core, and the readers of bodies, do.
    """
    card = core.models.card(reference)
    head, rest = split_body(content, length)
    asked = None if length is not None and not head else parse(head, InferRequest)
    if asked is None:
        rows = read_raw(rest, card.input["shape"])
    else:
        rows = _only_input(card, read_inputs(asked.inputs, rest))
    named = None if asked is None else asked.outputs
    wanted = named or [RequestOutput(name=name) for name in outputs_of(card)]
    if len({one.name for one in wanted}) != len(wanted):
        raise MalformedRequestError("an output is asked for twice")
    found = [await core.infer(reference, rows, one.name) for one in wanted]
    while len({one.card.version for one in found}) > 1:
        # A newer version took over in between; an answer is that of one.
        found = [await core.infer(reference, rows, one.name) for one in wanted]
    card = found[0].card
    binary = asked is None or bool(asked.parameters.binary_data_output)
    outputs = [
        _output(card, inference.values, one, binary)
        for inference, one in zip(found, wanted, strict=True)
    ]
    answer: dict[str, Any] = {"model_name": card.name, "model_version": str(card.version)}
    if asked is not None and asked.id is not None:
        answer["id"] = asked.id
    body, json_length = write_answer(answer, outputs)
    if json_length is None:
        return Response(body, media_type="application/json")
    headers = {LENGTH_HEADER: str(json_length)}
    return Response(body, media_type="application/octet-stream", headers=headers)


def input_of(card: Card) -> str:
    """Returns what a model's input is called."""
    return str(card.input.get("name", "rows"))


def _only_input(card: Card, tensors: dict[str, np.ndarray]) -> np.ndarray:
    name = input_of(card)
    if list(tensors) != [name]:
        came = ", ".join(repr(other[:40]) for other in tensors)
        raise InvalidInputError(f"{card.name} takes one input, {name!r}, got {came}")
    return tensors[name]


def _output(card: Card, values: np.ndarray, asked: RequestOutput, binary: bool) -> Output:
    own = asked.parameters.binary_data
    if asked.parameters.classification is not None:
        values = _classes(card, values, asked.parameters.classification)
    return Output(asked.name, values, binary if own is None else own)


def _classes(card: Card, scores: np.ndarray, count: int) -> np.ndarray:
    """Returns the best classes of each row as `score:index:label`, best first."""
    labels = card.labels
    if scores.ndim != 2 or scores.shape[1] != len(labels):
        raise InvalidInputError(f"classification needs scores, which {card.name} does not give")
    best = np.argsort(-scores, axis=1, kind="stable")[:, :count]
    texts = [
        [f"{row[index]:f}:{index}:{labels[index]}" for index in indices]
        for row, indices in zip(scores, best, strict=True)
    ]
    return np.array(texts, dtype=object)


def _datatype(dtype: str) -> str:
    return datatype_of(np.dtype(dtype))
