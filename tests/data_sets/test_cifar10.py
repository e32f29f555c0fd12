"""CIFAR-10's builder on planted archives of both kinds: order, splits, and what it refuses."""

from __future__ import annotations

import dataclasses
import hashlib
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zoo import data
from zoo.data.builders import cifar10
from zoo.data.catalogue import DATASETS
from zoo.errors import DataUnavailableError

PER_BATCH = 80
OFFICIAL = 40

Planted = tuple[list[np.ndarray], np.ndarray]


def md5(records: np.ndarray) -> str:
    return hashlib.md5(records.tobytes(), usedforsecurity=False).hexdigest()


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch) -> Planted:
    """Five batches of records and a test batch, made up, in place of the published ones."""
    rng = np.random.default_rng(0)
    records = rng.integers(0, 256, (6 * PER_BATCH, 3073), dtype=np.uint8)
    records[:, 0] = np.arange(len(records)) % 10
    *batches, test = np.split(records, 6)
    monkeypatch.setattr(cifar10, "BATCH", PER_BATCH)
    monkeypatch.setattr(cifar10, "OFFICIAL", OFFICIAL)
    monkeypatch.setattr(cifar10, "BATCH_MD5", tuple(map(md5, batches)))
    monkeypatch.setattr(cifar10, "OFFICIAL_MD5", md5(test[:OFFICIAL]))
    small = dataclasses.replace(
        data.get("cifar10"),
        splits={"train": 4 * PER_BATCH, "heldout": PER_BATCH, "official_1000": OFFICIAL},
        equivalents=("labels.npz", "train_00.webp", "train_01.webp", "test_first1000.webp"),
    )
    monkeypatch.setitem(DATASETS._items, "cifar10", small)
    return batches, test


def sprite(records: np.ndarray, path: Path) -> None:
    """Lays images out in rows of 40, one pixel at a time where a loop says it best."""
    images = records[:, 1:].reshape(-1, 3, 32, 32)
    canvas = np.zeros((len(images) // 40 * 32, 40 * 32, 3), np.uint8)
    for index, planes in enumerate(images):
        top, left = index // 40 * 32, index % 40 * 32
        for channel in range(3):
            canvas[top : top + 32, left : left + 32, channel] = planes[channel]
    Image.fromarray(canvas).save(path, lossless=True)


def write_sprites(planted: Planted, folder: Path) -> None:
    batches, test = planted
    train = np.concatenate(batches)
    sprite(train[:200], folder / "train_00.webp")
    sprite(train[200:], folder / "train_01.webp")
    sprite(test[:OFFICIAL], folder / "test_first1000.webp")
    np.savez(folder / "labels.npz", train=train[:, 0], test_first1000=test[:OFFICIAL, 0])


def write_archive(planted: Planted, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Packs the batches as the published archive has them, and makes its checksum the known one."""
    import tensorflow_datasets as tfds

    batches, test = planted
    inner = folder.parent / "cifar-10-batches-bin"
    inner.mkdir()
    for number, batch in enumerate(batches, 1):
        batch.tofile(inner / f"data_batch_{number}.bin")
    test.tofile(inner / "test_batch.bin")
    path = folder / "cifar-10-binary.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        archive.add(inner, inner.name)
    content = path.read_bytes()
    ((url, published),) = cifar10.Cifar10Heldout.url_infos.items()
    assert published.filename == path.name
    known = tfds.download.checksums.UrlInfo(
        size=tfds.core.utils.Size(len(content)),
        checksum=hashlib.sha256(content).hexdigest(),
        filename=path.name,
    )
    monkeypatch.setattr(cifar10.Cifar10Heldout, "url_infos", {url: known})


def expected(planted: Planted, split: str) -> dict[str, np.ndarray]:
    batches, test = planted
    records = {
        "train": np.concatenate(batches[:4]),
        "heldout": batches[4],
        "official_1000": test[:OFFICIAL],
    }[split]
    planes = records[:, 1:].reshape(-1, 3, 32, 32)
    return {"image": np.stack([planes[:, c] for c in range(3)], -1), "label": records[:, 0]}


@pytest.mark.parametrize("kind", ["sprites", "archive"])
def test_both_sources_give_the_same_arrays_in_the_original_order(
    planted: Planted, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "cifar10"
    folder.mkdir()
    if kind == "sprites":
        write_sprites(planted, folder)
    else:
        write_archive(planted, folder, monkeypatch)
    data.prepare("cifar10", tmp_path)
    for split in data.get("cifar10").splits:
        arrays, original = data.load("cifar10", split), expected(planted, split)
        np.testing.assert_array_equal(arrays["image"], original["image"])
        np.testing.assert_array_equal(arrays["label"], original["label"])
        assert arrays["label"].dtype == np.int64


def test_a_changed_pixel_is_found(planted: Planted, tmp_path: Path) -> None:
    planted[0][2][7, 1234] ^= 1
    write_sprites(planted, tmp_path)
    with pytest.raises(DataUnavailableError, match=r"batch 3 of CIFAR-10 is not the published one"):
        data.prepare("cifar10", tmp_path)
    assert not data.is_prepared("cifar10")


def test_a_missing_sprite_is_named(planted: Planted, tmp_path: Path) -> None:
    write_sprites(planted, tmp_path)
    (tmp_path / "train_01.webp").unlink()
    with pytest.raises(DataUnavailableError, match=r"lacks train_01\.webp"):
        data.prepare("cifar10", tmp_path)


def test_without_sprites_the_archive_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(DataUnavailableError, match=r"lacks cifar-10-binary\.tar\.gz"):
        data.prepare("cifar10", tmp_path)
    assert data.get("cifar10").tests == ("heldout", "official_1000")
