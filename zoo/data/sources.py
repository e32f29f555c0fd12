"""Where a user's own images are: a folder of class folders, a CSV of paths, or an npz.

Each reader says what there is and what is wrong with it, before any image is decoded.
"""

from __future__ import annotations

import csv
import dataclasses
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from zoo.data.problems import Problem
from zoo.errors import InvalidInputError
from zoo.inputs import image_rows

SPLITS = ("train", "test")
# What systems leave in folders; nobody means them as images.
_LEFT_BY_SYSTEMS = ("Thumbs.db", "desktop.ini", "__MACOSX")
# Of whole pixels that were scaled to float32 and back, less than this is off.
_WHOLE = 1e-3


@dataclasses.dataclass(frozen=True)
class Picture:
    """One labelled image, not yet decoded.

    Args:
        where: Its name in messages.
        label: Its class; nothing where the source has none.
        split: `train` or `test`.
        content: Its file, or its pixels, uint8 or float32 (height, width, channels), 0 to 255.
    """

    where: str
    label: str
    split: str
    content: Path | np.ndarray


@dataclasses.dataclass
class Source:
    """What a user's data hold.

    Args:
        pictures: In an order of their own.
        labels: The classes where the source names them in order, else none.
        problems: What cannot be used.
        ignored: Hidden files, which are no problem.
        flat: Whether it is a folder of pictures alone, which are of no class.
    """

    pictures: list[Picture] = dataclasses.field(default_factory=list)
    labels: tuple[str, ...] = ()
    problems: list[Problem] = dataclasses.field(default_factory=list)
    ignored: list[str] = dataclasses.field(default_factory=list)
    flat: bool = False


def read_source(path: Path) -> Source:
    """Lists the images of a folder, a CSV or an npz.

    Raises:
        InvalidInputError: when it is none of these, or not in their form.
    """
    if path.is_dir():
        return _read_folder(path)
    if path.suffix.lower() == ".csv":
        return _read_csv(path)
    if path.suffix.lower() == ".npz":
        return _read_npz(path)
    raise InvalidInputError(
        f"expected a folder of class folders, a .csv or an .npz, got the file {path}"
    )


def require_classes(source: Source, path: str | Path) -> None:
    """Raises `InvalidInputError` for pictures of no class, which a generator alone learns from."""
    if source.flat:
        raise InvalidInputError(
            f"{path} has pictures and no class folders; a generator learns from these, a "
            f"classifier needs {path}/CLASS/picture.png"
        )


def _read_folder(root: Path) -> Source:
    source = Source()
    tops = _class_folders(root, root, source)
    if not tops and source.problems:
        source = Source(flat=True)
        paths = files_in(root, root, source)
        source.pictures = [Picture(_name(path, root), "", "train", path) for path in paths]
        return source
    parts = {"train": root}
    # A class may be called train, too; then its folder has pictures.
    if "train" in tops and _class_folders(tops["train"], root, Source()):
        other = [name for name in tops if name not in SPLITS]
        if other:
            raise InvalidInputError(
                f"{root} has train/ and, beside it, {other[0]}/; expected train/ and test/ alone, "
                "each with its class folders, or class folders alone"
            )
        parts = tops
    for split, part in parts.items():
        folders = tops if part is root else _class_folders(part, root, source)
        if not folders:
            raise InvalidInputError(
                f"{part} has no class folders; expected {part}/CLASS/picture.png"
            )
        for label, folder in folders.items():
            paths = files_in(folder, root, source)
            found = [Picture(_name(path, root), label, split, path) for path in paths]
            source.pictures += found
            if not found and split == "train":
                source.problems.append(Problem("class without images", _name(folder, root)))
    return source


def _class_folders(part: Path, root: Path, source: Source) -> dict[str, Path]:
    """Returns the folders of a folder by name; files beside them are no class's."""
    folders = {}
    for path in sorted(part.iterdir()):
        if _is_ignored(path):
            source.ignored.append(_name(path, root))
        elif path.is_dir():
            folders[path.name] = path
        else:
            source.problems.append(Problem("outside of a class folder", _name(path, root)))
    return folders


def files_in(folder: Path, root: Path, source: Source) -> Iterator[Path]:
    """Yields the files of a folder and of those in it, in order of their names."""

    def refuse(error: OSError) -> None:
        where = _name(Path(error.filename), root)
        source.problems.append(Problem("unreadable", where, error.strerror or ""))

    for parent, folders, names in os.walk(folder, onerror=refuse):
        here = Path(parent)
        folders.sort()
        for name in [name for name in folders if _is_ignored(here / name)]:
            folders.remove(name)
            source.ignored.append(_name(here / name, root))
        for name in folders:
            if (here / name).is_symlink():
                detail = "a link to a folder"
                source.problems.append(Problem("unreadable", _name(here / name, root), detail))
        for name in sorted(names):
            if _is_ignored(here / name):
                source.ignored.append(_name(here / name, root))
            else:
                yield here / name


