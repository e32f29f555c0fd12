"""The one place that talks to tensorflow-datasets."""

from __future__ import annotations

import urllib.error
import urllib.request
from pathlib import Path

import tensorflow_datasets as tfds

from zoo.data.split import Arrays
from zoo.errors import DataUnavailableError


def read(name: str, splits: tuple[str, ...], work: Path, manual: Path | None) -> dict[str, Arrays]:
    """Builds a data set in `work`, from the archives in `manual` or from the network.

    Sizes and SHA-256 of the archives are verified against the checksums that TFDS ships.

    Raises:
        DataUnavailableError: with one line, for a changed archive or a failed download.
    """
    builder = tfds.builder(name, data_dir=work / "builds")
    config = tfds.download.DownloadConfig(
        manual_dir=manual, try_download_gcs=False, force_checksums_validation=True
    )
    try:
        if manual is None and not (work / "downloads").exists():
            _check_network(next(iter(builder.url_infos)))
        builder.download_and_prepare(download_dir=work / "downloads", download_config=config)
    except tfds.download.download_manager.NonMatchingChecksumError as error:
        where = f"in {manual} " if manual else ""
        raise DataUnavailableError(
            f"an archive of {name} {where}is not the published one (size or sha256 differ): "
            f"{_file_of(error)}; get it again"
        ) from error
    except (OSError, tfds.download.DownloadError) as error:
        raise DataUnavailableError(
            f"{name} could not be {'read' if manual else 'downloaded'} ({_first_line(error)}); "
            f"with its archives in a folder DIR, run `zoo data prepare {name} --from DIR`"
        ) from error
    return {split: _arrays(builder, split) for split in splits}


def _check_network(url: str) -> None:
    """Raises OSError when no server answers; TFDS itself would try for minutes before it does."""
    request = urllib.request.Request(url, method="HEAD")
    try:
        # Unlike `urlopen`, a new opener sees the proxies of the environment as it is now.
        urllib.request.build_opener().open(request, timeout=20).close()
    except urllib.error.HTTPError as error:
        error.close()  # An answer, if not a welcome one: what to make of it is for TFDS to say.


def _arrays(builder: tfds.core.DatasetBuilder, split: str) -> Arrays:
    dataset = builder.as_dataset(split=split, batch_size=-1, shuffle_files=False)
    arrays = tfds.as_numpy(dataset)
    return {"image": arrays["image"], "label": arrays["label"].astype("int64")}


def _first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__


def _file_of(error: BaseException) -> str:
    words = [word.strip("',.") for word in str(error).split() if "/" in word]
    return words[0].rsplit("/", 1)[-1] if words else _first_line(error)
