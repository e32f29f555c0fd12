"""zoo add: versions from elsewhere, out of folders and tars."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.store.common import NAME, change_byte, fakes, make_card
from zoo import store
from zoo.cli import main

OTHER = "dcgan.mnist-other"


@pytest.fixture
def away(tmp_path: Path) -> Path:
    """The store of another machine: two versions of one model, one of another."""
    root = tmp_path / "away"
    for name, content in ((NAME, b"first"), (NAME, b"second"), (OTHER, b"third")):
        store.save(make_card(name), fakes(content), root=root)
    return root


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str], private_home: Path) -> Callable[[Path], str]:
    """Adds what must be refused, with exit code 2 and one line, and stores nothing."""

    def run(path: Path) -> str:
        assert main(["add", str(path)]) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err.startswith("zoo: ") and captured.err.count("\n") == 1
        assert not list(private_home.rglob("card.json"))
        return captured.err

    return run


def pack(path: Path, folder: Path, mode: str = "w") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        archive.add(folder, "trained")
    return path


def pack_member(path: Path, member: tarfile.TarInfo, content: bytes = b"") -> Path:
    with tarfile.open(path, "w") as archive:
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return path


@pytest.mark.parametrize("name, mode", [("a.tar", "w"), ("a.tar.gz", "w:gz"), ("a.tgz", "w:gz")])
def test_every_version_in_a_tar_is_stored(
    away: Path, tmp_path: Path, name: str, mode: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = pack(tmp_path / name, away, mode)
    assert main(["add", str(path)]) == 0
    shown = capsys.readouterr().out
    assert "accuracy 50.00% on test, n=10" in shown
    assert f"stored {NAME}@1 in {store.find(f'{NAME}@1')}" in shown
    for reference, content in (
        (f"{NAME}@1", b"first"),
        (f"{NAME}@2", b"second"),
        (OTHER, b"third"),
    ):
        store.verify(reference)
        assert (store.find(reference) / "network.keras").read_bytes() == content

    assert main(["add", str(path), "--json"]) == 0
    again = json.loads(capsys.readouterr().out)
    assert [(entry["model"], entry["new"]) for entry in again] == [
        (f"{OTHER}@1", False),
        (f"{NAME}@1", False),
        (f"{NAME}@2", False),
    ]
    assert store.versions(NAME) == [1, 2]


def test_a_folder_and_what_is_stored_already(
    away: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["add", str(away / NAME / "2"), str(away / NAME)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert sum(line.startswith("stored ") for line in lines) == 2
    assert [line for line in lines if line.startswith("nothing new")] == [
        f"nothing new: {NAME}@1 in {store.find(f'{NAME}@1')} came from the same training"
    ]


def test_the_folder_to_store_in_can_be_chosen(away: Path, tmp_path: Path) -> None:
    there = tmp_path / "there"
    assert main(["add", str(away / OTHER / "1"), "--store", str(there)]) == 0
    assert store.verify(there / OTHER / "1").name == OTHER
    assert OTHER not in store.names()


def test_what_a_killed_writer_left_is_no_version(away: Path) -> None:
    (away / NAME / "1").rename(away / NAME / ".saving-x")
    assert main(["add", str(away / NAME)]) == 0
    assert store.versions(NAME) == [1]


def test_one_damaged_version_keeps_all_of_a_tar_out(
    away: Path, tmp_path: Path, refused: Callable[[Path], str]
) -> None:
    change_byte(away / NAME / "2" / "network.keras")
    assert f"{NAME}@2: network.keras is not the file" in refused(pack(tmp_path / "a.tar", away))


@pytest.mark.parametrize("name", ["../x/1/card.json", "/x/1/card.json", "a/../../card.json"])
def test_a_name_that_leads_out_of_a_tar_is_refused(
    name: str, tmp_path: Path, refused: Callable[[Path], str]
) -> None:
    path = pack_member(tmp_path / "a.tar", tarfile.TarInfo(name), b"{}")
    assert "leads out of the archive" in refused(path)
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_a_link_or_a_device_in_a_tar_is_refused(
    kind: bytes, tmp_path: Path, refused: Callable[[Path], str]
) -> None:
    member = tarfile.TarInfo("m/1/network.keras")
    member.type, member.linkname = kind, "/etc/passwd"
    assert "is no plain file" in refused(pack_member(tmp_path / "a.tar", member))


def test_what_holds_no_version_is_refused(
    tmp_path: Path, refused: Callable[[Path], str], away: Path
) -> None:
    (tmp_path / "empty").mkdir()
    assert "holds no version" in refused(tmp_path / "empty")
    assert "there is no file or folder" in refused(tmp_path / "no")
    (tmp_path / "text.tar").write_text("no tar\n" * 200)
    assert "cannot be read as a tar" in refused(tmp_path / "text.tar")


def test_a_tar_that_was_cut_off_is_refused(
    tmp_path: Path, refused: Callable[[Path], str], away: Path
) -> None:
    path = pack(tmp_path / "a.tar", away / OTHER)
    with tarfile.open(path) as archive:
        last = archive.getmembers()[-1]
    whole, zipped = path.read_bytes(), pack(tmp_path / "a.tar.gz", away / OTHER, "w:gz")
    for length in range(0, last.offset_data + last.size, 300):
        path.write_bytes(whole[:length])
        refused(path)
    zipped.write_bytes(zipped.read_bytes()[: zipped.stat().st_size // 2])
    refused(zipped)
