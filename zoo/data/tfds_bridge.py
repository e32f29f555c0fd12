"""The one place that talks to tensorflow-datasets."""

from __future__ import annotations

import dataclasses
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tensorflow_datasets as tfds

from zoo.data.catalogue import DataSet
from zoo.data.feature_sets import FeatureSet
from zoo.data.split import Arrays
from zoo.errors import DataUnavailableError, InvalidInputError
from zoo.registry import load_object


def builder_of(dataset: DataSet | FeatureSet, data_dir: Path) -> tfds.core.DatasetBuilder:
    """Returns the TFDS builder of a data set, of this project or of TFDS."""
    name = dataset.builder or dataset.name
    if ":" in name:
        return load_object(name)(data_dir=data_dir)
    return tfds.builder(name, data_dir=data_dir)


def read(dataset: DataSet | FeatureSet, work: Path, manual: Path | None) -> dict[str, Arrays]:
    """Builds a data set in `work`, from the archives in `manual` or from the network.

    Sizes and SHA-256 of the archives are verified against the checksums that TFDS ships.

    Raises:
        DataUnavailableError: with one line, for a changed archive or a failed download.
    """
    name = dataset.name
    builder = builder_of(dataset, work / "builds")
    remedy = f"with its archives in a folder DIR, run `zoo data prepare {name} --from DIR`"
    _build(builder, name, work, manual, remedy)
    return {split: _arrays(builder, split) for split in dataset.splits}


@dataclasses.dataclass(frozen=True)
class Labelled:
    """A set of TFDS whose examples have an image and a label.

    Args:
        builder: It, built.
        version: Its full name with its version.
        labels: Class names.
        splits: `{split: number of examples}`.
    """

    builder: tfds.core.DatasetBuilder
    version: str
    labels: tuple[str, ...]
    splits: dict[str, int]

    def examples(self, split: str) -> Iterator[tuple[np.ndarray, int]]:
        """Yields images, uint8 (height, width, channels) of sizes of their own, with labels."""
        for example in tfds.as_numpy(self.builder.as_dataset(split=split, shuffle_files=False)):
            yield example["image"], int(example["label"])


def read_labelled(name: str, work: Path) -> Labelled:
    """Builds, in `work` and from the network, any image classification set that TFDS knows.

    Raises:
        InvalidInputError: when TFDS has no such set, or its examples have no image and label.
        DataUnavailableError: as `read`.
    """
    try:
        builder = tfds.builder(name, data_dir=work / "builds")
    except (tfds.core.DatasetNotFoundError, ValueError) as error:
        raise InvalidInputError(
            f"tensorflow-datasets has no {name} ({_first_line(error)})"
        ) from error
    features = builder.info.features
    image, label = (dict(features).get(key) for key in ("image", "label"))
    kinds = (tfds.features.Image, tfds.features.ClassLabel)
    if not (isinstance(image, kinds[0]) and isinstance(label, kinds[1])):
        raise InvalidInputError(
            f"{name} is no set of images with one label each; its examples have "
            f"{', '.join(features)}"
        )
    if builder.MANUAL_DOWNLOAD_INSTRUCTIONS:
        raise DataUnavailableError(
            f"tensorflow-datasets cannot download {name} by itself; make a folder of class folders"
        )
    _build(builder, name, work, None, "run it again with a network")
    counts = {split: info.num_examples for split, info in builder.info.splits.items()}
    if "train" not in counts:
        raise InvalidInputError(f"{name} has no train split, it has {', '.join(counts)}")
    return Labelled(builder, builder.info.full_name, tuple(label.names), counts)


def _build(
    builder: tfds.core.DatasetBuilder, name: str, work: Path, manual: Path | None, remedy: str
) -> None:
    """Downloads and builds; a failure is one line that ends with its remedy."""
    config = tfds.download.DownloadConfig(
        manual_dir=manual, try_download_gcs=False, force_checksums_validation=True
    )
    try:
        if builder.url_infos and manual is None and not (work / "downloads").exists():
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
            f"{remedy}"
        ) from error


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
    return {k: v.astype("int64") if k == "label" else v for k, v in arrays.items()}


def _first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__


def _file_of(error: BaseException) -> str:
    words = [word.strip("',.") for word in str(error).split() if "/" in word]
    return words[0].rsplit("/", 1)[-1] if words else _first_line(error)