def _read_csv(path: Path) -> Source:
    source = Source()
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file)
            header = [name.strip() for name in rows.fieldnames or ()]
            rows.fieldnames = header
            if not {"path", "label"} <= set(header):
                raise InvalidInputError(
                    f"{path} needs a header with the columns path,label[,split], "
                    f"got {','.join(header) or 'an empty file'}"
                )
            for row in rows:
                _add_row(source, path, rows.line_num, row)
    except (UnicodeDecodeError, csv.Error) as error:
        raise InvalidInputError(f"{path} cannot be read as a CSV in UTF-8: {error}") from error
    return source


def _add_row(source: Source, path: Path, line: int, row: dict[str, str | None]) -> None:
    file, label, split = ((row.get(key) or "").strip() for key in ("path", "label", "split"))
    where = f"{path.name} line {line}" + (f", {file}" if file else "")
    content = path.parent / file
    if not file:
        source.problems.append(Problem("path missing", where))
    elif not label:
        source.problems.append(Problem("label missing", where))
    elif split not in ("", *SPLITS):
        source.problems.append(Problem("split neither train nor test", where, split))
    elif not content.is_file():
        source.problems.append(Problem("file missing", where))
    else:
        source.pictures.append(Picture(where, label, split or "train", content))


def _read_npz(path: Path) -> Source:
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {key: archive[key] for key in archive.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise InvalidInputError(
            f"{path} cannot be read as an npz of plain arrays: {error}"
        ) from error
    source = Source()
    if "labels" in arrays:
        source.labels = tuple(str(label) for label in np.atleast_1d(arrays["labels"]))
        if len(set(source.labels)) < len(source.labels):
            raise InvalidInputError(f"{path}: labels names a class twice: {source.labels}")
    _add_arrays(source, path, arrays, "image", "label", "train")
    if "test_image" in arrays or "test_label" in arrays:
        _add_arrays(source, path, arrays, "test_image", "test_label", "test")
    return source


def _add_arrays(
    source: Source, path: Path, arrays: dict[str, np.ndarray], image: str, label: str, split: str
) -> None:
    for key in (image, label):
        if key not in arrays:
            raise InvalidInputError(
                f"{path} lacks {key}; it has {', '.join(arrays) or 'no arrays'}; expected image "
                "and label, and if you like test_image, test_label and labels"
            )
    pixels, given = arrays[image], arrays[label]
    if pixels.ndim not in (3, 4) or (pixels.ndim == 4 and pixels.shape[-1] not in (1, 3, 4)):
        raise InvalidInputError(
            f"{path}: {image} must be (n, height, width) or (n, height, width, 1, 3 or 4 "
            f"channels), got {pixels.shape}"
        )
    if given.shape != pixels.shape[:1] or given.dtype.kind not in "iuUS":
        raise InvalidInputError(
            f"{path}: {label} must be {len(pixels)} integers or strings, "
            f"got {given.dtype} {given.shape}"
        )
    if not len(pixels):
        return
    kept = np.ones(len(pixels), bool)
    if pixels.dtype.kind == "f":
        kept = np.isfinite(pixels).all(axis=tuple(range(1, pixels.ndim)))
    shape = (*pixels.shape[1:3], 1 if pixels.ndim == 3 or pixels.shape[-1] == 1 else 3)
    rows = np.empty((0, *shape), np.uint8)
    if kept.any():
        # All at once: how floats are scaled is told by the smallest and the largest of them.
        several = pixels[kept] if pixels.ndim == 4 else pixels[kept][..., None]
        rows = without_loss(image_rows(several, shape))
    place = np.cumsum(kept) - 1
    for index, one in enumerate(given):
        name, problem = _label_of(one, source.labels)
        where = f"{image}[{index}]"
        if not kept[index]:
            source.problems.append(Problem("unreadable", where, "NaN or infinity"))
        elif problem:
            source.problems.append(Problem(problem, where, name))
        else:
            source.pictures.append(Picture(where, name, split, rows[place[index]]))


def without_loss(pixels: np.ndarray) -> np.ndarray:
    """Returns float32 pixels, 0 to 255, as uint8 where all of them are whole, else as they are.

    Rounding them before they are resized, and again after, would move some by more than half a
    grey level from what a network sees of the same picture later.
    """
    whole = pixels.round().astype(np.uint8)
    off = pixels - whole
    return whole if max(float(off.max()), -float(off.min())) < _WHOLE else pixels


def _label_of(value: np.generic, names: tuple[str, ...]) -> tuple[str, str]:
    """Returns the class of a label and, where there is one, what is wrong with it."""
    if isinstance(value, np.integer) and names:
        known = 0 <= value < len(names)
        return (names[int(value)], "") if known else (str(value), "label without a name")
    label = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    label = label.strip()
    if names and label not in names:
        return label, "label without a name" if label else "label missing"
    return label, "" if label else "label missing"


def _is_ignored(path: Path) -> bool:
    return path.name.startswith(".") or path.name in _LEFT_BY_SYSTEMS


def _name(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)
