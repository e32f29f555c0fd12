"""The choice of a runtime: the fastest that is right, measured once for a machine."""

from __future__ import annotations

import dataclasses
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from tests.runtime.test_exports import CARD, write
from zoo import paths
from zoo.errors import ZooError
from zoo.runtime import choice, exports
from zoo.runtime.exported import ExportedFunctions
from zoo.runtime.exports import Export

# Seconds that each takes for a batch, by its size.
PACE: dict[str, Callable[[int], float]] = {
    "onnx": lambda size: 0.002 if size == 1 else 0.02,
    "openvino": lambda size: 0.008,
    "saved_model": lambda size: 0.0001,
}
IS_INSTALLED = "zoo.runtime.packages.is_installed"


@dataclasses.dataclass
class Stage:
    """What was called in the place of runtimes, and which of these answer wrongly."""

    ran: list[str]
    wrong: set[str]


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    """Puts functions that take their time in the place of those of the runtimes."""
    made = Stage([], set())

    def pretend(self: ExportedFunctions, name: str, runtime: str) -> Any:
        def run(rows: np.ndarray) -> np.ndarray:
            made.ran.append(runtime)
            time.sleep(PACE[runtime](len(rows)))
            return np.full((len(rows), 3), 0.01 if runtime in made.wrong else 0.0, np.float32)

        return run

    monkeypatch.setattr(ExportedFunctions, "_open", pretend)
    monkeypatch.setattr(IS_INSTALLED, lambda package: True)
    monkeypatch.setattr(choice, "_CALLS", 3)
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    return made


def an_export(**fields: Any) -> Export:
    found = exports.read(write(paths.exports()[0], **fields))
    assert found is not None
    return found


def test_the_fastest_of_each_size_is_chosen_and_kept(stage: Stage) -> None:
    export = an_export()
    chosen = choice.choose(export)
    assert chosen == {"scores": {1: "onnx", 8: "openvino", 32: "openvino"}}
    assert set(stage.ran) == {"onnx", "openvino"}
    stage.ran.clear()
    assert choice.choose(export) == chosen and stage.ran == []
    functions = ExportedFunctions(export, "auto", choice=chosen)
    assert functions.runtime == "auto" and functions.size == 11 + 20
    for count, expected in ((1, "onnx"), (2, "openvino"), (8, "openvino"), (40, "openvino")):
        assert functions["scores"](np.zeros((count, 2))).shape == (count, 3)
        assert stage.ran.pop() == expected and not stage.ran


def test_where_a_seed_must_name_an_image_there_is_one_size(stage: Stage) -> None:
    assert choice.choose(an_export(block=8)) == {"scores": {8: "openvino"}}


def test_another_machine_or_version_measures_anew(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    export = an_export()
    choice.choose(export)
    stage.ran.clear()
    monkeypatch.setattr(choice, "processor", lambda: "another")
    choice.choose(export)
    assert stage.ran
    choice.choice_path(export).write_text("{")
    stage.ran.clear()
    assert choice.choose(export)["scores"][1] == "onnx" and stage.ran


def test_tensorflow_counts_where_it_is_imported_already(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    export = an_export()
    assert choice.choose(export)["scores"][1] == "onnx"
    monkeypatch.setitem(sys.modules, "tensorflow", ModuleType("tensorflow"))
    assert choice.choose(export)["scores"] == dict.fromkeys(choice.BUCKETS, "saved_model")
    monkeypatch.delitem(sys.modules, "tensorflow")
    stage.ran.clear()
    assert choice.choose(export)["scores"][1] == "onnx" and not stage.ran
    # There may be nothing else.
    monkeypatch.setattr(IS_INSTALLED, lambda package: package == "tensorflow")
    assert choice.choose(export)["scores"][1] == "saved_model"
    monkeypatch.setattr(IS_INSTALLED, lambda package: False)
    with pytest.raises(ZooError, match="none of the runtimes saved_model, onnx, openvino is inst"):
        choice.choose(export)


def test_a_runtime_that_answers_otherwise_is_left_out(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    stage.wrong = {"openvino"}
    export = an_export()
    with caplog.at_level("WARNING", logger="zoo"):
        assert choice.choose(export)["scores"] == dict.fromkeys(choice.BUCKETS, "onnx")
    assert "openvino is not used for scores: its answers lie 0.01 from" in caplog.text
    record = json.loads(choice.choice_path(export).read_text())
    assert record["errors"]["scores"] == {"onnx": 0.0, "openvino": pytest.approx(0.01)}
    choice.choice_path(export).unlink()
    stage.wrong = {"openvino", "onnx"}
    with pytest.raises(ZooError, match="no runtime of onnx, openvino computes scores as Keras"):
        choice.choose(export)


def test_answers_that_are_no_numbers_are_as_far_as_can_be() -> None:
    rows, expected = np.zeros((4, 2), np.float32), np.zeros((4, 2), np.float32)
    assert choice.parity_error(lambda given: np.asarray(given) + 0.5, rows, expected) == 0.5
    assert choice.parity_error(lambda given: np.asarray(given) * np.nan, rows, expected) == np.inf


def test_the_choice_is_kept_where_one_may_write(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZOO_EXPORTS", str(tmp_path / "built"))
    write(tmp_path / "built")
    export = exports.find(CARD)
    assert export is not None
    before = sorted((tmp_path / "built").rglob("*"))
    choice.choose(export)
    assert sorted((tmp_path / "built").rglob("*")) == before
    assert choice.choice_path(export).is_file()
