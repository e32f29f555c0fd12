"""8-bit integers: measured on the validation split, taken or refused by that."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import keras
import numpy as np
import pytest

import zoo
from tests.store.common import make_card
from zoo import data, registry, store
from zoo.errors import InvalidInputError
from zoo.models.cnn.small_cnn import small_cnn
from zoo.pipelines import Classifier
from zoo.runtime import exports, packages
from zoo.runtime.export import export

pytestmark = pytest.mark.skipif(not packages.can_make("openvino"), reason="needs the extra fast")
NAME = "small_cnn.fashion_mnist-tiny"
HELD_OUT = 64


def save(validation: int = HELD_OUT, name: str = NAME, data_set: str = "fashion_mnist") -> None:
    keras.utils.set_random_seed(0)
    network = {"network": small_cnn((28, 28, 1), 10, filters=((4,), (4,)))}
    labels = data.get("fashion_mnist").labels
    inputs, output = Classifier.describe(network, labels)
    recipe = registry.recipes().get("small_cnn.fashion_mnist")
    changes = {"name": name, "data.name": data_set, "data.validation": validation}
    recipe = recipe.override(changes)
    card = make_card(name, family="cnn", recipe=recipe.to_dict(), input=inputs, output=output)
    store.save(card, network)


@pytest.fixture
def calibrated(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Stands in for nncf: it keeps what it is to calibrate on and leaves the network as it is."""
    kept: list[Any] = []
    stand_in = ModuleType("nncf")

    def quantize(network: Any, examples: list[np.ndarray], subset_size: int) -> Any:
        assert subset_size == len(examples)
        kept.extend(examples)
        print("a bar of progress")
        return network

    for name, value in (
        ("set_log_level", lambda level: None),
        ("Dataset", list),
        ("quantize", quantize),
    ):
        setattr(stand_in, name, value)
    monkeypatch.setitem(sys.modules, "nncf", stand_in)
    really = packages.is_installed
    monkeypatch.setattr(packages, "is_installed", lambda one: one == "nncf" or really(one))
    return kept


def test_what_int8_costs_is_measured_on_the_validation_split(
    sample_home: Path, calibrated: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    save()
    made = export(NAME, int8=True)
    assert made.int8 == {"loss": 0.0, "n": HELD_OUT}
    assert len(calibrated) == 300
    assert {one.shape for one in calibrated} == {(1, 28, 28, 1)}
    assert max(one.max() for one in calibrated) > 200
    assert capsys.readouterr().out == ""
    classifier = zoo.load(NAME, runtime="openvino", precision="int8")
    assert isinstance(classifier, Classifier)
    images = np.random.default_rng(0).integers(0, 256, (5, 28, 28), dtype=np.uint8)
    expected = zoo.load(NAME)
    assert isinstance(expected, Classifier)
    np.testing.assert_allclose(classifier.scores(images), expected.scores(images), atol=1e-4)
    record = json.loads((made.folder / exports.RECORD).read_text())
    exports.write(made.folder, {**record, "int8": {"loss": 0.02, "n": HELD_OUT}})
    with pytest.raises(InvalidInputError, match=r"loses 2\.00 points of accuracy on 64 valid"):
        zoo.load(NAME, runtime="openvino", precision="int8")


def test_without_a_validation_split_there_is_nothing_to_measure_on(calibrated: list[Any]) -> None:
    save(validation=0)
    with pytest.raises(InvalidInputError, match="was trained without a validation split"):
        export(NAME, int8=True)


def test_nor_is_there_where_the_validation_split_has_no_labels(calibrated: list[Any]) -> None:
    name = "small_cnn.mnist_to_usps-adapted"
    save(name=name, data_set="mnist_to_usps")
    with pytest.raises(InvalidInputError, match="was adapted to usps without its labels"):
        export(name, int8=True)


def test_the_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    save()
    monkeypatch.setattr(packages, "is_installed", lambda one: one != "nncf")
    with pytest.raises(InvalidInputError, match=r"int8 needs nncf; .*\[int8\]"):
        export(NAME, int8=True)
