"""MNIST-M: MNIST's digits blended into colour photographs, in the frame of MNIST.

Ganin and Lempitsky: Unsupervised domain adaptation by backpropagation (2015), section 4. A digit is
laid on a patch of a photograph of BSDS500 (Arbeláez et al. 2011) as |patch - digit|. In the
published images a digit is every pixel that is not black, at full ink, so the patch is inverted
there; and a margin of two pixels around MNIST's 28x28 shows nothing but the photograph. That margin
is cut off. So MNIST, USPS and MNIST-M have one frame, and nothing needs resizing.

`test` are the published 9,001 images. `train` is not the published one: it is made by the same
recipe from all of MNIST's 60,000 training digits, in their order, over the 200 training photographs
of BSDS500, with positions drawn from a fixed seed.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import tensorflow_datasets as tfds

from zoo.data.builders.common import (
    given_folder,
    labelled_images,
    read_sprite,
    verified_files,
)
from zoo.data.catalogue import get
from zoo.errors import DataUnavailableError

PHOTOS = "bsds500_train"
PHOTO_COUNT = 200
MARGIN = 2
SEED = 2015
_ADDRESS = "http://yaroslav.ganin.net and the pages of MNIST and BSDS500"
# Over the SHA-256 of the data set's archives and then of the photographs, by name.
SHA256 = "d6d05238565122fe35fa7971dba73e5af429c7f9ad61f928d541b9507bad9315"


class MnistM(tfds.core.GeneratorBasedBuilder):
    """MNIST-M as `train`, made by the recipe, and `test`, as published."""

    VERSION = tfds.core.Version("1.0.0")
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        "mnist/train-images-idx3-ubyte.gz, mnist/train-labels-idx1-ubyte.gz, mnist_m/test_00.webp "
        f"to mnist_m/test_08.webp, mnist_m/labels.npz, and {PHOTOS} with its 200 pictures"
    )
    url_infos: ClassVar[dict[str, Any]] = {}

    def _info(self) -> tfds.core.DatasetInfo:
        return labelled_images(self, "mnist_m", "http://yaroslav.ganin.net")

    def _split_generators(self, dl_manager: Any) -> dict[str, Iterator[Any]]:
        given = given_folder(dl_manager)
        found = sorted((given / PHOTOS).glob("*.jpg")) if given else []
        if given and len(found) != PHOTO_COUNT:
            raise DataUnavailableError(
                f"{given / PHOTOS} has {len(found)} pictures; mnist_m needs the {PHOTO_COUNT} "
                "training photographs of BSDS500"
            )
        files = [*get("mnist_m").archives, *(f"{PHOTOS}/{path.name}" for path in found)]
        paths = verified_files(dl_manager, "mnist_m", files, SHA256, _ADDRESS)
        images, labels, *sprites = paths[: len(paths) - len(found)]
        photos = [read_photo(path) for path in paths[len(paths) - len(found) :]]
        digits = read_idx(images, 16).reshape(-1, 28, 28)
        return {
            "train": self._generate_examples(
                blended(digits, photos, drawn_places(len(digits), photos)), read_idx(labels, 8)
            ),
            "test": self._generate_examples(*read_published(sprites)),
        }

    def _generate_examples(
        self, images: np.ndarray, labels: np.ndarray
    ) -> Iterator[tuple[int, dict[str, Any]]]:
        for index, (image, label) in enumerate(zip(images, labels, strict=True)):
            yield index, {"image": image, "label": int(label)}


def read_idx(path: Path, header: int) -> np.ndarray:
    """Reads the unsigned bytes of an IDX file, whose header has so many bytes."""
    return np.frombuffer(gzip.decompress(path.read_bytes()), np.uint8, offset=header)


def read_photo(path: Path) -> np.ndarray:
    """Reads a photograph, uint8 (height, width, 3)."""
    from PIL import Image

    with Image.open(path) as opened:
        return np.asarray(opened.convert("RGB"))


def drawn_places(count: int, photos: Sequence[np.ndarray]) -> np.ndarray:
    """Draws where each patch is cut: int64 (count, 3), a photograph, a row, a column.

    It is a function of the count and the photographs' sizes alone.
    """
    rng = np.random.default_rng(SEED)
    chosen = rng.integers(0, len(photos), count)
    room = np.array([photo.shape[:2] for photo in photos])[chosen] - 28 + 1
    corners = (rng.random((count, 2)) * room).astype(np.int64)
    return np.column_stack([chosen, corners])


def blended(digits: np.ndarray, photos: Sequence[np.ndarray], places: np.ndarray) -> np.ndarray:
    """Blends digits into patches of photographs: |patch - 255| where there is ink.

    Args:
        digits: uint8 (n, 28, 28), 0 where there is no ink.
        photos: Each uint8 (height, width, 3), larger than a digit.
        places: As from `drawn_places`, (n, 3).

    Returns:
        uint8 (n, 28, 28, 3).
    """
    images = np.stack([photos[p][y : y + 28, x : x + 28] for p, y, x in places])
    return np.where(digits[..., None] > 0, 255 - images, images)


def read_published(files: Sequence[Path]) -> tuple[np.ndarray, np.ndarray]:
    """Reads the published test images, without their margin, and labels.

    Args:
        files: Sprites in their order, and labels.npz at the end.

    Returns:
        uint8 (n, 28, 28, 3) and uint8 (n,).
    """
    *sprites, archive = files
    with np.load(archive, allow_pickle=False) as arrays:
        labels = arrays["test"]
    images = np.concatenate([read_sprite(path) for path in sprites])[: len(labels)]
    return images[:, MARGIN:-MARGIN, MARGIN:-MARGIN], labels
