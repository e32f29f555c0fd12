"""Keras and its backend, imported when they are needed and without noise."""

from __future__ import annotations

import importlib
import os
import sys
import tempfile


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
