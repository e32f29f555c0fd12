"""TensorFlow Serving's predict, https://www.tensorflow.org/tfx/serving/api_rest.

A model itself, `/v1/models/{name}`, is ours; TensorFlow Serving has only the paths below one.
"""

from __future__ import annotations

from enum import Enum
from typing import Any

import numpy as np
from fastapi import FastAPI, Request

from serving.bodies import parse, read_body
from serving.core import Core
from serving.errors import MalformedRequestError
from serving.patience import answer_in_time
from serving.protocols.documents import ASKING, READING, body, errors, names
from serving.protocols.open_inference_models import input_of
from serving.schemas import ForeignError, State
from serving.schemas.tf_serving import PredictAnswer, PredictRequest, VersionState, VersionStatus
from zoo.cards import Card
from zoo.errors import InvalidInputError

_TAGS: list[str | Enum] = ["tensorflow serving"]
_NAMES = {
    "name": "A model's name",
    "version": "Number of a version",
    "label": "A version's label, such as `stable`",
}
_DEFAULT = "serving_default"
# What is not in memory is loaded by its first request: it is there for who asks.
_STATES: dict[State, str] = {
    "available": "AVAILABLE",
    "loading": "LOADING",
    "ready": "AVAILABLE",
    "draining": "UNLOADING",
    "failed": "END",
}


def add_routes(app: FastAPI, core: Core) -> None:
    """Adds the paths of models, of their versions and of their labels."""
    _add_predict(app, core, "/v1/models/{name}", ["name"])
    for which in ("version", "label"):
        path = f"/v1/models/{{name}}/{which}s/{{{which}}}"
        _add_predict(app, core, path, ["name", which])
        _add_status(app, core, path, ["name", which])


def _add_predict(app: FastAPI, core: Core, path: str, parts: list[str]) -> None:
    @app.post(
        f"{path}:predict",
        tags=_TAGS,
        summary="Give rows to a model",
        responses=errors(*ASKING, model=ForeignError),
        response_model_exclude_none=True,
        openapi_extra={**_names(parts), **body(PredictRequest)},
    )
    async def predict(request: Request) -> PredictAnswer:
        """A row for each instance, in the order in which they came."""
        content = await read_body(request)
        work = _predict(core, _reference(request), parse(content, PredictRequest))
        return await answer_in_time(work, core.settings.deadline, request)


def _add_status(app: FastAPI, core: Core, path: str, parts: list[str]) -> None:
    @app.get(
        path,
        tags=_TAGS,
        summary="The state of a version",
        responses=errors(*READING, model=ForeignError),
        openapi_extra=_names(parts),
    )
    async def status(request: Request) -> VersionStatus:
        """`AVAILABLE` also for what its first request will load."""
        reference = _reference(request)
        card, state = core.models.card(reference), await core.state(reference)
        failed = state == "failed"
        said = {
            "error_code": "UNKNOWN" if failed else "OK",
            "error_message": "it could not be loaded" if failed else "",
        }
        entry = VersionState(version=str(card.version), state=_STATES[state], status=said)
        return VersionStatus(model_version_status=[entry])


async def _predict(core: Core, reference: str, asked: PredictRequest) -> PredictAnswer:
    if (asked.instances is None) == (asked.inputs is None):
        raise MalformedRequestError("give exactly one of instances and inputs")
    rows = _rows(core.models.card(reference), asked)
    function = None if asked.signature_name in (None, _DEFAULT) else asked.signature_name
    found = await core.infer(reference, rows, function)
    values = found.values.tolist()
    if asked.instances is None:
        return PredictAnswer(outputs=values)
    return PredictAnswer(predictions=values)


def _rows(card: Card, asked: PredictRequest) -> np.ndarray:
    name = input_of(card)
    given: Any
    if asked.instances is None:
        given = _named(asked.inputs, name)
    else:
        given = [_named(instance, name) for instance in asked.instances]
    try:
        array = np.asarray(given)
    except ValueError as error:
        raise InvalidInputError("rows are nested lists of equal lengths") from error
    if array.size and array.dtype.kind not in "iuf":
        raise InvalidInputError("rows hold numbers and nothing else")
    # What is too large for float32 becomes infinite, and is then refused as such.
    with np.errstate(over="ignore"):
        return array.astype(np.float32)


def _named(value: Any, name: str) -> Any:
    """Takes an input out of `{name: value}`, where it is in one."""
    if not isinstance(value, dict):
        return value
    if list(value) != [name]:
        came = ", ".join(repr(other[:40]) for other in value) or "none"
        raise InvalidInputError(f"the model takes one input, {name!r}, got {came}")
    return value[name]


def _reference(request: Request) -> str:
    parts = request.path_params
    which = parts.get("version", parts.get("label"))
    return str(parts["name"]) if which is None else f"{parts['name']}@{which}"


def _names(parts: list[str]) -> dict[str, Any]:
    return names(**{part: _NAMES[part] for part in parts})
