"""Exports on disk: whole or not there, named by the weights, refused with a figure."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import zoo
from tests.store.common import change_byte, make_card
from zoo.cards import Card
from zoo.errors import InvalidInputError
from zoo.runtime import exports, packages
from zoo.runtime.exported import ExportedFunctions
from zoo.runtime.parity import COUNT, parity_rows, tolerance

CARD = make_card(networks={"network": "network.keras"}, sha256={"network.keras": "12"}, version=3)


def write(root: Path, card: Card = CARD, **fields: Any) -> Path:
    folder = root / exports.digest_of(card)
    folder.mkdir(parents=True)
    for name in ("scores.onnx", "scores.xml", "scores.bin", "saved_model/scores/saved_model.pb"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
    arrays = {"scores/images": np.ones((32, 2)), "scores/answer": np.zeros((32, 3))}
    np.savez(folder / exports.PARITY, **arrays)  # type: ignore[arg-type]
    function = {
        "inputs": {"images": [2]},
        "output": [3],
        "tolerance": 1e-4,
        "parity": {"onnx": 1e-6},
        "takes": "pixels",
    }
    record = {
        "functions": {"scores": function},
        "facts": {"shape": [1]},
        "block": None,
        "runtimes": ["saved_model", "onnx", "openvino"],
        "versions": {},
        "int8": {},
    }
    exports.write(folder, {**record, **fields})
    return folder


def test_what_was_written_is_found_again(tmp_path: Path) -> None:
    assert exports.find(CARD) is None
    folder = write(tmp_path / "home" / "exports")
    found = exports.find(CARD)
    assert found is not None and found.folder == folder and found.block is None
    assert found.functions["scores"].inputs == {"images": [2]}
    assert found.facts == {"shape": [1]}
    rows, answers = found.parity()["scores"]
    assert isinstance(rows, np.ndarray) and rows.shape == (32, 2) and answers.shape == (32, 3)
    sizes = [found.size(runtime) for runtime in ("saved_model", "onnx", "openvino")]
    assert sizes == [len("saved_model/scores/saved_model.pb"), 11, 10 + 10]


def test_an_export_belongs_to_weights_and_not_to_a_name() -> None:
    other = dataclasses.replace(CARD, name="other.mnist", version=9, metrics=())
    assert exports.digest_of(other) == exports.digest_of(CARD)
    changed = dataclasses.replace(CARD, sha256={"network.keras": "13"})
    assert exports.digest_of(changed) != exports.digest_of(CARD)


@pytest.mark.parametrize("damage", ["byte", "missing", "record", "format", "field"])
def test_a_damaged_or_older_one_is_not_there(tmp_path: Path, damage: str) -> None:
    folder = write(tmp_path / "home" / "exports")
    record = json.loads((folder / exports.RECORD).read_text())
    if damage == "byte":
        change_byte(folder / "scores.bin")
    elif damage == "missing":
        (folder / "scores.onnx").unlink()
    elif damage == "record":
        (folder / exports.RECORD).write_text('{"format": 1')
    else:
        changed = {"format": 0} if damage == "format" else {"unheard": 1}
        (folder / exports.RECORD).write_text(json.dumps({**record, **changed}))
    assert exports.find(CARD) is None
    with pytest.raises(InvalidInputError, match="holds no whole export"):
        ExportedFunctions(folder, "onnx")


def test_exports_may_come_with_an_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write(tmp_path / "built")
    monkeypatch.setenv("ZOO_EXPORTS", str(tmp_path / "built"))
    found = exports.find(CARD)
    assert found is not None and found.folder == folder


def test_what_was_not_exported_for_a_runtime_is_refused(tmp_path: Path) -> None:
    folder = write(tmp_path, runtimes=["onnx"])
    functions = ExportedFunctions(folder, "onnx")
    assert functions.runtime == "onnx" and list(functions) == ["scores"] and functions.size == 11
    with pytest.raises(InvalidInputError, match=r'load with runtime="keras"'):
        _ = functions.networks
    with pytest.raises(InvalidInputError, match="was exported for onnx, not openvino"):
        ExportedFunctions(folder, "openvino")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"runtime": "opnvino"}, "runtime must be .*, got 'opnvino'; did you mean openvino"),
        ({"runtime": "onnx", "precision": "int8"}, "int8 needs the runtime openvino, got onnx"),
        ({"precision": "int4"}, "precision must be float32, int8, got 'int4'; did you mean int8"),
    ],
)
def test_an_unknown_runtime_is_one_line(options: dict[str, str], words: str) -> None:
    with pytest.raises(InvalidInputError, match=words) as refused:
        zoo.load("mlp.mnist", **options)
    assert "\n" not in str(refused.value)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "is_installed", lambda package: package == "tensorflow")
    assert packages.can_run("saved_model") and not packages.can_run("onnx")
    assert packages.can_make("saved_model") and not packages.can_make("openvino")
    with pytest.raises(InvalidInputError, match=r"needs tf2onnx; `pip install 'keras-model-zoo\["):
        packages.require("the runtime onnx", *packages.MADE_WITH["onnx"])


@pytest.mark.parametrize(
    ("int8", "task", "words"),
    [
        ({"loss": 0.004, "n": 500.0}, "classification", "loses 0.40 points of accuracy on 500"),
        ({"loss": 0.003, "n": 500.0}, "classification", "it is offered below 0.3"),
        ({}, "classification", "`zoo export mlp.mnist@3 --int8` does it"),
        ({"loss": 0.0, "n": 1.0}, "generation", "int8 is for classifiers; mlp.mnist@3 is for gen"),
    ],
)
def test_int8_is_offered_where_it_loses_little(
    tmp_path: Path, int8: dict[str, float], task: str, words: str
) -> None:
    card = dataclasses.replace(CARD, task=task)
    found = exports.read(write(tmp_path, card, int8=int8))
    assert found is not None
    with pytest.raises(InvalidInputError, match=words):
        exports.require_int8(found, card, 0.003)


@pytest.mark.parametrize("loss", [-0.01, 0.0, 0.0029])
def test_int8_that_loses_little_is_taken(tmp_path: Path, loss: float) -> None:
    found = exports.read(write(tmp_path, int8={"loss": loss, "n": 1000.0}))
    assert found is not None
    exports.require_int8(found, CARD, 0.003)


def test_rows_to_compare_on_are_such_as_a_function_meets() -> None:
    card = make_card(input={"shape": [8], "labels": ["a", "b", "c"]})
    pixels = parity_rows("pixels", {"x": [9, 7, 3]}, card, {})["x"]
    assert pixels.shape == (COUNT, 9, 7, 3) and pixels.dtype == np.float32
    assert pixels.min() >= 0 and pixels.max() <= 255 and pixels.std(axis=0).min() > 10
    images = parity_rows("images", {"x": [9, 7, 3]}, card, {})["x"]
    np.testing.assert_allclose(images, pixels / 127.5 - 1, atol=1e-6)
    assert parity_rows("pixels", {"x": [5]}, card, {})["x"].shape == (COUNT, 5)
    labelled = parity_rows("latents", {"z": [8]}, card, {})["z"]
    np.testing.assert_array_equal(np.sort(labelled[:, 5:]), [[0, 0, 1]] * COUNT)
    assert parity_rows("latents", {"z": [2, 3, 1]}, card, {})["z"].std() == pytest.approx(
        1, abs=0.2
    )
    facts = {"schedule": {"steps": 100}}
    shapes = {"sample": [4, 4, 1], "timestep": [], "label": [3]}
    noise = parity_rows("noise", shapes, card, facts)
    assert {name: one.shape[1:] for name, one in noise.items()} == {
        "sample": (4, 4, 1),
        "timestep": (),
        "label": (3,),
    }
    assert noise["timestep"].min() == 0 and noise["timestep"].max() == 99
    np.testing.assert_array_equal(noise["label"].sum(axis=1), 1)


def test_how_far_answers_may_lie_is_stated() -> None:
    assert tolerance("scores", np.full(3, 0.5)) == 1e-4
    assert tolerance("images", np.full(3, -0.9)) == 2e-3
    assert tolerance("features", np.array([-30.0, 2.0])) == pytest.approx(0.06)
