"""What the store refuses to read."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.store.common import (
    NAME,
    change_byte,
    rewrite_card,
)
from zoo import store
from zoo.cards import Card
from zoo.errors import CorruptModelError


@pytest.mark.parametrize("file", ["network.keras", "samples.png", "README.md"])
def test_a_changed_or_missing_file_is_named(folder: Path, file: str) -> None:
    store.verify(NAME)
    change_byte(folder / file, 2)
    with pytest.raises(CorruptModelError, match=rf"{NAME}@1: {file} .*sha256 differs"):
        store.verify(NAME)
    (folder / file).unlink()
    with pytest.raises(CorruptModelError, match=rf"{NAME}@1: {file} is missing"):
        store.verify(NAME)
    with pytest.raises(CorruptModelError, match=file):
        store.load(NAME)


def test_a_file_that_is_not_on_the_card_is_named(folder: Path) -> None:
    (folder / ".DS_Store").write_bytes(b"of a file manager")
    store.verify(NAME)
    (folder / "extra.keras").write_bytes(b"x")
    with pytest.raises(CorruptModelError, match=r"extra\.keras has no sha256 on the card"):
        store.verify(NAME)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", "3", '"card"', "{}", '{"name": 1}', "\x00\xff", "{" * 10_000]
)
def test_a_damaged_card_is_a_corrupt_model(folder: Path, text: str) -> None:
    (folder / "card.json").write_bytes(text.encode("latin-1"))
    for read in (store.read_card, store.verify, store.load):
        with pytest.raises(CorruptModelError) as caught:
            read(NAME)
        assert "\n" not in str(caught.value)


def test_every_truncation_of_a_card_is_a_corrupt_model(folder: Path) -> None:
    whole = (folder / "card.json").read_bytes()
    for length in range(0, len(whole.rstrip()), 37):
        (folder / "card.json").write_bytes(whole[:length])
        with pytest.raises(CorruptModelError):
            store.verify(NAME)


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(Card)])
@pytest.mark.parametrize("wrong", [None, 1.5, ["x"], {"x": ["y"]}])
def test_no_value_on_a_card_gets_past_as_another_error(
    folder: Path, field: str, wrong: Any
) -> None:
    rewrite_card(folder, **{field: wrong})
    try:
        store.verify(NAME)
    except CorruptModelError as error:
        assert "\n" not in str(error)
    else:
        free_tables = ("recipe", "data", "input", "output", "training", "costs")
        assert field in free_tables
        assert wrong == {"x": ["y"]}


@pytest.mark.parametrize("file", ["../1/network.keras", "/etc/hostname", "sub/x.keras", "", ".."])
def test_a_card_cannot_name_a_file_outside_its_folder(folder: Path, file: str) -> None:
    digest = hashlib.sha256(b"weights").hexdigest()
    rewrite_card(folder, networks={"network": file})
    with pytest.raises(CorruptModelError):
        store.verify(NAME)
    rewrite_card(folder, networks={"network": file}, sha256={file: digest})
    with pytest.raises(CorruptModelError):
        store.verify(NAME)


def test_a_network_in_another_format_is_refused(folder: Path) -> None:
    os.rename(folder / "network.keras", folder / "network.h5")
    digests = store.read_card(NAME).sha256
    digests["network.h5"] = digests.pop("network.keras")
    rewrite_card(folder, networks={"network": "network.h5"}, sha256=digests)
    with pytest.raises(CorruptModelError, match=r"network\.h5 is not a \.keras file"):
        store.load(NAME)


@pytest.mark.parametrize("family", ["", "os", "..mlp", "mlp.mlp", "mlp/../gan", "nothing"])
def test_a_card_cannot_choose_what_is_imported(folder: Path, family: str) -> None:
    rewrite_card(folder, family=family)
    with pytest.raises(CorruptModelError, match="there is no family"):
        store.load(NAME)


def test_a_card_must_be_that_of_its_own_folder(folder: Path) -> None:
    """A version copied over another's number is found out, its digests being right."""
    copy = folder.parent / str(int(folder.name) + 1)
    shutil.copytree(folder, copy)
    with pytest.raises(CorruptModelError, match=f"is that of .*@{folder.name}"):
        store.read_card(copy)
    elsewhere = shutil.copytree(folder, folder.parent.parent.parent / "elsewhere")
    assert store.read_card(Path(elsewhere)) == store.read_card(folder)
