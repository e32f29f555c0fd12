"""USPS digits in the frame of MNIST: 28x28 pixels, from the text files of the ESL book.

Hull: A database for handwritten text recognition research (1994), in the form of Hastie,
Tibshirani and Friedman. A row is a label and 16x16 values from -1, paper, to 1, ink, in a box that
the digit fills. In MNIST such a box has 20x20 pixels, in the middle of 28x28. So each image is
brought to 20x20 by area (every pixel is written five times each way, then 4x4 of these are
averaged, which is exact on every machine) and gets a margin of 4 black pixels. Ink is white in
both sets. Whatever compares or adapts the two needs no further resizing.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import tensorflow_datasets as tfds

from zoo.data.builders.common import labelled_images
from zoo.errors import DataUnavailableError

SIDE = 16
MARGIN = 4
_ADDRESS = "https://hastie.su.domains/ElemStatLearn/datasets/"


def _published(file: str, size: int, sha256: str) -> tuple[str, Any]:
    size_of = tfds.core.utils.Size(size)
    info = tfds.download.checksums.UrlInfo(size=size_of, checksum=sha256, filename=file)
    return _ADDRESS + file, info


class Usps(tfds.core.GeneratorBasedBuilder):
    """USPS as `train` and `test`, each in the original order."""

    VERSION = tfds.core.Version("1.0.0")
    url_infos: ClassVar[dict[str, Any]] = dict(
        [
            _published(
                "zip.train.gz",
                1_829_071,
                "66ebf231ab51f2cf6ac1a892d0f98ccffee1079d7a5db638c1f11f366046ca16",
            ),
            _published(
                "zip.test.gz",
                439_208,
                "8dacc3c6e136af6c3488de9e5113a7daf140c8c2f1f0b61c54ee02f03f1a962f",
            ),
        ]
    )

    def _info(self) -> tfds.core.DatasetInfo:
        return labelled_images(self, "usps", "https://hastie.su.domains/ElemStatLearn/")

    def _split_generators(self, dl_manager: Any) -> dict[str, Iterator[Any]]:
        train, test = dl_manager.download(list(self.url_infos))
        return {
            "train": self._generate_examples(Path(train)),
            "test": self._generate_examples(Path(test)),
        }

    def _generate_examples(self, path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
        images, labels = read_rows(path)
        for index, (image, label) in enumerate(zip(in_frame(images), labels, strict=True)):
            yield index, {"image": image, "label": int(label)}


def read_rows(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Reads a gzipped text file with a label and 256 values from -1 to 1 in each row.

    Returns:
        Images, uint8 (n, 16, 16), ink 255; labels, int64 (n,).

    Raises:
        DataUnavailableError: when the rows have other numbers of values or values out of range.
    """
    with gzip.open(path, "rt") as text:
        rows = np.loadtxt(text, dtype=np.float64, ndmin=2)
    if rows.shape[1] != 1 + SIDE * SIDE or np.abs(rows[:, 1:]).max() > 1:
        raise DataUnavailableError(
            f"{path.name} should have rows of a label and {SIDE * SIDE} values from -1 to 1"
        )
    pixels = np.rint((rows[:, 1:] + 1) * 127.5).astype(np.uint8)
    return pixels.reshape(-1, SIDE, SIDE), rows[:, 0].astype(np.int64)


def in_frame(images: np.ndarray) -> np.ndarray:
    """Brings uint8 (n, 16, 16) to uint8 (n, 28, 28, 1) by area, with a black margin."""
    fine = images.repeat(5, axis=1).repeat(5, axis=2).astype(np.uint32)
    side = 5 * SIDE // 4
    sums = fine.reshape(-1, side, 4, side, 4).sum(axis=(2, 4))
    # Integers alone: the mean of 16 pixels, halves rounded up.
    box = ((sums + 8) // 16).astype(np.uint8)
    return np.pad(box, ((0, 0), (MARGIN, MARGIN), (MARGIN, MARGIN)))[..., None]
