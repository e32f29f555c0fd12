"""Networks in and out of the store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.store.common import (
    NAME,
    fakes,
    make_card,
    tiny_network,
)
from zoo import store
from zoo.errors import CorruptModelError


def test_a_network_comes_back_uncompiled_with_the_same_function(home: Path) -> None:
    network = tiny_network()
    network.compile("adam", "mse")
    store.save(make_card(), {"network": network})
    card, networks = store.load(NAME)
    assert card.networks == {"network": "network.keras"}
    rows = np.random.default_rng(0).normal(size=(4, 2)).astype("float32")
    weights, bias = (np.asarray(value) for value in network.get_weights())
    np.testing.assert_allclose(
        np.asarray(networks["network"](rows)), rows @ weights + bias, atol=1e-6
    )
    assert not networks["network"].compiled


@pytest.mark.parametrize("content", [b"", b"no zip at all", b"PK\x03\x04" + bytes(100)])
def test_a_stored_file_that_is_no_network_is_a_corrupt_model(home: Path, content: bytes) -> None:
    store.save(make_card(), fakes(content))
    store.verify(NAME)
    with pytest.raises(CorruptModelError, match=r"network\.keras cannot be loaded") as caught:
        store.load(NAME)
    assert "\n" not in str(caught.value)


def test_every_truncation_of_a_network_is_a_corrupt_model(home: Path, tmp_path: Path) -> None:
    tiny_network().save(tmp_path / "whole.keras")
    whole = (tmp_path / "whole.keras").read_bytes()
    for length in range(0, len(whole), len(whole) // 12 + 1):
        store.save(make_card(), fakes(whole[:length]))
        with pytest.raises(CorruptModelError):
            store.load(NAME)


def test_a_network_with_code_in_it_is_refused(home: Path, tmp_path: Path) -> None:
    import keras

    proof = str(tmp_path / "ran")

    def attack(x: Any) -> Any:
        open(proof, "w").close()
        return x

    code = keras.layers.Lambda(attack, output_shape=(2,))
    network = keras.Sequential([keras.Input((2,)), code])
    network(np.zeros((1, 2)))
    Path(proof).unlink()  # The attack works; `unlink` would say so if it did not.
    store.save(make_card(), {"network": network})
    with pytest.raises(CorruptModelError, match=r"network\.keras cannot be loaded"):
        store.load(NAME)
    assert not Path(proof).exists(), "code from a model's file was run"


def test_a_network_with_an_unknown_class_is_refused(home: Path, tmp_path: Path) -> None:
    import zipfile

    tiny_network().save(tmp_path / "good.keras")
    with (
        zipfile.ZipFile(tmp_path / "good.keras") as good,
        zipfile.ZipFile(tmp_path / "bad.keras", "w") as bad,
    ):
        for name in good.namelist():
            content = good.read(name)
            if name == "config.json":
                content = content.replace(b'"class_name": "Dense"', b'"class_name": "Popen"')
                content = content.replace(b'"module": "keras.layers"', b'"module": "subprocess"')
            bad.writestr(name, content)
    store.save(make_card(), fakes((tmp_path / "bad.keras").read_bytes()))
    with pytest.raises(CorruptModelError):
        store.load(NAME)
