"""The full data sets, read from their original archives in the folder $ZOO_TEST_DATA."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

import numpy as np
import pytest

from zoo import data
from zoo.data.prepare import arrays_checksum
from zoo.errors import DataUnavailableError

pytestmark = [pytest.mark.full, pytest.mark.timeout(900)]

SAMPLES = Path(__file__).parents[1] / "data"
SAMPLES_OF = [path.stem for path in sorted(SAMPLES.glob("*.npz"))]


@pytest.fixture(autouse=True)
def in_prepared_home(full_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_HOME", str(full_home))


def read_idx(path: Path) -> np.ndarray:
    """Reads an IDX file by its specification: two zeros, the type, the rank, big-endian sizes."""
    content = gzip.decompress(path.read_bytes())
    assert content[:3] == b"\0\0\x08", "unsigned bytes"
    rank = content[3]
    shape = np.frombuffer(content, ">u4", rank, 4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * rank).reshape(shape)


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
@pytest.mark.parametrize(("split", "prefix"), [("train", "train"), ("test", "t10k")])
def test_a_split_has_the_images_and_labels_of_its_own_archives(
    name: str, split: str, prefix: str, full_source: Path
) -> None:
    """Both data sets have archives of the same names: one must not get the pixels of the other."""
    images = read_idx(full_source / name / f"{prefix}-images-idx3-ubyte.gz")
    labels = read_idx(full_source / name / f"{prefix}-labels-idx1-ubyte.gz")
    arrays = data.load(name, split)
    assert arrays["image"].shape == (data.get(name).splits[split], 28, 28, 1)
    assert data.split_checksum(name, split) == arrays_checksum(arrays)
    # tensorflow-datasets stores examples in an order of its own; each pair must be kept together.
    ours = sorted(
        bytes([label]) + image.tobytes()
        for image, label in zip(arrays["image"], arrays["label"], strict=True)
    )
    originals = sorted(
        bytes([label]) + image.tobytes() for image, label in zip(images, labels, strict=True)
    )
    assert ours == originals


def test_the_data_sets_do_not_mix() -> None:
    digits, clothes = data.load("mnist", "test"), data.load("fashion_mnist", "test")
    assert 25 < digits["image"].mean() < 45
    assert 55 < clothes["image"].mean() < 90


@pytest.mark.parametrize(
    ("name", "split"), [(name, split) for name in SAMPLES_OF for split in data.get(name).splits]
)
def test_the_committed_samples_come_from_it(name: str, split: str) -> None:
    arrays = data.load(name, split)
    with np.load(SAMPLES / f"{name}.npz", allow_pickle=False) as sample:
        chosen = sample[f"{split}_index"]
        images, shown = arrays["image"][chosen], sample[f"{split}_image"]
        every = images.shape[1] // shown.shape[1]  # 1 but for shrunk samples
        np.testing.assert_array_equal(shown, images[:, ::every, ::every])
        if data.get(name).labels:
            np.testing.assert_array_equal(sample[f"{split}_label"], arrays["label"][chosen])


def test_preparing_again_gives_the_same_arrays(
    full_source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {split: data.split_checksum("mnist", split) for split in ("train", "test")}
    monkeypatch.setenv("ZOO_HOME", str(tmp_path))
    data.prepare("mnist", full_source / "mnist")
    assert {split: data.split_checksum("mnist", split) for split in before} == before
    assert not list(tmp_path.glob("tfds/mnist*")), "working files are left"


def test_the_folder_of_another_data_set_is_refused(
    full_source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZOO_HOME", str(tmp_path))
    with pytest.raises(DataUnavailableError, match="is not the published one"):
        data.prepare("mnist", full_source / "fashion_mnist")
    assert not data.is_prepared("mnist")


def test_cifar10_is_in_its_original_order() -> None:
    """Written out again as the archive has it, each batch has the published MD5."""
    from zoo.data.builders.cifar10 import BATCH_MD5

    train, heldout = data.load("cifar10", "train"), data.load("cifar10", "heldout")
    for number, md5 in enumerate(BATCH_MD5):
        arrays = heldout if number == 4 else train
        part = slice(0, 10_000) if number == 4 else slice(number * 10_000, (number + 1) * 10_000)
        planes = arrays["image"][part].transpose(0, 3, 1, 2).reshape(10_000, 3072)
        records = np.column_stack([arrays["label"][part].astype(np.uint8), planes])
        assert hashlib.md5(records.tobytes(), usedforsecurity=False).hexdigest() == md5


@pytest.mark.parametrize("script", ["bangla", "devanagari", "telugu"])
def test_cmaterdb_is_of_its_own_script(script: str, full_source: Path) -> None:
    """The three have archives of the same names."""
    archive = full_source / "cmaterdb" / f"{script}-numerals" / "testing-images.npz"
    with np.load(archive, allow_pickle=False) as original:
        images, labels = original["images"], original["labels"]
    arrays = data.load(f"cmaterdb_{script}", "test")
    ours = sorted(map(bytes, arrays["image"].reshape(len(images), -1)))
    assert ours == sorted(map(bytes, images.reshape(len(images), -1)))
    np.testing.assert_array_equal(np.bincount(arrays["label"]), np.bincount(labels.astype(int)))
