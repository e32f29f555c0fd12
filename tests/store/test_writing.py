"""What the store writes."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path
from typing import Any, cast

import pytest

from tests.store.common import (
    NAME,
    fakes,
    leftovers,
    make_card,
)
from zoo import store
from zoo.errors import InvalidInputError


def test_a_version_holds_its_files_and_their_digests(home: Path) -> None:
    folder = store.save(make_card(), fakes(b"weights"), extras={"samples.png": b"picture"})
    assert {path.name for path in folder.iterdir()} == {
        "README.md",
        "card.json",
        "network.keras",
        "samples.png",
    }
    card = store.read_card(NAME)
    assert card.networks == {"network": "network.keras"}
    assert card.created
    assert card.sha256 == {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest()
        for name in ("README.md", "network.keras", "samples.png")
    }
    assert f"# {NAME}, version 1" in (folder / "README.md").read_text(encoding="utf-8")
    assert leftovers(home / NAME) == []
    for path in (folder, *folder.iterdir()):
        assert path.stat().st_mode & 0o444 == 0o444, f"{path.name} cannot be read by others"


@pytest.mark.parametrize(
    "name",
    ["../x", "a/b", "card.json", "README.md", "network.keras", "", ".", "..", ".x", "a\0", "/x"],
)
def test_a_further_file_needs_a_plain_free_name(name: str, home: Path) -> None:
    with pytest.raises(InvalidInputError, match="plain, free name"):
        store.save(make_card(), fakes(), extras={name: b"x"})
    assert store.versions(NAME) == []
    assert list((home / NAME).iterdir()) == []
    assert not (home / "x").exists()


def test_a_failed_save_leaves_what_there_was(home: Path) -> None:
    class Broken:
        def save(self, path: Path) -> None:
            path.write_bytes(b"half")
            raise RuntimeError("broken network")

    store.save(make_card(), fakes())
    with pytest.raises(RuntimeError, match="broken network"):
        store.save(make_card(), cast(Any, {"network": Broken()}))
    assert [path.name for path in (home / NAME).iterdir()] == ["1"]
    store.verify(NAME)


def test_only_old_leftovers_are_removed(home: Path) -> None:
    old, young = home / NAME / ".saving-old", home / NAME / ".saving-young"
    for folder in (old, young):
        folder.mkdir(parents=True)
        (folder / "network.keras").write_bytes(b"half")
    two_days_ago = time.time() - 2 * 24 * 3600
    os.utime(old, (two_days_ago, two_days_ago))
    store.save(make_card(), fakes())
    assert not old.exists()
    assert young.exists(), "another writer may still be at work in it"
    assert store.versions(NAME) == [1]
