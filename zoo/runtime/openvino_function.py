"""An exported network on OpenVINO."""

from __future__ import annotations

import functools
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from zoo.runtime.threads import cores


def import_openvino() -> Any:
    """Imports OpenVINO without its telemetry, which it sends when it is imported.

    It does without the package that sends; None in its place is how Python is told of its absence.
    """
    if "openvino" not in sys.modules:
        sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
    import openvino

    return openvino


@functools.cache
def _core() -> Any:
    return import_openvino().Core()


def opened(path: Path) -> Callable[[Any], np.ndarray]:
    """Compiles a network for the CPU, in float32 or as its file says in 8-bit integers.

    Args:
        path: The `.xml` file.

    Returns:
        A function from float32 (n, …), or a mapping of such arrays by the names of the inputs, to
        float32 (n, …), of as many rows as the file leaves open. It may be called from several
        threads.
    """
    settings = {
        # Left to itself it computes in bfloat16 where the processor can.
        "INFERENCE_PRECISION_HINT": "f32",
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": "1",
        "INFERENCE_NUM_THREADS": str(cores()),
        # Threads bound to cores would wait for each other where several networks are loaded.
        "ENABLE_CPU_PINNING": "NO",
    }
    compiled = _core().compile_model(str(path), "CPU", settings)
    requests = threading.local()

    def run(rows: Any) -> np.ndarray:
        # A request is for one thread at a time.
        if not hasattr(requests, "own"):
            requests.own = compiled.create_infer_request()
        given = rows if isinstance(rows, Mapping) else {0: rows}
        answer: np.ndarray = requests.own.infer(dict(given))[0]
        return answer

    return run
