"""A user's own images to measure a classifier on: they are read, and nothing of them is kept."""

from __future__ import annotations

from pathlib import Path

from zoo import paths
from zoo.data.catalogue import DATASETS, names, record_of
from zoo.data.decoding import decode_all
from zoo.data.own import TFDS
from zoo.data.own_arrays import Options, classes_of, labels_of, say
from zoo.data.pairs import PAIR
from zoo.data.problems import counted, listed
from zoo.data.sources import read_source, require_classes
from zoo.data.split import Arrays
from zoo.errors import InvalidInputError

_WHICH = {"test": "those for testing", "all": "all that there are"}


def prepared_source(source: str | Path) -> str | None:
    """Returns what `zoo.data.own.resolve` is to be given for a source, or None for one to read.

    A path of images that a data set was made of stands for this set, some of whose images were
    trained on. A path of others is in no set. All else is taken as it is.

    Raises:
        InvalidInputError: when several data sets were made of the images.
    """
    text, path = str(source), Path(source).expanduser()
    if text in DATASETS or text.startswith((TFDS, PAIR)) or not path.exists():
        return text
    origin = str(path.resolve())
    made = [name for name in names() if record_of(name).get("source") == origin]
    if len(made) > 1:
        raise InvalidInputError(f"{text} became several data sets, name one: {', '.join(made)}")
    return made[0] if made else None


def read_unprepared(source: str | Path, size: int) -> tuple[str, Arrays, list[str]]:
    """Reads labelled images: those for testing where a source says which these are, else all.

    Args:
        source: A folder of class folders, a CSV or an npz, as `zoo.data.own.prepare` takes them.
        size: Height and width that images are resized to.

    Returns:
        Which images they are, `test` or `all`; `image`, uint8 (n, size, size, 1 or 3), and `label`,
        int64 (n,); and the classes.

    Raises:
        InvalidInputError: for a source without classes, and where anything in it is wrong.
    """
    path = Path(source).expanduser()
    found = read_source(path)
    require_classes(found, path)
    testing = [picture for picture in found.pictures if picture.split == "test"]
    split, pictures = ("test", testing) if testing else ("all", found.pictures)
    decoded = decode_all(pictures, Options(size).size, colour=None)
    problems = [*found.problems, *decoded.problems]
    if problems:
        rest = paths.home() / "measured.problems.txt"
        intro = f"{counted(problems)} in {path}, nothing was measured"
        raise InvalidInputError(listed(intro, problems, rest))
    if not pictures:
        raise InvalidInputError(f"there are no images in {path}")
    classes = classes_of(found.pictures, found.labels)
    say(f"{path} is in no data set; {len(pictures)} images are measured on, {_WHICH[split]}")
    return split, {"image": decoded.rows, "label": labels_of(pictures, classes)}, classes
