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
from zoo.training import distribution
from zoo.training.engine import MultiPlayerModel, assign_all, values_of


def save_checkpoint(path: Path, model: MultiPlayerModel, record: dict[str, Any]) -> None:
    """Writes the state and a JSON-able record atomically."""
    arrays = {str(i): value for i, value in enumerate(values_of(_state(model)))}
    arrays["record"] = np.frombuffer(json.dumps(record).encode(), np.uint8)
    with files.atomic_path(path) as temporary:
        np.savez(temporary, **arrays)  # type: ignore[arg-type]


def load_checkpoint(path: Path, model: MultiPlayerModel) -> dict[str, Any]:
    """Puts a state back into a model built from the same recipe and returns its record.

    Raises:
        CorruptModelError: as for `read_checkpoint`.
    """
    values, record = read_checkpoint(path, model)
    restore(model, values)
    return record


def read_checkpoint(path: Path, model: MultiPlayerModel) -> tuple[list[np.ndarray], dict[str, Any]]:
    """Reads the state of a model built from the same recipe, and its record.

    Raises:
        CorruptModelError: when the file is damaged, or its arrays differ in number, order, shape
            or kind of number from the model's variables.
    """
    variables = _state(model)
    try:
        with np.load(path, allow_pickle=False) as archive:
            values = [archive[str(i)] for i in range(len(archive.files) - 1)]
            record = json.loads(archive["record"].tobytes())
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise CorruptModelError(f"the checkpoint {path} cannot be read: {error}") from error
    # Backends count in integers of different sizes.
    expected = [(tuple(variable.shape), "int" in variable.dtype) for variable in variables]
    if expected != [(value.shape, value.dtype.kind in "iu") for value in values]:
        raise CorruptModelError(f"the checkpoint {path} belongs to another recipe")
    return values, record


def restore(model: MultiPlayerModel, values: list[np.ndarray] | None) -> None:
    """Puts a state into a model; None leaves it as it is.

    Of several processes all must call it; each gets what process 0 has.
    """
    if distribution.process_count() > 1:
        values = distribution.from_chief(values or values_of(_state(model)))
    if values is not None:
        assign_all(_state(model), values)


def _state(model: MultiPlayerModel) -> list[keras.Variable]:
    return [*model.variables, *model.optimizer.variables]
