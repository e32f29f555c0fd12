"""Where things are kept: `$ZOO_HOME` for what is written, the shipped models beside the code."""

from __future__ import annotations

import os
from pathlib import Path


def home() -> Path:
    """Returns `$ZOO_HOME`, or `keras-model-zoo` in the user's cache folder."""
    chosen = os.environ.get("ZOO_HOME")
    if chosen:
        return Path(chosen).expanduser().resolve()
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "keras-model-zoo"


def exports() -> list[Path]:
    """Returns the folders of exported networks, in order; the first is written to.

    `$ZOO_EXPORTS` may name another that is only read, such as one that an image was built with.
    """
    others = os.environ.get("ZOO_EXPORTS")
    return [home() / "exports", *([Path(others).expanduser().resolve()] if others else [])]


def shipped_models() -> Path:
    """Returns the folder of shipped models: in the wheel inside `zoo`, in a checkout beside it."""
    package = Path(__file__).resolve().parent
    inside = package / "saved_models"
    return inside if inside.is_dir() else package.parent / "saved_models"
