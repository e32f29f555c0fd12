"""Atomic files: the old content or the new, and nothing left lying about."""

from __future__ import annotations

import hashlib
import stat
from pathlib import Path

import pytest

from zoo import files


def test_atomic_path_replaces_the_file_on_success(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "report.json"
    with files.atomic_path(target) as temporary:
        assert temporary.parent == target.parent
        assert temporary.suffix == ".json", "writers such as numpy choose the format by suffix"
        temporary.write_text("one")
        assert not target.exists()
    with files.atomic_path(target) as temporary:
        temporary.write_text("two")
        assert target.read_text() == "one"
    assert target.read_text() == "two"
    assert [path.name for path in target.parent.iterdir()] == ["report.json"]


@pytest.mark.parametrize("error", [ValueError, OSError, KeyboardInterrupt])
def test_a_failure_keeps_the_old_file(tmp_path: Path, error: type[BaseException]) -> None:
    target = tmp_path / "kept.txt"
    target.write_text("old")
    with pytest.raises(error), files.atomic_path(target) as temporary:
        temporary.write_text("half of the n")
        raise error("interrupted")
    assert target.read_text() == "old"
    assert list(tmp_path.glob("*kept*")) == [target]


def test_a_failure_without_an_old_file_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError), files.atomic_path(tmp_path / "new.txt") as temporary:
        temporary.write_text("half")
        raise ValueError
    assert [path for path in tmp_path.iterdir() if path.is_file()] == []


def test_a_file_that_cannot_be_synced_is_not_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(handle: int) -> None:
        raise OSError(28, "No space left on device")

    target = tmp_path / "kept.txt"
    target.write_text("old")
    monkeypatch.setattr("os.fsync", full_disk)
    with pytest.raises(OSError, match="No space left"):
        files.write_text(target, "new")
    assert target.read_text() == "old"
    assert list(tmp_path.glob("*kept*")) == [target]


def test_written_files_can_be_read_by_others(tmp_path: Path) -> None:
    files.write_text(tmp_path / "shared.txt", "ä")
    assert stat.S_IMODE((tmp_path / "shared.txt").stat().st_mode) == 0o644
    assert (tmp_path / "shared.txt").read_bytes() == "ä".encode()


def test_sha256_is_the_published_digest(tmp_path: Path) -> None:
    # FIPS 180-2, appendix B.1.
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    (tmp_path / "abc").write_bytes(b"abc")
    assert files.sha256(tmp_path / "abc") == expected
    (tmp_path / "large").write_bytes(bytes(3_000_000))
    assert files.sha256(tmp_path / "large") == hashlib.sha256(bytes(3_000_000)).hexdigest()
