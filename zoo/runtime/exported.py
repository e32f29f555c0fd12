"""A pipeline's functions from exported files, without Keras."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from zoo import store
from zoo.errors import InvalidInputError
from zoo.runtime import exports, packages
from zoo.runtime.batches import LARGEST, Rows, count_of, in_batches
from zoo.runtime.exports import Export
from zoo.runtime.functions import Function, Functions, require_runtime

# Points of accuracy that a classifier may lose in 8-bit integers, as a share.
INT8_LOSS = 0.003
# The function of a classifier that there may be in 8-bit integers.
INT8_FUNCTION = "scores"

# By function, the runtime of batches up to each size, in rising order; the last is for all larger.
Choice = Mapping[str, Mapping[int, str]]

logger = logging.getLogger("zoo")


class ExportedFunctions(Functions):
    """Functions of exported networks, each opened when it is first asked for.

    Neither Keras nor, but for the runtime `saved_model`, TensorFlow is imported.

    Args:
        folder: Of the export, or the export.
        runtime: `saved_model`, `onnx`, `openvino`, or `auto` with a choice.
        precision: `float32`, or for a classifier on OpenVINO `int8`.
        choice: Which runtime computes what, as `zoo.runtime.choice.choose` gives it.

    Attributes:
        export: What the folder holds.
        choice: As above; of one runtime that one throughout.

    Raises:
        InvalidInputError: for a folder that holds no whole export, or one without the runtime.
    """

    def __init__(
        self,
        folder: Path | Export,
        runtime: str,
        precision: str = "float32",
        choice: Choice | None = None,
    ) -> None:
        export = folder if isinstance(folder, Export) else exports.read(folder)
        if export is None:
            raise InvalidInputError(f"{folder} holds no whole export")
        super().__init__(export.functions, export.facts)
        self.export = export
        self.runtime = runtime
        self.choice: Choice = choice or {name: {LARGEST: runtime} for name in export.functions}
        for used in self._used():
            if used not in export.runtimes:
                raise InvalidInputError(
                    f"{export.folder} was exported for {', '.join(export.runtimes)}, not {used}"
                )
        self._precision = precision

    @property
    def size(self) -> int:
        """Bytes of the files; those of each runtime that is used count."""
        return sum(self.export.size(runtime) for runtime in self._used())

    def _used(self) -> set[str]:
        return {runtime for sizes in self.choice.values() for runtime in sizes.values()}

    def _make(self, name: str) -> Function:
        sizes = self.choice[name]
        opened = {runtime: self._open(name, runtime) for runtime in set(sizes.values())}

        def run(rows: Rows) -> np.ndarray:
            count = count_of(rows)
            fitting = next((one for size, one in sizes.items() if count <= size), None)
            return opened[fitting or sizes[max(sizes)]](rows)

        block = self.export.block
        return in_batches(run, smallest=block or 1, largest=block or LARGEST)

    def _open(self, name: str, runtime: str) -> Callable[[Any], np.ndarray]:
        precision = self._precision if name == INT8_FUNCTION else "float32"
        path = self.export.path(name, runtime, precision)
        if runtime == "openvino":
            from zoo.runtime import openvino_function

            return openvino_function.opened(path)
        if runtime == "onnx":
            from zoo.runtime import onnx_function

            return onnx_function.opened(path)
        from zoo.runtime import saved_model_function

        return saved_model_function.opened(path, list(self.export.functions[name].inputs))


def open_functions(
    reference: str | Path, runtime: str, precision: str = "float32"
) -> ExportedFunctions:
    """Returns the functions of a stored model on a runtime without Keras.

    What was not exported yet is exported now, and for `auto` what was not measured yet on this
    machine is measured now. Both are kept.

    Args:
        reference: As `zoo.load` takes it.
        runtime: `saved_model`, `onnx`, `openvino` or `auto`.
        precision: `float32` or `int8`.

    Raises:
        UnknownModelError, CorruptModelError: as for `zoo.store.verify`.
        InvalidInputError: for a runtime whose package is missing, or a precision that is not
            offered for the model.
        ZooError: for networks that cannot be exported, or that no runtime computes as Keras does.
    """
    require_runtime(runtime, precision)
    if runtime != "auto":
        packages.require(f"the runtime {runtime}", packages.RUNS_ON[runtime])
    export = exports.ensure(reference, runtime)
    if precision == "int8":
        exports.require_int8(export, store.read_card(reference), INT8_LOSS)
    if runtime != "auto":
        for name, function in export.functions.items():
            if function.parity.get(runtime, 0.0) > function.tolerance:
                logger.warning(
                    "%s computes %s with a difference of %.2g from Keras, %.2g is expected",
                    *(runtime, name, function.parity[runtime], function.tolerance),
                )
        return ExportedFunctions(export, runtime, precision)
    from zoo.runtime.choice import choose

    return ExportedFunctions(export, runtime, choice=choose(export))
