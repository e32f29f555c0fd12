"""Any image classification set of tensorflow-datasets as a data set of the user's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from zoo import paths
from zoo.data.decoding import check_memory, progress
from zoo.data.own import TFDS, keep
from zoo.data.own_arrays import Options, say, split_arrays
from zoo.data.split import Arrays
from zoo.errors import DataUnavailableError
from zoo.inputs import image_rows

if TYPE_CHECKING:
    from zoo.data.tfds_bridge import Labelled


def prepare_tfds(origin: str, name: str, options: Options) -> None:
    """Downloads, verifies, resizes and keeps a set.

    Of its splits `train` and `test` are taken; for a test split that it lacks its validation
    split stands in, or a part of `train`.

    Raises:
        InvalidInputError: when TFDS has no such set, or none of images with labels.
        DataUnavailableError: when it cannot be downloaded.
    """
    try:
        from zoo.data import tfds_bridge
    except ModuleNotFoundError as error:
        raise DataUnavailableError(
            f"preparing {origin} needs {error.name}, which is not installed"
        ) from error

    labelled = tfds_bridge.read_labelled(origin.removeprefix(TFDS), paths.home() / "tfds" / name)
    test = next((split for split in ("test", "validation") if split in labelled.splits), None)
    if test == "validation":
        say(f"{origin} has no test split; its validation split is taken for it")
    train, testing = _rows(labelled, "train", options), np.zeros(labelled.splits["train"], bool)
    if test:
        further = _rows(labelled, test, options)
        train = {key: np.concatenate([train[key], further[key]]) for key in train}
        testing = np.concatenate([testing, np.ones(len(further["label"]), bool)])
    if options.colour is None and _is_grey(train["image"]):
        train["image"] = train["image"][..., :1]
    splits = split_arrays(train, testing, origin)
    keep(origin, name, splits, labelled.labels, options, labelled.version)


def _rows(labelled: Labelled, split: str, options: Options) -> Arrays:
    count = labelled.splits[split]
    channels = 1 if options.colour == "grey" else 3
    check_memory(count, options.size, channels)
    shape = (options.size, options.size, channels)
    images, labels = np.empty((count, *shape), np.uint8), np.empty(count, np.int64)
    for index, (image, label) in enumerate(progress(labelled.examples(split), count)):
        images[index] = image_rows(image[None], shape)[0].round()
        labels[index] = label
    return {"image": images, "label": labels}


def _is_grey(images: np.ndarray) -> bool:
    """Returns whether all images are; some at a time, for comparing takes memory."""
    parts = (images[start : start + 1000] for start in range(0, len(images), 1000))
    return all(bool((part == part[..., :1]).all()) for part in parts)
