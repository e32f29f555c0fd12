"""Versions that come from elsewhere."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.store.common import NAME, change_byte, fakes, leftovers, make_card, rewrite_card
from zoo import store
from zoo.errors import CorruptModelError, InvalidInputError, UnknownModelError

TRAINING = {"epochs": 1, "checkpoint_sha256": "ab" * 32}


@pytest.fixture
def away(home: Path, tmp_path: Path) -> Path:
    """A version in the store of another machine, where it has the number 1."""
    card = make_card(training=TRAINING)
    return store.save(card, fakes(b"trained"), {"history.csv": b"epoch\n"}, tmp_path / "away")


def test_a_version_gets_the_next_number_and_stays_what_it_was(home: Path, away: Path) -> None:
    store.save(make_card(), fakes(b"mine"))
    before = {path.name: path.read_bytes() for path in away.iterdir()}
    there = store.verify(away)
    folder = store.adopt(away)
    assert folder == home / NAME / "2"
    card = store.verify(f"{NAME}@2")
    assert (folder / "network.keras").read_bytes() == b"trained"
    assert (folder / "README.md").read_text().startswith(f"# {NAME}, version 2\n")
    # All but the number, and what was written from it, is as it was.
    assert card.created == there.created and card.networks == there.networks
    changed = {key for key, value in card.to_dict().items() if value != there.to_dict()[key]}
    assert changed == {"version", "sha256", "metrics"}
    assert [m.command for m in card.metrics] == [f"zoo evaluate {NAME}@2"]
    assert {k for k, v in card.sha256.items() if v != there.sha256[k]} == {"README.md"}
    assert {path.name: path.read_bytes() for path in away.iterdir()} == before
    assert leftovers(home / NAME) == []


def test_the_folder_to_store_in_can_be_chosen(home: Path, away: Path, tmp_path: Path) -> None:
    assert store.adopt(away, tmp_path / "other") == tmp_path / "other" / NAME / "1"
    assert store.names() == []


def test_the_same_version_is_stored_once(home: Path, away: Path, tmp_path: Path) -> None:
    first = store.adopt(away)
    assert store.adopt(away) == first
    assert store.versions(NAME) == [1]
    # Stored again elsewhere, by a run that was killed between storing and saying so.
    again = store.save(make_card(training=TRAINING), fakes(b"other bytes"), root=tmp_path / "b")
    assert store.adopt(again) == first


def test_what_is_shipped_is_stored_already(home: Path, shipped: Path, away: Path) -> None:
    shutil.copytree(away.parent, shipped / NAME)
    assert store.adopt(away) == shipped / NAME / "1"
    assert not (home / NAME).exists()


def test_another_training_is_another_version(home: Path, away: Path, tmp_path: Path) -> None:
    store.adopt(away)
    other = make_card(training={"checkpoint_sha256": "cd" * 32})
    store.adopt(store.save(other, fakes(b"trained"), root=tmp_path / "b"))
    assert store.versions(NAME) == [1, 2]


def test_without_a_checkpoint_the_networks_decide(home: Path, tmp_path: Path) -> None:
    one, same, other = (
        store.save(make_card(), fakes(content), root=tmp_path / str(number))
        for number, content in enumerate((b"one", b"one", b"other"))
    )
    assert store.adopt(one) == store.adopt(same)
    assert store.adopt(other).name == "2"


def test_a_damaged_version_is_not_taken_for_the_whole_one(home: Path, away: Path) -> None:
    change_byte(store.adopt(away) / "network.keras")
    assert store.adopt(away) == home / NAME / "2"
    store.verify(f"{NAME}@2")


def test_a_damaged_version_is_refused(home: Path, away: Path) -> None:
    change_byte(away / "network.keras")
    with pytest.raises(CorruptModelError, match=r"network\.keras is not the file"):
        store.adopt(away)
    assert not home.exists()


def test_a_folder_with_more_than_the_card_says_is_refused(home: Path, away: Path) -> None:
    (away / "more.py").write_text("")
    with pytest.raises(CorruptModelError, match=r"more\.py has no sha256"):
        store.adopt(away)
    assert not home.exists()


def test_what_is_no_version_is_refused(home: Path, away: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownModelError, match="unknown model folder"):
        store.adopt(tmp_path)
    rewrite_card(away, name="../../outside")
    with pytest.raises(InvalidInputError, match="letters, digits"):
        store.adopt(away)
    assert not home.exists()


def test_a_copy_that_fails_leaves_nothing(
    home: Path, away: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*paths: Path) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(shutil, "copyfile", fail)
    with pytest.raises(OSError, match="no space left"):
        store.adopt(away)
    assert list((home / NAME).iterdir()) == []
