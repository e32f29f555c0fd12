"""Which paths belong to a protocol that is not ours, and what its errors look like."""

from __future__ import annotations

import json
import re

# The Open Inference Protocol, Hugging Face, and what TensorFlow Serving has below our models.
_PATHS = re.compile(
    r"/v2(/.*)?|/models/.*|/v1/models/.*(:predict|/versions/.*|/labels/.*)", re.DOTALL
)


def is_foreign(path: str) -> bool:
    """Says whether errors under a path have the foreign shape, whoever finds them."""
    return _PATHS.fullmatch(path) is not None


def foreign_error(message: str) -> bytes:
    """Encodes the shape that all three have: `{"error": "…"}`."""
    return json.dumps({"error": message}, ensure_ascii=False).encode()
