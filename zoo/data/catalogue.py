"""What data sets there are. To add one, add an entry here (and a TFDS builder if it has none)."""

from __future__ import annotations

import dataclasses

from zoo.registry import Catalogue


@dataclasses.dataclass(frozen=True)
class DataSet:
    """A data set of labelled images.

    Args:
        name: Name in this project and in tensorflow-datasets.
        shape: (height, width, channels) of an image; pixels are uint8.
        labels: Class names, in the order of the integer labels.
        splits: `{split: number of examples}`.
        archives: The original files, as tensorflow-datasets names them.
        licence: Terms of use as far as its authors state them.
        citation: Who made it.
        judge: The classifier whose features tell generated images from real ones; one version,
            or distances measured at different times could not be compared.
    """

    name: str
    shape: tuple[int, int, int]
    labels: tuple[str, ...]
    splits: dict[str, int]
    archives: tuple[str, ...]
    licence: str
    citation: str
    judge: str | None = None


_IDX_FILES = (
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
)

DATASETS: Catalogue[DataSet] = Catalogue("data set")

DATASETS.add(
    "mnist",
    DataSet(
        name="mnist",
        shape=(28, 28, 1),
        labels=tuple("0123456789"),
        splits={"train": 60_000, "test": 10_000},
        archives=_IDX_FILES,
        licence="none stated by its authors",
        citation="LeCun, Cortes, Burges: The MNIST database of handwritten digits (1998)",
    ),
)

DATASETS.add(
    "fashion_mnist",
    DataSet(
        name="fashion_mnist",
        shape=(28, 28, 1),
        labels=(
            "T-shirt/top",
            "Trouser",
            "Pullover",
            "Dress",
            "Coat",
            "Sandal",
            "Shirt",
            "Sneaker",
            "Bag",
            "Ankle boot",
        ),
        splits={"train": 60_000, "test": 10_000},
        archives=_IDX_FILES,
        licence="MIT",
        citation="Xiao, Rasul, Vollgraf: Fashion-MNIST, arXiv:1708.07747 (2017)",
        judge="resnet20.fashion_mnist@1",
    ),
)


def get(name: str) -> DataSet:
    """Returns a data set by name, or raises `UnknownModelError` with near names."""
    return DATASETS.get(name)
