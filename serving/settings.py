"""What bounds the service, in one place; every value can come from the environment."""

from __future__ import annotations

import dataclasses
import math
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zoo.errors import InvalidInputError, UnknownModelError

PREFIX = "ZOO_SERVE_"
KEY_FILE_VARIABLE = f"{PREFIX}KEY_FILE"
ADMIN_KEY_FILE_VARIABLE = f"{PREFIX}ADMIN_KEY_FILE"
RUNTIMES = ("auto", "keras", "saved_model", "onnx", "openvino")

_FILES = (KEY_FILE_VARIABLE, ADMIN_KEY_FILE_VARIABLE)
_SIZES = {"": 1, "kib": 2**10, "mib": 2**20, "gib": 2**30}
_SIZE = re.compile(r"(?P<number>[0-9]+) ?(?P<unit>[kmg]ib)?", re.IGNORECASE)
_SWITCH = {"1": True, "true": True, "on": True, "0": False, "false": False, "off": False}
# A key is one word, and one of a few characters is no key.
_KEY = re.compile(r"[!-~]{16,512}")


@dataclasses.dataclass(frozen=True)
class Settings:
    """Limits and choices of one service.

    A field is read from `ZOO_SERVE_` and its name in capitals. Those in bytes may end in KiB, MiB
    or GiB.

    Args:
        models: Shell wildcards; a stored model is served when one of them matches its name.
        runtime: What networks run on, one of `RUNTIMES`; `auto` is the fastest that was measured
            on this machine.
        max_body: Bytes of a request's body.
        max_images: Images in one request, sent or asked for.
        max_pixels: Pixels of one encoded image, known before it is decoded.
        max_steps: Sampling steps that a request may ask for.
        max_batch: Rows that one call of a model takes.
        max_waiting: Rows that may wait for one model; more are refused as busy.
        max_decoding: Requests whose images may wait to be decoded, each with a body of up to
            `max_body`.
        max_loaded: Bytes of the networks in memory, by the size of their files; what was used
            longest ago makes room.
        max_jobs: Jobs that may wait; more are refused as busy.
        job_hours: Hours that a finished job and its result are kept.
        deadline: Seconds after which a request is given up, and its work with it.
        body_seconds: Seconds that a client may take to send a body, or to take in one part of an
            answer.
        drain_seconds: Seconds that running requests have to finish once the service is stopped.
        decoders: Threads that decode images; each may hold one decoded image of `max_pixels`.
        labels_file: JSON of names for versions and their weights, read at start.
        access_log: Whether every request is a line of the log.
        keys: One of them must come with every request; without any, nobody is asked.
        admin_key: What loading, unloading and naming versions take; without it nobody may. It opens
            all else, too.
    """

    models: tuple[str, ...] = ("*",)
    runtime: str = "auto"
    max_body: int = 16 * 2**20
    max_images: int = 64
    max_pixels: int = 4096 * 4096
    max_steps: int = 1000
    max_batch: int = 32
    max_waiting: int = 512
    max_decoding: int = 128
    max_loaded: int = 2**30
    max_jobs: int = 64
    job_hours: float = 24.0
    deadline: float = 60.0
    body_seconds: float = 30.0
    drain_seconds: float = 30.0
    decoders: int = 2
    labels_file: Path | None = None
    access_log: bool = True
    # Never in a message, a log or a debugger's line.
    keys: tuple[str, ...] = dataclasses.field(default=(), repr=False)
    admin_key: str | None = dataclasses.field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.runtime not in RUNTIMES:
            raise InvalidInputError(
                f"runtime must be one of {', '.join(RUNTIMES)}, got {self.runtime!r}"
            )
        for name, value in vars(self).items():
            if isinstance(value, int | float) and not (value > 0 or isinstance(value, bool)):
                raise InvalidInputError(f"{name} must be more than 0, got {value:g}")
        keys = self.keys if self.admin_key is None else (*self.keys, self.admin_key)
        if not all(_KEY.fullmatch(key) for key in keys):
            raise InvalidInputError("a key is one word of 16 to 512 characters of ASCII")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Settings:
        """Reads what the environment sets; all else is as it is here.

        `ZOO_SERVE_MODELS` and `ZOO_SERVE_KEYS` hold several, separated by spaces.
        `ZOO_SERVE_KEY_FILE` is a file with a key a line, `ZOO_SERVE_ADMIN_KEY_FILE` one with the
        admin key.

        Raises:
            InvalidInputError: for a value that cannot be read.
            UnknownModelError: for a name that is none of these, with near ones: a limit that is
                spelled wrong would be no limit.
        """
        environment = os.environ if environment is None else environment
        fields = {field.name: field for field in dataclasses.fields(cls)}
        known = {PREFIX + name.upper(): name for name in fields}
        values: dict[str, Any] = {}
        for variable, text in environment.items():
            if not variable.startswith(PREFIX) or variable in _FILES or not text.strip():
                continue
            if variable not in known:
                raise UnknownModelError(variable, [*known, *_FILES], kind="setting")
            name = known[variable]
            values[name] = _read(name, fields[name].default, text.strip())
        keys = [*values.get("keys", ()), *_keys_of(environment, KEY_FILE_VARIABLE)]
        values["keys"] = tuple(dict.fromkeys(keys))
        admin = _keys_of(environment, ADMIN_KEY_FILE_VARIABLE)
        if admin:
            values["admin_key"] = admin[0]
        return cls(**values)


def _read(name: str, default: Any, text: str) -> Any:
    """Reads one value as the kind that its default has. A message never shows a key."""
    if name in ("runtime", "admin_key"):
        return text
    if name == "labels_file":
        return Path(text)
    if isinstance(default, tuple):
        return tuple(text.split())
    variable = PREFIX + name.upper()
    if isinstance(default, bool):
        if text.lower() not in _SWITCH:
            raise InvalidInputError(f"{variable} must be on or off, got {text[:40]!r}")
        return _SWITCH[text.lower()]
    if isinstance(default, float):
        try:
            seconds = float(text)
        except ValueError:
            seconds = math.nan
        if not math.isfinite(seconds):
            raise InvalidInputError(f"{variable} must be a number, got {text[:40]!r}")
        return seconds
    size = _SIZE.fullmatch(text)
    if size is None:
        raise InvalidInputError(
            f"{variable} must be a whole number, of bytes also with KiB, MiB or GiB, "
            f"got {text[:40]!r}"
        )
    return int(size["number"]) * _SIZES[(size["unit"] or "").lower()]


def _keys_of(environment: Mapping[str, str], variable: str) -> list[str]:
    """Reads a file of keys, one a line; empty lines and those that begin with # are none."""
    place = environment.get(variable, "").strip()
    if not place:
        return []
    try:
        lines = [line.strip() for line in Path(place).read_text("ascii").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not ASCII"
        raise InvalidInputError(f"{variable}: cannot read {place}: {reason}") from error
    keys = [line for line in lines if line and not line.startswith("#")]
    if not keys:
        raise InvalidInputError(f"{variable}: {place} holds no key")
    return keys
