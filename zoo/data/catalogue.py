"""What data sets there are. To add one, add an entry here (and a TFDS builder if it has none)."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any, ClassVar

from zoo import paths
from zoo.data.feature_sets import refuse_features
from zoo.errors import UnknownModelError
from zoo.registry import Catalogue, natural_sort

NAME = re.compile(r"[a-z0-9_]+")


@dataclasses.dataclass(frozen=True)
class DataSet:
    """A data set of images, labelled or not.

    Args:
        name: Name in this project.
        shape: (height, width, channels) of an image; pixels are uint8.
        labels: Class names, in the order of the integer labels; `()` for images without labels,
            whose arrays hold `image` alone.
        splits: `{split: number of examples}`.
        archives: The original files, as tensorflow-datasets names them.
        licence: Terms of use as far as its authors state them.
        citation: Who made it.
        builder: Name in tensorflow-datasets where it is another, or "module:Class" of a builder of
            this project.
        folder: Where its archives lie below a folder of several sets; by default its name.
        equivalents: Files of the same content that the builder takes in place of the archives.
        tests: The splits that evaluation reads, the first being the one that counts.
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
    builder: str | None = None
    folder: str | None = None
    equivalents: tuple[str, ...] = ()
    tests: tuple[str, ...] = ("test",)
    judge: str | None = None
    holds: ClassVar[str] = "image"


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
        judge="small_cnn.mnist@1",
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

DATASETS.add(
    "cifar10",
    DataSet(
        name="cifar10",
        shape=(32, 32, 3),
        labels=(
            "airplane",
            "automobile",
            "bird",
            "cat",
            "deer",
            "dog",
            "frog",
            "horse",
            "ship",
            "truck",
        ),
        splits={"train": 40_000, "heldout": 10_000, "official_1000": 1_000},
        archives=("cifar-10-binary.tar.gz",),
        licence="none stated by its authors",
        citation="Krizhevsky: Learning multiple layers of features from tiny images (2009)",
        builder="zoo.data.builders.cifar10:Cifar10Heldout",
        equivalents=(
            "labels.npz",
            *(f"train_{number:02}.webp" for number in range(50)),
            "test_first1000.webp",
        ),
        tests=("heldout", "official_1000"),
    ),
)

DATASETS.add(
    "usps",
    DataSet(
        name="usps",
        shape=(28, 28, 1),
        labels=tuple("0123456789"),
        splits={"train": 7_291, "test": 2_007},
        archives=("zip.train.gz", "zip.test.gz"),
        licence="none stated by its authors",
        citation="Hull: A database for handwritten text recognition research (1994)",
        builder="zoo.data.builders.usps:Usps",
    ),
)

DATASETS.add(
    "mnist_m",
    DataSet(
        name="mnist_m",
        shape=(28, 28, 3),
        labels=tuple("0123456789"),
        splits={"train": 60_000, "test": 9_001},
        archives=(
            "mnist/train-images-idx3-ubyte.gz",
            "mnist/train-labels-idx1-ubyte.gz",
            *(f"mnist_m/test_{number:02}.webp" for number in range(9)),
            "mnist_m/labels.npz",
        ),
        licence="none stated by its authors; BSDS500 is for research and education, not commerce",
        citation="Ganin, Lempitsky: Unsupervised domain adaptation by backpropagation, ICML 2015",
        builder="zoo.data.builders.mnist_m:MnistM",
        # It is made of three sets that lie side by side.
        folder=".",
    ),
)

DATASETS.add(
    "att_faces",
    DataSet(
        name="att_faces",
        shape=(64, 64, 1),
        labels=tuple(f"s{person}" for person in range(1, 41)),
        splits={"train": 320, "test": 80},
        archives=tuple(f"s{p}/{number}.pgm" for p in range(1, 41) for number in range(1, 11)),
        licence="free to use with credit to AT&T Laboratories Cambridge",
        citation="Samaria, Harter: Parameterisation of a stochastic model for human face "
        "identification (1994)",
        builder="zoo.data.builders.att_faces:AttFaces",
    ),
)

DATASETS.add(
    "cmp_facades",
    DataSet(
        name="cmp_facades",
        shape=(128, 256, 3),
        labels=(),
        splits={"train": 350, "test": 50},
        archives=tuple(f"{number}.jpg" for number in range(1, 401)),
        licence="none stated in the archive",
        citation="Tyleček, Šára: Spatial pattern templates for recognition of objects with "
        "regular structure, GCPR 2013",
        builder="zoo.data.builders.cmp_facades:CmpFacades",
        folder="facades",
    ),
)

for _script, _train, _test in (
    ("bangla", 5_000, 1_000),
    ("devanagari", 2_500, 500),
    ("telugu", 2_500, 500),
):
    DATASETS.add(
        f"cmaterdb_{_script}",
        DataSet(
            name=f"cmaterdb_{_script}",
            shape=(32, 32, 3),
            labels=tuple("0123456789"),
            splits={"train": _train, "test": _test},
            archives=("training-images.npz", "testing-images.npz"),
            licence="Apache-2.0",
            citation="Das et al.: A genetic algorithm based region sampling for selection of local "
            "features in handwritten digit recognition application, Applied Soft Computing (2012)",
            builder=f"cmaterdb/{_script}",
            folder=f"cmaterdb/{_script}-numerals",
        ),
    )


def get(name: str) -> DataSet:
    """Returns a data set of the catalogue, or one of the user's own that is prepared.

    Raises:
        InvalidInputError: for a set of features.
        UnknownModelError: with near names, for any other name.
    """
    if name in DATASETS:
        return DATASETS.get(name)
    refuse_features(name)
    record = record_of(name)
    try:
        return DataSet(
            name=name,
            shape=tuple(record["shape"]),
            labels=tuple(record["labels"]),
            splits=dict(record["splits"]),
            archives=(),
            licence=record["licence"],
            citation="",
        )
    except (KeyError, TypeError):
        raise UnknownModelError(name, names(), kind="data set") from None


def names() -> list[str]:
    """Returns the names of the catalogue and of the user's own sets, in natural order."""
    own = [path.parent.name for path in folder("").glob("*/dataset.json")]
    return natural_sort({*DATASETS, *(name for name in own if "labels" in record_of(name))})


def folder(name: str) -> Path:
    """Returns the folder of a data set's arrays; it may not exist yet."""
    return paths.home() / "data" / name


def record_of(name: str) -> dict[str, Any]:
    """Returns what was written down when a data set was prepared; `{}` where nothing can be read.

    A set of the user's own has its shape, labels and splits there.
    """
    if not NAME.fullmatch(name):
        return {}
    try:
        record = json.loads((folder(name) / "dataset.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}
