"""Tensors of the Open Inference Protocol: in JSON, or as bytes after it.

The binary extension puts the bytes of tensors, little-endian and row by row, behind the JSON and
says in the header `Inference-Header-Content-Length` where that ends; each tensor that has bytes
there has their number as its parameter `binary_data_size`.
"""

from __future__ import annotations

import dataclasses
import json
import math
import struct
from typing import Any

import numpy as np

from serving.errors import MalformedRequestError
from serving.schemas.open_inference import RequestInput
from zoo.errors import InvalidInputError

LENGTH_HEADER = "Inference-Header-Content-Length"

_TYPES: dict[str, np.dtype[Any]] = {"FP32": np.dtype("<f4"), "UINT8": np.dtype("u1")}


def split_body(body: bytes, length: str | None) -> tuple[bytes, memoryview]:
    """Splits a body into its JSON and the bytes after it.

    Args:
        body: The whole.
        length: The header's value; None where there is none, and all is JSON.

    Raises:
        MalformedRequestError: when the header is no length within the body.
    """
    if length is None:
        return body, memoryview(b"")
    if not (length.isascii() and length.isdecimal() and len(length) < 16):
        raise MalformedRequestError(f"{LENGTH_HEADER} must be a number, got {length[:40]!r}")
    end = int(length)
    if end > len(body):
        raise MalformedRequestError(f"{LENGTH_HEADER} is {end}, and the body has {len(body)} bytes")
    return body[:end], memoryview(body)[end:]


def read_inputs(inputs: list[RequestInput], rest: memoryview) -> dict[str, np.ndarray]:
    """Reads input tensors by name, float32 or uint8, in the shapes that they say they have.

    Raises:
        MalformedRequestError: for data that is neither in the JSON nor behind it, or in both, a
            name that is there twice, and bytes that are too few or left over.
        InvalidInputError: for other datatypes, and data that do not fit datatype or shape.
    """
    tensors: dict[str, np.ndarray] = {}
    position = 0
    for tensor in inputs:
        size = tensor.parameters.binary_data_size
        if tensor.name in tensors:
            raise MalformedRequestError(f"the input {tensor.name[:40]!r} is there twice")
        if (size is None) == (tensor.data is None):
            raise MalformedRequestError(
                f"the input {tensor.name[:40]!r} must have data or binary_data_size, one of them"
            )
        if tensor.datatype not in _TYPES:
            raise InvalidInputError(
                f"the input {tensor.name[:40]!r} must be {' or '.join(_TYPES)}, "
                f"got {tensor.datatype[:40]!r}"
            )
        if size is None:
            tensors[tensor.name] = _from_json(tensor)
            continue
        tensors[tensor.name] = _from_bytes(tensor, rest[position : position + size], size)
        position += size
    if position != len(rest):
        raise MalformedRequestError(
            f"{len(rest)} bytes follow the JSON, and the inputs have {position}"
        )
    return tensors


def read_raw(rest: memoryview, shape: list[int]) -> np.ndarray:
    """Reads a body without any JSON: as many float32 rows of a shape as its bytes make.

    Raises:
        InvalidInputError: when they make none, or not a whole number.
    """
    size = math.prod(shape) * _TYPES["FP32"].itemsize
    if not len(rest) or len(rest) % size:
        raise InvalidInputError(f"a row of FP32 {shape} has {size} bytes, got {len(rest)} in all")
    return np.frombuffer(rest, _TYPES["FP32"]).reshape(-1, *shape)


@dataclasses.dataclass(frozen=True)
class Output:
    """A tensor that goes out.

    Args:
        name: Its name.
        values: Of float32 or uint8, or of `str` for texts.
        binary: Whether it goes as bytes.
    """

    name: str
    values: np.ndarray
    binary: bool


def write_answer(head: dict[str, Any], outputs: list[Output]) -> tuple[bytes, int | None]:
    """Encodes an answer.

    Args:
        head: Its fields but `outputs`.
        outputs: Tensors.

    Returns:
        The body, and the length of its JSON where bytes follow.
    """
    described: list[dict[str, Any]] = []
    parts: list[bytes] = []
    for output in outputs:
        datatype = datatype_of(output.values.dtype)
        tensor: dict[str, Any] = {
            "name": output.name,
            "shape": list(output.values.shape),
            "datatype": datatype,
        }
        if output.binary:
            parts.append(_to_bytes(output.values))
            tensor["parameters"] = {"binary_data_size": len(parts[-1])}
        else:
            tensor["data"] = output.values.ravel().tolist()
        described.append(tensor)
    text = json.dumps({**head, "outputs": described}, ensure_ascii=False).encode()
    return b"".join([text, *parts]), len(text) if parts else None


def datatype_of(dtype: np.dtype[Any]) -> str:
    """Returns the protocol's name of a dtype; texts are BYTES."""
    names = {known: name for name, known in _TYPES.items()}
    return "BYTES" if dtype.kind in "UO" else names[dtype.newbyteorder("<")]


def _from_json(tensor: RequestInput) -> np.ndarray:
    where = f"the input {tensor.name[:40]!r}"
    try:
        values = np.asarray(tensor.data)
    except ValueError as error:
        raise InvalidInputError(f"{where}: nested lists must have equal lengths") from error
    pixels = tensor.datatype == "UINT8"
    if values.size and values.dtype.kind not in ("iu" if pixels else "iuf"):
        raise InvalidInputError(f"{where} must hold numbers of {tensor.datatype} and nothing else")
    if values.size != math.prod(tensor.shape):
        raise InvalidInputError(f"{where} has {values.size} numbers for shape {tensor.shape}")
    if pixels and values.size and not 0 <= values.min() <= values.max() <= 255:
        raise InvalidInputError(f"{where} must hold 0 to 255 as UINT8")
    with np.errstate(over="ignore"):
        return values.astype(_TYPES[tensor.datatype]).reshape(tensor.shape)


def _from_bytes(tensor: RequestInput, content: memoryview, size: int) -> np.ndarray:
    where = f"the input {tensor.name[:40]!r}"
    dtype = _TYPES[tensor.datatype]
    if len(content) != size:
        raise MalformedRequestError(
            f"{where} says it has {size} bytes, and {len(content)} are left"
        )
    expected = math.prod(tensor.shape) * dtype.itemsize
    if size != expected:
        raise InvalidInputError(
            f"{where} of {tensor.datatype} {tensor.shape} has {expected} bytes, got {size}"
        )
    return np.frombuffer(content, dtype).reshape(tensor.shape)


def _to_bytes(values: np.ndarray) -> bytes:
    if datatype_of(values.dtype) != "BYTES":
        return values.astype(values.dtype.newbyteorder("<"), copy=False).tobytes()
    texts = [str(text).encode() for text in values.ravel()]
    return b"".join(struct.pack("<I", len(text)) + text for text in texts)
