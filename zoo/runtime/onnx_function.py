"""An exported network on ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from zoo.runtime.threads import cores


def opened(path: Path) -> Callable[[Any], np.ndarray]:
    """Opens a network for the CPU.

    Args:
        path: The `.onnx` file.

    Returns:
        A function from float32 (n, …), or a mapping of such arrays by the names of the inputs, to
        float32 (n, …), of as many rows as the file leaves open. It may be called from several
        threads.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = cores()
    options.inter_op_num_threads = 1
    # Threads that wait in a loop take the time of other networks on the same cores.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.enable_cpu_mem_arena = True
    # Warnings tell of how a graph was simplified, nothing that a user could act on.
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        str(path), sess_options=options, providers=["CPUExecutionProvider"]
    )
    names = [one.name for one in session.get_inputs()]
    outputs = [session.get_outputs()[0].name]

    def run(rows: Any) -> np.ndarray:
        given = rows if isinstance(rows, Mapping) else {names[0]: rows}
        answer: np.ndarray = session.run(outputs, dict(given))[0]
        return answer

    return run
