"""What bounds the service, in one place."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping

MODELS_VARIABLE = "ZOO_SERVE_MODELS"


@dataclasses.dataclass(frozen=True)
class Settings:
    """Limits and choices of one service.

    Args:
        models: Shell wildcards; a stored model is served when one of them matches its name.
        max_body: Bytes of a request's body.
        max_images: Images in one request, sent or asked for.
        max_pixels: Pixels of one encoded image, known before it is decoded.
        max_batch: Rows that one call of a model takes.
        max_waiting: Rows that may wait for one model; more are refused as busy.
        max_decoding: Requests whose images may wait to be decoded, each with a body of up to
            `max_body`.
        deadline: Seconds after which a request is given up.
        block: Rows that a generator is always called with. Kernels of other batch sizes round
            differently, and the same seed must give the same bytes in any company.
        decoders: Threads that decode images; each may hold one decoded image of `max_pixels`.
    """

    models: tuple[str, ...] = ("*",)
    max_body: int = 16 * 2**20
    max_images: int = 64
    max_pixels: int = 4096 * 4096
    max_batch: int = 32
    max_waiting: int = 512
    max_decoding: int = 128
    deadline: float = 60.0
    block: int = 8
    decoders: int = 2

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Settings:
        """Reads `ZOO_SERVE_MODELS`, wildcards separated by spaces."""
        environment = os.environ if environment is None else environment
        patterns = tuple(environment.get(MODELS_VARIABLE, "").split())
        return cls(models=patterns or cls.models)
