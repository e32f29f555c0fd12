"""CIFAR-10 with its fifth batch held out, from its archive or from lossless sprites of it.

Krizhevsky: Learning multiple layers of features from tiny images (2009). Sprites are WebP
pictures of 1,000 images each, tiles of 32x32 in rows of 40; where they hold the training set
and the first 1,000 test images only, nothing more can be measured. So the splits are, of either
source, `train` (batches 1 to 4), `heldout` (batch 5) and `official_1000`, the first 1,000 of the
test set, each in the original order.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from zoo.data.builders.common import SIDE, given_folder, labelled_images, read_sprite
from zoo.errors import DataUnavailableError

BATCH = 10_000
OFFICIAL = 1_000
_URL = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"

# MD5 of data_batch_1.bin to data_batch_5.bin: a record is a label and 3 planes of pixels.
BATCH_MD5 = (
    "5dd7e06a14cb22eb9f671a540d1b7c25",
    "5ea93a67294ea407fff1d09f752e9692",
    "942cd6a4bcdd0dd3c604fbe906cb4421",
    "ae636b3ba5c66a11e91e8cb52e771fcb",
    "53f37980c15c3d472c316c40844f3f0d",
)
# The same of the first 1,000 records of test_batch.bin.
OFFICIAL_MD5 = "371f65da31ad652f5e24b3699a3e6515"


class Cifar10Heldout(tfds.core.GeneratorBasedBuilder):
    """CIFAR-10 as `train`, `heldout` and `official_1000`."""

    VERSION = tfds.core.Version("1.0.0")
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        "cifar-10-binary.tar.gz, or labels.npz, train_00.webp to train_49.webp and "
        "test_first1000.webp"
    )
    # The archive is the one that TFDS knows, with its size and sha256.
    url_infos = tfds.builder_cls("cifar10").url_infos

    def _info(self) -> tfds.core.DatasetInfo:
        return labelled_images(self, "cifar10", "https://www.cs.toronto.edu/~kriz/cifar.html")

    def _split_generators(self, dl_manager: Any) -> dict[str, Iterator[Any]]:
        given = given_folder(dl_manager)
        if given is not None and (given / "labels.npz").is_file():
            batches, official = read_sprites(given)
        else:
            extracted = Path(dl_manager.download_and_extract(_URL))
            batches, official = read_archive(extracted / "cifar-10-batches-bin")
        for number, (batch, md5) in enumerate(zip(batches, BATCH_MD5, strict=True), 1):
            _verify(f"batch {number}", batch, md5)
        _verify(f"first {OFFICIAL} test images", official, OFFICIAL_MD5)
        return {
            "train": self._generate_examples(np.concatenate(batches[:4])),
            "heldout": self._generate_examples(batches[4]),
            "official_1000": self._generate_examples(official),
        }

    def _generate_examples(self, records: np.ndarray) -> Iterator[tuple[int, dict[str, Any]]]:
        images = records[:, 1:].reshape(-1, 3, SIDE, SIDE).transpose(0, 2, 3, 1)
        for index, (image, label) in enumerate(zip(images, records[:, 0], strict=True)):
            yield index, {"image": np.ascontiguousarray(image), "label": int(label)}


def read_archive(folder: Path) -> tuple[list[np.ndarray], np.ndarray]:
    """Reads the extracted archive.

    Returns:
        The five training batches and the first test records, uint8 (n, 3073) each.
    """
    names = [*(f"data_batch_{n}.bin" for n in range(1, 6)), "test_batch.bin"]
    *batches, test = (
        np.fromfile(folder / name, np.uint8).reshape(-1, 1 + 3 * SIDE * SIDE) for name in names
    )
    return batches, test[:OFFICIAL]


def read_sprites(folder: Path) -> tuple[list[np.ndarray], np.ndarray]:
    """Reads sprites and labels.npz, with the labels `train` and `test_first1000`.

    Returns:
        As `read_archive`.
    """
    with np.load(folder / "labels.npz", allow_pickle=False) as labels:
        train, test = labels["train"], labels["test_first1000"]
    images = np.concatenate([read_sprite(path) for path in sorted(folder.glob("train_*.webp"))])
    records = _records(images, train)
    official = _records(read_sprite(folder / "test_first1000.webp"), test)
    return [records[start : start + BATCH] for start in range(0, 5 * BATCH, BATCH)], official


def _records(images: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Writes images as the archive has them: a label and 3 planes each, uint8 (n, 3073)."""
    if len(images) < len(labels):
        raise DataUnavailableError(f"the sprites have {len(images)} images, {len(labels)} labels")
    planes = images[: len(labels)].transpose(0, 3, 1, 2).reshape(len(labels), -1)
    return np.concatenate([labels.astype(np.uint8)[:, None], planes], axis=1)


def _verify(what: str, records: np.ndarray, md5: str) -> None:
    found = hashlib.md5(records.tobytes(), usedforsecurity=False).hexdigest()
    if found != md5:
        raise DataUnavailableError(
            f"{what} of CIFAR-10 is not the published one (md5 {found}, not {md5}); get it again"
        )
