"""Exports a stored model's functions for runtimes that need no Keras.

This is the one place that imports Keras for it, on TensorFlow, whose graphs all formats are made
of. `zoo export` runs it, and `zoo.runtime.exports.ensure` runs that in a process of its own.
"""

from __future__ import annotations

import logging
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo import paths, store
from zoo.backend import quietly
from zoo.cards import Card
from zoo.errors import ZooError
from zoo.runtime import exports, packages
from zoo.runtime.batches import Rows
from zoo.runtime.choice import parity_error
from zoo.runtime.exported import ExportedFunctions
from zoo.runtime.exports import Export
from zoo.runtime.parity import parity_rows, tolerance

if TYPE_CHECKING:
    import keras

    from zoo.pipelines import Pipeline


# What a killed process left is removed when it is older than this.
_STALE_SECONDS = 24 * 3600


def export(reference: str | Path, int8: bool = False) -> Export:
    """Exports a stored model for every runtime whose files can be made here.

    What is there and whole stays as it is.

    Args:
        reference: As `zoo.load` takes it.
        int8: For a classifier, also in 8-bit integers; what that costs in accuracy is measured on
            the validation split, which must be prepared.

    Returns:
        What there is now.

    Raises:
        UnknownModelError, CorruptModelError: as for `zoo.store.load`.
        InvalidInputError: for `int8` where the model is no classifier, was trained without a
            validation split, or a package is missing.
        DataUnavailableError: for `int8` where the data set is not prepared.
        ZooError: when Keras runs on another backend, or a network cannot be exported.
    """
    from zoo.backend import import_backend

    card = store.read_card(reference)
    if int8:
        from zoo.runtime.int8 import require_quantizable

        require_quantizable(card)
    runtimes = [one for one in packages.MADE_WITH if packages.can_make(one)]
    found = exports.find(card)
    if found and set(runtimes) <= set(found.runtimes) and (found.int8 or not int8):
        return found
    import_backend("tensorflow")
    card, networks = store.load(reference)
    from zoo.pipelines import pipeline_of

    kind = pipeline_of(card.task, networks)
    with _work_folder(exports.digest_of(card)) as work:
        models, facts = kind.functions_of(networks), kind.facts_of(networks)
        fields = _exported(work, card, kind, models, facts, runtimes)
        if int8:
            from zoo.runtime.int8 import quantized

            exports.write(work, fields)
            fields["int8"] = quantized(_read(work), card)
        exports.write(work, fields)
        return _published(work)


def _exported(
    work: Path,
    card: Card,
    kind: type[Pipeline],
    models: Mapping[str, keras.Model],
    facts: dict[str, Any],
    runtimes: list[str],
) -> dict[str, Any]:
    """Writes all files but the record, and returns its fields."""
    from zoo.runtime.compiled import compile_network

    functions: dict[str, dict[str, Any]] = {}
    arrays: dict[str, np.ndarray] = {}
    checked: dict[str, tuple[Rows, np.ndarray]] = {}
    for name, model in models.items():
        named = {one.name: one for one in model.inputs}
        shapes = {key: list(one.shape[1:]) for key, one in named.items()}
        rows = parity_rows(kind.takes[name], shapes, card, facts)
        only: Rows = next(iter(rows.values())) if len(rows) == 1 else rows
        expected = compile_network(model, smallest=kind.block or 1)(only)
        _write(work, name, model, kind.block, runtimes)
        functions[name] = {
            "inputs": shapes,
            "output": list(model.outputs[0].shape[1:]),
            "tolerance": tolerance(name, expected),
            "parity": {},
            "takes": kind.takes[name],
        }
        checked[name] = only, expected
        arrays |= {f"{name}/{key}": value for key, value in rows.items()}
        arrays[f"{name}/answer"] = expected
    np.savez(work / exports.PARITY, **arrays)  # type: ignore[arg-type]
    made = packages.versions("keras", "tensorflow", "tf2onnx", "onnx", "openvino")
    fields = {
        "functions": functions,
        "facts": facts,
        "block": kind.block,
        "runtimes": runtimes,
        "versions": made,
        "int8": {},
    }
    exports.write(work, fields)
    draft = _read(work)
    for runtime in runtimes:
        if packages.can_run(runtime):
            opened = ExportedFunctions(draft, runtime)
            for name, (only, expected) in checked.items():
                error = parity_error(opened[name], only, expected)
                functions[name]["parity"][runtime] = min(error, float(np.finfo(np.float32).max))
    return fields


def _write(
    work: Path, name: str, model: keras.Model, block: int | None, runtimes: list[str]
) -> None:
    """Writes one function for all runtimes."""
    import keras

    several = len(model.inputs) > 1
    if several:
        # Of a dictionary the inputs' order would be that of their names in one format, and that
        # of the dictionary in another.
        model = keras.Model(list(model.inputs), model.outputs[0], name=model.name)

    specs = [
        keras.InputSpec(shape=(None, *one.shape[1:]), dtype="float32", name=one.name)
        for one in model.inputs
    ]
    saved, onnx = (work / exports.file_of(name, one) for one in ("saved_model", "onnx"))
    try:
        with _quiet():
            model.export(
                str(saved),
                format="tf_saved_model",
                verbose=False,
                input_signature=[specs] if several else specs,
            )
            if "onnx" in runtimes:
                from zoo.runtime.onnx_file import write_onnx

                # Of one size of batch more is known before the first call.
                write_onnx(model, onnx, block)
            if "openvino" in runtimes:
                from zoo.runtime.openvino_function import import_openvino

                openvino = import_openvino()
                read = openvino.Core().read_model(str(onnx))
                target = work / exports.file_of(name, "openvino")
                openvino.save_model(read, str(target), compress_to_fp16=False)
    except (ValueError, TypeError, RuntimeError, NotImplementedError, OSError) as error:
        first_line = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise ZooError(f"the function {name} cannot be exported: {first_line}") from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Hides what the converters print and log, unless one of them fails."""
    loggers = [logging.getLogger(name) for name in ("tf2onnx", "tensorflow", "absl")]
    levels = [one.level for one in loggers]
    for one in loggers:
        one.setLevel(logging.ERROR)
    try:
        with quietly():
            yield
    finally:
        for one, level in zip(loggers, levels, strict=True):
            one.setLevel(level)


def _read(folder: Path) -> Export:
    found = exports.read(folder)
    assert found is not None, "a record that was just written can be read"
    return found


@contextmanager
def _work_folder(digest: str) -> Iterator[Path]:
    """Gives a folder beside the exports, which is gone at the end or one of them."""
    root = paths.exports()[0]
    root.mkdir(parents=True, exist_ok=True)
    for left in root.glob(".exporting-*"):
        if time.time() - left.stat().st_mtime > _STALE_SECONDS:
            shutil.rmtree(left, ignore_errors=True)
    above = Path(tempfile.mkdtemp(prefix=".exporting-", dir=root))
    work = above / digest
    work.mkdir()
    try:
        yield work
    finally:
        shutil.rmtree(above, ignore_errors=True)


def _published(work: Path) -> Export:
    """Renames a folder to where it belongs; of two that were made at once the first stays."""
    target = paths.exports()[0] / work.name
    if target.exists():
        # Damaged, of fewer runtimes or of another format: none of it is worth keeping.
        shutil.rmtree(target)
    try:
        work.rename(target)
    except OSError:
        there = exports.read(target)
        if there is None:
            raise
        return there
    return _read(target)
