"""Keras and its backend: chosen, checked, imported when they are needed and without noise."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import sys
import tempfile
from collections.abc import Iterator

from zoo import paths
from zoo.errors import ZooError
from zoo.recipe import BACKENDS


def backend_name() -> str:
    """Returns the backend that Keras runs on, or would run on if it were imported now.

    That is $KERAS_BACKEND; without it TensorFlow, or JAX where only that is installed.
    """
    if "keras" in sys.modules:
        return str(sys.modules["keras"].backend.backend())
    if name := os.environ.get("KERAS_BACKEND"):
        return name
    return next((name for name in BACKENDS if _is_installed(name)), BACKENDS[0])


def import_backend(name: str | None = None) -> None:
    """Imports Keras on a backend, without the lines they print about oneDNN and GPUs.

    These come from C++ before any log level holds. Should the import fail, they are shown.

    Args:
        name: `tensorflow` or `jax`; None is the one that `backend_name` says.

    Raises:
        ZooError: for a backend that is unknown, not installed, or cannot be imported, as when its
            parts are of versions that do not fit; or when Keras already runs on another one.
    """
    chosen = name or backend_name()
    if chosen not in BACKENDS:
        raise ZooError(f"the backend must be {' or '.join(BACKENDS)}, got {chosen!r}")
    if "keras" in sys.modules and backend_name() == chosen:
        return
    if "keras" in sys.modules:
        raise ZooError(
            f"Keras already runs on {backend_name()} in this process; "
            f"start it with KERAS_BACKEND={chosen} to use {chosen}"
        )
    if not _is_installed(chosen):
        extra = "" if chosen == "tensorflow" else "; `pip install 'keras-model-zoo[jax]'` brings it"
        raise ZooError(f"the backend {chosen} is not installed{extra}")
    os.environ["KERAS_BACKEND"] = chosen
    if chosen == "jax":
        # Programs that took a second or more to compile are kept between runs.
        os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(paths.home() / "cache" / "jax"))
    try:
        with quietly():
            # First the backend alone: whatever is wrong with it is then said in its own words.
            importlib.import_module(chosen)
            importlib.import_module("keras")
    except Exception as error:
        first_line = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ZooError(f"Keras cannot be imported on {chosen}: {first_line}") from error


def _is_installed(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Hides what is written to the error output inside; should that fail, it is shown."""
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as hidden:
        os.dup2(hidden.fileno(), 2)
        try:
            yield
        except BaseException:
            hidden.seek(0)
            os.write(kept, hidden.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)
