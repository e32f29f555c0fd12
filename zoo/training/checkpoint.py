"""The whole state of a run in one file: weights, statistics, seeds, averages, optimizers."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import keras
import numpy as np

from zoo import files
from zoo.errors import CorruptModelError
from zoo.training.engine import MultiPlayerModel


def save_checkpoint(path: Path, model: MultiPlayerModel, record: dict[str, Any]) -> None:
    """Writes the state and a JSON-able record atomically."""
    arrays = {str(i): np.asarray(v.value) for i, v in enumerate(_state(model))}
    arrays["record"] = np.frombuffer(json.dumps(record).encode(), np.uint8)
    with files.atomic_path(path) as temporary:
        np.savez(temporary, **arrays)  # type: ignore[arg-type]


def load_checkpoint(path: Path, model: MultiPlayerModel) -> dict[str, Any]:
    """Puts a state back into a model built from the same recipe and returns its record.

    Raises:
        CorruptModelError: when the file is damaged, or its arrays differ in number, order, shape
            or dtype from the model's variables.
    """
    variables = _state(model)
    try:
        with np.load(path, allow_pickle=False) as archive:
            values = [archive[str(i)] for i in range(len(archive.files) - 1)]
            record = json.loads(archive["record"].tobytes())
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise CorruptModelError(f"the checkpoint {path} cannot be read: {error}") from error
    expected = [(tuple(variable.shape), variable.dtype) for variable in variables]
    if expected != [(value.shape, str(value.dtype)) for value in values]:
        raise CorruptModelError(f"the checkpoint {path} belongs to another recipe")
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
    return record


def _state(model: MultiPlayerModel) -> list[keras.Variable]:
    return [*model.variables, *model.optimizer.variables]
