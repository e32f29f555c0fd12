"""What builders of archives without checksums in tensorflow-datasets share."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from zoo.errors import DataUnavailableError


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
