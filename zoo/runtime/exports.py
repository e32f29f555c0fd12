"""Exported networks on disk: where they are, what they are, whether they are whole.

    $ZOO_HOME/exports/<digest>/export.json, parity.npz, <function>.onnx, <function>.xml and .bin,
        <function>.int8.xml and .bin, saved_model/<function>/

The digest is that of the networks' own, so what is exported belongs to weights and not to names. A
folder appears whole or not at all. Nothing here imports a framework; `zoo.runtime.export` makes
the files.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from zoo import files, paths, store
from zoo.cards import Card
from zoo.errors import InvalidInputError, ZooError
from zoo.runtime import packages
from zoo.runtime.batches import Rows

# Another number makes everything anew.
FORMAT = 1
RECORD = "export.json"
PARITY = "parity.npz"
_ROOT = Path(__file__).resolve().parents[2]


@dataclasses.dataclass(frozen=True)
class ExportedFunction:
    """One function of an export.

    Args:
        inputs: `{name: shape of a row}`, in the order of the network.
        output: Shape of an answer.
        tolerance: How far an answer may lie from that of Keras, anywhere.
        parity: `{runtime: how far it lay when it was exported}`.
        takes: What its rows are, as `Pipeline.takes` has it.
    """

    inputs: dict[str, list[int]]
    output: list[int]
    tolerance: float
    parity: dict[str, float]
    takes: str


@dataclasses.dataclass(frozen=True)
class Export:
    """What `export.json` says.

    Args:
        folder: Where it is.
        functions: By name.
        facts: What the pipeline must know beside its card.
        block: Rows of every batch; None where batches are filled up to powers of two.
        runtimes: For which there are files.
        versions: Of the packages that made them.
        int8: Of a classifier in 8-bit integers `loss`, the share of the validation split that it
            gets wrong beyond those that it got wrong before, and `n`, the examples; empty where
            there is none.
        sha256: `{file: hexadecimal digest}` of every file beside the record.
    """

    folder: Path
    functions: dict[str, ExportedFunction]
    facts: dict[str, Any]
    block: int | None
    runtimes: list[str]
    versions: dict[str, str]
    int8: dict[str, float]
    sha256: dict[str, str]

    def path(self, function: str, runtime: str, precision: str = "float32") -> Path:
        """Returns the file, or for a SavedModel the folder, of a function."""
        return self.folder / file_of(function, runtime, precision)

    def size(self, runtime: str) -> int:
        """Returns the bytes of a runtime's files."""
        places = [file_of(function, runtime) for function in self.functions]
        whole = {place.removesuffix(".xml") + ".bin" for place in places}
        return sum(
            (self.folder / name).stat().st_size
            for name in self.sha256
            if name in whole or any(name == p or name.startswith(f"{p}/") for p in places)
        )

    def parity(self) -> dict[str, tuple[Rows, np.ndarray]]:
        """Returns rows of each function and what Keras answered to them."""
        with np.load(self.folder / PARITY, allow_pickle=False) as archive:
            found: dict[str, tuple[Rows, np.ndarray]] = {}
            for name, function in self.functions.items():
                rows = {key: archive[f"{name}/{key}"] for key in function.inputs}
                only: Rows = next(iter(rows.values())) if len(rows) == 1 else rows
                found[name] = only, archive[f"{name}/answer"]
        return found


def file_of(function: str, runtime: str, precision: str = "float32") -> str:
    """Returns the name of a function's file, or for a SavedModel of its folder."""
    if runtime == "saved_model":
        return f"saved_model/{function}"
    if runtime == "onnx":
        return f"{function}.onnx"
    return f"{function}.int8.xml" if precision == "int8" else f"{function}.xml"


def digest_of(card: Card) -> str:
    """Returns what names the export of a stored model."""
    networks = {name: card.sha256[file] for name, file in card.networks.items()}
    record = json.dumps({"format": FORMAT, "networks": networks, "task": card.task}, sort_keys=True)
    return hashlib.sha256(record.encode()).hexdigest()


def find(card: Card) -> Export | None:
    """Returns the whole export of a stored model; None where there is none or it is damaged."""
    for root in paths.exports():
        found = read(root / digest_of(card))
        if found is not None:
            return found
    return None


def read(folder: Path) -> Export | None:
    """Returns the export in a folder; None where it is not whole, or of another format."""
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        if record.pop("format") != FORMAT:
            return None
        functions = {
            name: ExportedFunction(**fields) for name, fields in record.pop("functions").items()
        }
        export = Export(folder=folder, functions=functions, **record)
        if any(files.sha256(folder / name) != one for name, one in export.sha256.items()):
            return None
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return export


def write(folder: Path, fields: Mapping[str, Any]) -> None:
    """Writes the record of a folder, with the digests of the files in it."""
    (folder / RECORD).unlink(missing_ok=True)
    inside = sorted(path for path in folder.rglob("*") if path.is_file())
    digests = {path.relative_to(folder).as_posix(): files.sha256(path) for path in inside}
    record = {"format": FORMAT, **fields, "sha256": digests}
    (folder / RECORD).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def ensure(reference: str | Path, runtime: str = "auto") -> Export:
    """Returns the export of a stored model, made by another process if there is none.

    That process imports TensorFlow and Keras, this one does not.

    Args:
        reference: As `zoo.load` takes it.
        runtime: One of `zoo.runtime.functions.RUNTIMES` but `keras`, of which there must be files.

    Raises:
        UnknownModelError, CorruptModelError: as for `zoo.store.verify`.
        InvalidInputError: where a package is missing that makes the files.
        ZooError: where the networks cannot be exported.
    """
    folder = store.find(reference)
    card = store.read_card(folder)
    found = find(card)
    if found is not None and (runtime == "auto" or runtime in found.runtimes):
        return found
    if runtime != "auto":
        packages.require(f"the runtime {runtime}", *packages.MADE_WITH[runtime])
    label = f"{card.name}@{card.version}"
    print(f"zoo: exporting {label}, once, which takes a while", file=sys.stderr, flush=True)
    # The same code as here, wherever this process found it.
    search = os.pathsep.join(filter(None, [str(_ROOT), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, "-m", "zoo.cli", "export", str(folder.resolve())],
        env={**os.environ, "KERAS_BACKEND": "tensorflow", "PYTHONPATH": search},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    found = find(card)
    if found is None or (runtime != "auto" and runtime not in found.runtimes):
        said = (done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"])[-1]
        raise ZooError(f"{label} cannot be exported: {said.removeprefix('zoo: ')}")
    return found


def require_int8(export: Export, card: Card, largest: float) -> None:
    """Checks that a classifier in 8-bit integers is there and good enough.

    Args:
        export: Of the classifier.
        card: Its card.
        largest: Share of the validation split that it may get wrong beyond the float one.

    Raises:
        InvalidInputError: with the figure, or with the command that measures it.
    """
    label = f"{card.name}@{card.version}"
    if card.task != "classification":
        raise InvalidInputError(f"precision int8 is for classifiers; {label} is for {card.task}")
    if not export.int8:
        raise InvalidInputError(
            f"{label} has not been measured in int8; `zoo export {label} --int8` does it"
        )
    loss, count = export.int8["loss"], int(export.int8["n"])
    if not loss < largest:
        raise InvalidInputError(
            f"in int8 {label} loses {100 * loss:.2f} points of accuracy on {count} validation "
            f"images; it is offered below {100 * largest:g}"
        )
