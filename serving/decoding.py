"""Pictures in requests: base64, data URLs, encoded bytes and nested lists of numbers."""

from __future__ import annotations

import base64
import binascii
import io
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from serving.errors import MalformedRequestError
from zoo.errors import InvalidInputError

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

# Formats whose decoders run in this process alone; Pillow's EPS reader starts another program.
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP")

_ADDRESS = re.compile(r"\s*[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_DATA_URL = re.compile(r"data:[a-z0-9!#$&^_.+/-]*(;[a-z0-9=._-]+)*,", re.IGNORECASE)


def read_field(value: Any, where: str) -> bytes | np.ndarray:
    """Reads one image of a JSON body: encoded bytes from a string, pixels from nested lists.

    Raises:
        MalformedRequestError: for a string that is not base64. An address is never fetched.
        InvalidInputError: for lists that are ragged or hold something else than finite numbers.
    """
    if isinstance(value, str):
        return _from_text(value, where)
    if isinstance(value, list):
        return _from_lists(value, where)
    raise MalformedRequestError(
        f"{where} must be base64, a data URL or nested lists of numbers, got {_kind(value)}"
    )


def _from_text(text: str, where: str) -> bytes:
    if text[:5].lower() == "data:":
        header = _DATA_URL.match(text[:200])
        if header is None or not header.group().lower().endswith(";base64,"):
            raise MalformedRequestError(f"{where} is a data URL without ;base64, in its head")
        text = text[header.end() :]
    elif _ADDRESS.match(text[:40]):
        raise MalformedRequestError(
            f"{where} is a URL, and this server fetches none; send the image itself as base64"
        )
    try:
        # Many encoders break lines; everything else that is not base64 is a mistake.
        content = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise MalformedRequestError(f"{where} is not base64: {error}") from error
    if not content:
        raise MalformedRequestError(f"{where} is empty")
    return content


def _from_lists(values: list[Any], where: str) -> np.ndarray:
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise InvalidInputError(f"{where}: nested lists must have equal lengths") from error
    if array.dtype.kind not in "iuf":
        raise InvalidInputError(f"{where}: nested lists must hold numbers and nothing else")
    if array.ndim not in (2, 3):
        raise InvalidInputError(
            f"{where} must be (height, width) or (height, width, channels), got shape {array.shape}"
        )
    if array.size == 0:
        raise InvalidInputError(f"{where} has no pixels, its shape is {array.shape}")
    with np.errstate(over="ignore"):
        pixels = array.astype(np.float32)
    if not np.isfinite(pixels).all():
        raise InvalidInputError(f"{where} holds NaN or infinity; pixels must be finite")
    # JSON does not tell 1 from 1.0, so whole numbers stay floats and the range decides the scale.
    return pixels


def open_picture(content: bytes, max_pixels: int) -> Picture:
    """Decodes an image whose size was read from its header and found small enough.

    Raises:
        InvalidInputError: for bytes that are no image, a damaged one, or one with too many pixels.
    """
    from PIL import Image, UnidentifiedImageError

    expected = ", ".join(FORMATS)
    try:
        picture = Image.open(io.BytesIO(content), formats=FORMATS)
    except (UnidentifiedImageError, Image.DecompressionBombError) as error:
        if isinstance(error, UnidentifiedImageError):
            raise InvalidInputError(f"these bytes are no {expected} image") from error
        raise InvalidInputError(f"an image may have {max_pixels} pixels: {error}") from error
    except (OSError, SyntaxError, ValueError) as error:
        raise InvalidInputError(f"this image is damaged: {error}") from error
    width, height = picture.size
    if width * height > max_pixels:
        raise InvalidInputError(
            f"an image may have {max_pixels} pixels, this one is {width} x {height}"
        )
    try:
        picture.load()
    except (OSError, SyntaxError, ValueError, IndexError, EOFError) as error:
        raise InvalidInputError(f"this image is damaged: {error}") from error
    return picture


def _kind(value: Any) -> str:
    names = {type(None): "null", bool: "a boolean", int: "a number", float: "a number"}
    return names.get(type(value), "an object")
