"""What several subcommands check."""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
from typing import TypeVar

from zoo import store
from zoo.errors import InvalidInputError
from zoo.pipelines import Pipeline

Kind = TypeVar("Kind", bound=Pipeline)


def load_as(name: str, kind: type[Kind]) -> Kind:
    """Loads a stored model of one kind; another's is refused before anything heavy is imported.

    Raises:
        InvalidInputError: when the model is for another task.
    """
    found = store.read_card(name).task
    if found != kind.task:
        raise InvalidInputError(f"{name} is for {found}, not for {kind.task}")
    import_backend()
    from zoo.api import load

    pipeline = load(name)
    assert isinstance(pipeline, kind)
    return pipeline


def import_backend() -> None:
    """Imports Keras and its backend without the lines they print about oneDNN and GPUs.

    These come from C++ before any log level holds. Should the import fail, they are shown.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as hidden:
        os.dup2(hidden.fileno(), 2)
        try:
            importlib.import_module("keras")
        except BaseException:
            hidden.seek(0)
            os.write(kept, hidden.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)
