"""What is around the app, whether it stands alone or in a BentoML service."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from serving.envelope import Envelope
from serving.keys import Keys
from serving.limits import BodyLimit, JsonOnly
from serving.metrics import Metrics
from serving.settings import Settings


def layers(
    settings: Settings, metrics: Metrics, json_only: Collection[str] = ()
) -> list[tuple[type[Any], dict[str, Any]]]:
    """Returns ASGI middleware and its options, the outermost first, as BentoML adds it.

    Starlette's `add_middleware` puts each around those before it, and wants them `reversed`.

    Args:
        settings: Limits and keys.
        metrics: Where requests are counted.
        json_only: Paths that take JSON and nothing else.
    """
    found: list[tuple[type[Any], dict[str, Any]]] = [
        (Envelope, {"settings": settings, "metrics": metrics}),
        (Keys, {"settings": settings}),
        (BodyLimit, {"limit": settings.max_body, "seconds": settings.body_seconds}),
    ]
    if json_only:
        found.append((JsonOnly, {"paths": json_only}))
    return found
