"""What the store finds, and where it looks."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.store.common import (
    NAME,
    fakes,
    make_card,
)
from zoo import paths, store
from zoo.errors import InvalidInputError, UnknownModelError


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "../x",
        "a/b",
        "a\\b",
        "/etc/passwd.x/..",
        "a.b/../../c",
        "a..b",
        ".a",
        "a.",
        "a.b.c",
        "a.b-",
        "a.b--c",
        "-a.b",
        "a b",
        "a.b\n",
        "a.b\0",
        "ä.b",
        "a.b@1@2/..",
        "~root",
        "$HOME",
        "*",
    ],
)
def test_a_name_that_could_leave_the_store_is_refused(name: str, home: Path) -> None:
    with pytest.raises((InvalidInputError, UnknownModelError)):
        store.find(name)
    if "@" not in name and not name.startswith("/"):
        with pytest.raises(InvalidInputError):
            store.find(name)
        with pytest.raises(InvalidInputError):
            store.versions(name)
    with pytest.raises(InvalidInputError):
        store.save(make_card(name), fakes())
    assert not home.exists() or not list(home.iterdir())


@pytest.mark.parametrize("name", ["a", "a.b", "A_1.b_2", "lenet.mnist_m-dann", "a.b-c-d"])
def test_names_of_the_right_form_are_stored_and_found(name: str, home: Path) -> None:
    folder = store.save(make_card(name), fakes())
    assert folder == home / name / "1"
    assert store.find(name) == folder
    assert store.names() == [name]


def test_versions_count_up_and_the_newest_is_the_default(home: Path) -> None:
    for number in (1, 2, 3):
        folder = store.save(make_card(), fakes(f"weights {number}".encode()))
        assert folder.name == str(number)
        assert store.read_card(NAME).version == number
    assert store.versions(NAME) == [1, 2, 3]
    assert store.find(NAME).name == "3"
    assert (store.find(f"{NAME}@2") / "network.keras").read_bytes() == b"weights 2"
    assert store.verify(f"{NAME}@1").version == 1


def test_versions_are_sorted_as_numbers(home: Path) -> None:
    store.save(make_card(), fakes())
    os.rename(home / NAME / "1", home / NAME / "9")
    assert store.save(make_card(), fakes()).name == "10"
    assert store.versions(NAME) == [9, 10]
    assert store.find(NAME).name == "10"


@pytest.mark.parametrize("version", ["", "0", "2", "-1", "01", "1.0", "²", "newest", "1/..", " 1"])
def test_an_unknown_version_lists_those_there_are(version: str, home: Path) -> None:
    store.save(make_card(), fakes())
    with pytest.raises(UnknownModelError, match=rf"there are {NAME}@1"):
        store.find(f"{NAME}@{version}")


def test_an_unknown_name_gets_near_names(home: Path) -> None:
    store.save(make_card(), fakes())
    with pytest.raises(UnknownModelError, match=r"did you mean mlp\.mnist\?") as caught:
        store.find("mlp.mnits")
    assert caught.value.near == [NAME]


def test_names_take_wildcards_and_sort_naturally(home: Path) -> None:
    for name in ("resnet20.mnist", "resnet8.mnist", "mlp.mnist"):
        store.save(make_card(name), fakes())
    assert store.names() == ["mlp.mnist", "resnet8.mnist", "resnet20.mnist"]
    assert store.names("resnet*") == ["resnet8.mnist", "resnet20.mnist"]
    assert store.names("*.usps") == []


def test_an_empty_or_absent_store_has_nothing(home: Path) -> None:
    assert store.names() == []
    assert store.versions(NAME) == []
    with pytest.raises(UnknownModelError):
        store.find(NAME)
    (home / NAME).mkdir(parents=True)
    assert store.names() == []


def test_what_is_no_version_is_passed_over(home: Path) -> None:
    store.save(make_card(), fakes())
    for stray in ("01", "²", "x", "1.5", "7", ".saving-x"):
        (home / NAME / stray).mkdir()
    for stray in ("01", "²", "x", "1.5", ".saving-x"):
        shutil.copy(home / NAME / "1" / "card.json", home / NAME / stray)
    (home / "notes.txt").write_text("mine")
    (home / NAME / "8").write_text("a file")
    assert store.versions(NAME) == [1]
    assert store.names() == [NAME]
    assert store.find(NAME).name == "1"
    # The number of a half-deleted version is not given out again.
    assert store.save(make_card(), fakes()).name == "9"


def test_a_path_is_taken_as_it_is(home: Path, tmp_path: Path, monkeypatch: Any) -> None:
    folder = store.save(make_card(), fakes())
    elsewhere = tmp_path / "copy of a version"
    shutil.copytree(folder, elsewhere)
    monkeypatch.chdir(tmp_path)
    for reference in (elsewhere, str(elsewhere), "./copy of a version", Path("copy of a version")):
        assert store.verify(reference).name == NAME
    with pytest.raises(UnknownModelError, match="model folder"):
        store.find(tmp_path / "nothing")


# Where it looks


def test_the_home_comes_before_what_is_shipped(home: Path, shipped: Path) -> None:
    store.save(make_card(), fakes(b"shipped 1"), root=shipped)
    store.save(make_card("dcgan.mnist"), fakes(b"shipped"), root=shipped)
    assert store.find(NAME) == shipped / NAME / "1"
    assert store.names() == ["dcgan.mnist", NAME]
    mine = store.save(make_card(), fakes(b"mine 2"))
    assert mine == home / NAME / "2", "a number that is shipped is not used again"
    assert store.versions(NAME) == [1, 2]
    assert store.find(NAME) == mine
    assert store.find(f"{NAME}@1") == shipped / NAME / "1"
    shutil.copytree(shipped / NAME / "1", home / NAME / "1")
    assert store.find(f"{NAME}@1") == home / NAME / "1"


def test_the_shipped_models_are_beside_or_inside_the_package() -> None:
    package = Path(paths.__file__).parent
    assert paths.shipped_models() in (package / "saved_models", package.parent / "saved_models")


def test_the_home_follows_the_environment(monkeypatch: Any, tmp_path: Path) -> None:
    monkeypatch.setenv("ZOO_HOME", str(tmp_path / "a" / ".." / "b"))
    assert paths.home() == tmp_path / "b"
    monkeypatch.delenv("ZOO_HOME")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert paths.home() == tmp_path / "cache" / "keras-model-zoo"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert paths.home() == tmp_path / ".cache" / "keras-model-zoo"
