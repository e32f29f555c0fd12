"""Which runtime is the fastest here, measured once for a machine and kept beside the exports."""

from __future__ import annotations

import json
import logging
import statistics
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from zoo import files, paths
from zoo.errors import ZooError
from zoo.runtime import packages
from zoo.runtime.batches import Rows
from zoo.runtime.exported import ExportedFunctions
from zoo.runtime.exports import Export
from zoo.runtime.functions import Function
from zoo.runtime.threads import cores, processor

# Batches that are measured; those of other sizes run on what is best for the next larger one.
BUCKETS = (1, 8, 32)
# Calls of each runtime, in turns, and seconds after which there are fewer of them.
_CALLS, _LEAST, _SECONDS = 21, 5, 0.2

logger = logging.getLogger("zoo")


def choose(export: Export) -> dict[str, dict[int, str]]:
    """Returns the fastest runtime of each function and size of batch.

    What another process measured on the same machine, with the same versions, is taken as it is.
    A runtime whose answers are not those of Keras is left out, with a warning. TensorFlow counts
    where the process has imported it already, or where nothing else is installed: it needs more
    memory and more time to start than all others.

    Args:
        export: What was exported.

    Returns:
        As `ExportedFunctions` takes it.

    Raises:
        ZooError: when no runtime is installed, or none of them answers as Keras does.
    """
    candidates = runtimes_here(export)
    place = choice_path(export)
    record = _read(place)
    if record is None or not set(candidates) <= set(record["runtimes"]):
        record = {"machine": machine(), "runtimes": candidates, **_measured(export, candidates)}
        files.write_text(place, json.dumps(record, indent=2) + "\n")
    return _fastest(export, record, candidates)


def choice_path(export: Export) -> Path:
    """Returns where the measurements of an export are kept."""
    return paths.exports()[0] / f"{export.folder.name}.choice.json"


def runtimes_here(export: Export) -> list[str]:
    """Returns the runtimes that an export can run on in this process; see `choose`.

    Raises:
        ZooError: when there is none.
    """
    installed = [runtime for runtime in export.runtimes if packages.can_run(runtime)]
    light = [one for one in installed if one != "saved_model" or "tensorflow" in sys.modules]
    if not installed:
        raise ZooError(
            f"none of the runtimes {', '.join(export.runtimes)} is installed; "
            "`pip install 'keras-model-zoo[fast]'` brings onnx and openvino"
        )
    return light or installed


def machine() -> dict[str, Any]:
    """Returns what measurements depend on beside the network."""
    return {
        "processor": processor(),
        "cores": cores(),
        "versions": packages.versions("onnxruntime", "openvino", "tensorflow", "numpy"),
    }


def parity_error(function: Function, rows: Rows, expected: np.ndarray) -> float:
    """Returns how far a function's answers lie from the expected ones; infinite for no numbers."""
    error = float(np.max(np.abs(function(rows) - expected)))
    return error if np.isfinite(error) else float("inf")


def _read(place: Path) -> dict[str, Any] | None:
    """Returns what was measured on this machine, None where there is nothing of it."""
    try:
        record = json.loads(place.read_text(encoding="utf-8"))
        return record if record["machine"] == machine() else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _measured(export: Export, runtimes: list[str]) -> dict[str, Any]:
    """Returns milliseconds and errors by function, size of batch and runtime."""
    on = {runtime: ExportedFunctions(export, runtime) for runtime in runtimes}
    sizes = BUCKETS if export.block is None else (export.block,)
    milliseconds: dict[str, dict[str, dict[str, float]]] = {}
    errors: dict[str, dict[str, float]] = {}
    for name, (rows, expected) in export.parity().items():
        # Not a number that JSON lacks, should an answer be none.
        errors[name] = {
            runtime: min(parity_error(functions[name], rows, expected), sys.float_info.max)
            for runtime, functions in on.items()
        }
        milliseconds[name] = {
            str(size): _medians({one: functions[name] for one, functions in on.items()}, rows, size)
            for size in sizes
        }
    for functions in on.values():
        functions.close()
    return {"milliseconds": milliseconds, "errors": errors}


def _medians(functions: Mapping[str, Function], rows: Rows, size: int) -> dict[str, float]:
    """Times functions in turns, so that whatever else the machine does meets all of them."""
    given = _of_size(rows, size)
    calls: dict[str, list[float]] = {name: [] for name in functions}
    for function in functions.values():
        function(given)
    began = time.perf_counter()
    for turn in range(_CALLS):
        if turn >= _LEAST and time.perf_counter() - began > _SECONDS * len(functions):
            break
        for name, function in functions.items():
            started = time.perf_counter()
            function(given)
            calls[name].append(time.perf_counter() - started)
    return {name: round(1000 * statistics.median(seconds), 4) for name, seconds in calls.items()}


def _of_size(rows: Rows, size: int) -> Rows:
    if isinstance(rows, Mapping):
        return {name: np.resize(one, (size, *one.shape[1:])) for name, one in rows.items()}
    return np.resize(rows, (size, *rows.shape[1:]))


def _fastest(
    export: Export, record: Mapping[str, Any], candidates: list[str]
) -> dict[str, dict[int, str]]:
    chosen: dict[str, dict[int, str]] = {}
    for name, function in export.functions.items():
        errors = record["errors"][name]
        right = [one for one in candidates if errors[one] <= function.tolerance]
        for one in set(candidates) - set(right):
            logger.warning(
                "%s is not used for %s: its answers lie %.2g from those of Keras, %.2g may be",
                *(one, name, errors[one], function.tolerance),
            )
        if not right:
            raise ZooError(
                f"no runtime of {', '.join(candidates)} computes {name} as Keras does; load with "
                'runtime="keras"'
            )
        chosen[name] = {
            int(size): min(right, key=found.__getitem__)
            for size, found in record["milliseconds"][name].items()
        }
    return chosen
