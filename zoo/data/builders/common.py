"""What builders of archives without checksums in tensorflow-datasets share."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from zoo.data.catalogue import get
from zoo.errors import DataUnavailableError

# Of a sprite: tiles of so many pixels each way, so many of them in a row.
SIDE = 32
COLUMNS = 40


def given_folder(dl_manager: Any) -> Path | None:
    """Returns the folder that the user named, if any."""
    try:
        return Path(dl_manager.manual_dir)
    except AssertionError:  # TFDS says so that there is none.
        return None


def verified_files(
    dl_manager: Any, name: str, files: Sequence[str], sha256: str, address: str
) -> list[Path]:
    """Returns the files of a data set that is read from a folder only.

    Args:
        dl_manager: Of TFDS, which knows the folder.
        name: The data set, for messages.
        files: Paths in the folder.
        sha256: The digest over the SHA-256 of each file, in this order.
        address: Where a user finds the files.

    Raises:
        DataUnavailableError: when no folder was named, or a file is not the published one.
    """
    folder = given_folder(dl_manager)
    if folder is None:
        raise DataUnavailableError(
            f"{name} has no archive of a known checksum to download; get it from {address}, "
            f"unpack it, and run `zoo data prepare {name} --from DIR`"
        )
    paths = [folder / file for file in files]
    digest = hashlib.sha256()
    for path in paths:
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    if digest.hexdigest() != sha256:
        raise DataUnavailableError(
            f"the {len(paths)} files of {name} in {folder} are not the published ones (sha256 "
            "differs); get them again"
        )
    return paths


def labelled_images(builder: Any, name: str, homepage: str) -> Any:
    """Returns what TFDS is told of a data set of images with one class each, in their order.

    Args:
        builder: The builder of TFDS.
        name: The data set, whose shape and classes are those of the catalogue.
        homepage: Where people read about it.
    """
    import tensorflow_datasets as tfds

    dataset = get(name)
    return tfds.core.DatasetInfo(
        builder=builder,
        features=tfds.features.FeaturesDict(
            {
                "image": tfds.features.Image(shape=dataset.shape),
                "label": tfds.features.ClassLabel(names=dataset.labels),
            }
        ),
        supervised_keys=("image", "label"),
        homepage=homepage,
        disable_shuffling=True,
    )


def read_sprite(path: Path) -> np.ndarray:
    """Cuts a lossless sprite into its tiles, row by row: uint8 (n, 32, 32, 3)."""
    from PIL import Image

    with Image.open(path) as opened:
        sprite = np.asarray(opened.convert("RGB"))
    rows = sprite.reshape(-1, SIDE, COLUMNS, SIDE, 3)
    return rows.transpose(0, 2, 1, 3, 4).reshape(-1, SIDE, SIDE, 3)
