"""Own images: every kind of source, all that can be wrong with it, and what becomes of it."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from zoo import data
from zoo.data import decoding, own
from zoo.data.prepare import arrays_checksum
from zoo.errors import DataUnavailableError, InvalidInputError, UnknownModelError
from zoo.inputs import image_rows

PER_CLASS = 10
CLASSES = ("ant", "bee")
Pictures = dict[tuple[str, int], np.ndarray]


@pytest.fixture
def pictures() -> Pictures:
    rng = np.random.default_rng(0)
    return {
        (label, index): rng.integers(0, 256, (9, 11, 3), dtype=np.uint8)
        for label in CLASSES
        for index in range(PER_CLASS)
    }


@pytest.fixture
def folder(tmp_path: Path, pictures: Pictures) -> Path:
    """A folder `My Pets` of class folders."""
    root = tmp_path / "My Pets"
    for (label, index), pixels in pictures.items():
        (root / label).mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(root / label / f"{index}.png")
    return root


def content(name: str, split: str) -> set[tuple[str, bytes]]:
    labels, arrays = data.get(name).labels, data.load(name, split)
    pairs = zip(arrays["label"], arrays["image"], strict=True)
    return {(labels[label], image.tobytes()) for label, image in pairs}


def everything(name: str) -> set[tuple[str, bytes]]:
    return content(name, "train") | content(name, "test")


def resized(pictures: Pictures, size: int) -> set[tuple[str, bytes]]:
    return {
        (label, image_rows(pixels, (size, size, 3)).round().astype(np.uint8).tobytes())
        for (label, _), pixels in pictures.items()
    }


# Sources


def test_a_folder_becomes_a_data_set(folder: Path, pictures: Pictures) -> None:
    assert own.prepare(folder, size=8) == "my_pets"
    dataset = data.get("my_pets")
    assert dataset.shape == (8, 8, 3)
    assert dataset.labels == CLASSES
    assert dataset.splits == {"train": 16, "test": 4}
    assert dataset.licence == "as its owner says"
    assert everything("my_pets") == resized(pictures, 8)
    for split in ("train", "test"):
        arrays = data.load("my_pets", split)
        assert arrays["image"].dtype == np.uint8
        assert arrays["label"].dtype == np.int64
        assert data.split_checksum("my_pets", split) == arrays_checksum(arrays)
        # A fifth of each class is cut, and neither split is in the order of the classes.
        assert len(set(np.bincount(arrays["label"]))) == 1
    assert (np.diff(data.load("my_pets", "train")["label"]) < 0).any()
    assert "my_pets" in data.names()


def test_train_and_test_folders_are_kept_apart(folder: Path, pictures: Pictures) -> None:
    for label in CLASSES:
        for split, indices in (("train", range(7)), ("test", range(7, PER_CLASS))):
            (folder / split / label).mkdir(parents=True)
            for index in indices:
                shutil.move(folder / label / f"{index}.png", folder / split / label)
        (folder / label).rmdir()
    name = own.prepare(folder, size=8)
    later = {key: value for key, value in pictures.items() if key[1] >= 7}
    assert content(name, "test") == resized(later, 8)
    (folder / "val" / "ant").mkdir(parents=True)
    with pytest.raises(InvalidInputError, match=r"has train/ and, beside it, val/"):
        own.prepare(folder)


def test_a_class_may_be_called_train(folder: Path) -> None:
    (folder / "bee").rename(folder / "train")
    assert data.get(own.prepare(folder, size=8)).labels == ("ant", "train")


@pytest.mark.parametrize("with_split", [True, False])
def test_a_csv_says_paths_and_labels(folder: Path, pictures: Pictures, with_split: bool) -> None:
    path = folder / "insects.csv"
    with path.open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.writer(file)
        writer.writerow(["label", "path", *(["split"] if with_split else [])])
        for label, index in pictures:
            split = ["test" if index < 3 else "train"] if with_split else []
            writer.writerow([f" {label}", f"{label}/{index}.png", *split])
    assert own.prepare(path, size=8) == "insects"
    assert everything("insects") == resized(pictures, 8)
    if with_split:
        first = {key: value for key, value in pictures.items() if key[1] < 3}
        assert content("insects", "test") == resized(first, 8)


@pytest.mark.parametrize("kind", ["uint8", "int64", "float32", "minus"])
@pytest.mark.parametrize("named", [True, False])
def test_an_npz_holds_arrays(tmp_path: Path, pictures: Pictures, kind: str, named: bool) -> None:
    images = np.stack(list(pictures.values()))
    made = {"uint8": images, "int64": images.astype(np.int64)}
    made |= {"float32": (images / 255).astype(np.float32), "minus": images / 127.5 - 1}
    labels = np.array([label for label, _ in pictures])
    arrays = {"image": made[kind], "label": labels}
    if named:
        arrays |= {"labels": np.array(["bee", "ant"]), "label": (labels == "ant").astype(int)}
    np.savez(tmp_path / "x.npz", **arrays)  # type: ignore[arg-type]
    own.prepare(tmp_path / "x.npz", size=8)
    assert data.get("x").labels == (("bee", "ant") if named else CLASSES)
    assert everything("x") == resized(pictures, 8)


def test_an_npz_with_a_test_split(tmp_path: Path, pictures: Pictures) -> None:
    images = np.stack(list(pictures.values()))[..., 0]
    label = np.repeat([10, 9], PER_CLASS)
    np.savez(
        tmp_path / "digits.npz",
        image=images[::2],
        label=label[::2],
        test_image=images[1::2],
        test_label=label[1::2],
    )
    own.prepare(tmp_path / "digits.npz", size=12)
    assert data.get("digits").labels == ("9", "10")
    assert data.get("digits").shape == (12, 12, 1)
    assert data.get("digits").splits == {"train": 10, "test": 10}


def test_a_set_of_tensorflow_datasets(tmp_path: Path) -> None:
    import tensorflow_datasets as tfds

    class OwnTestShapes(tfds.core.GeneratorBasedBuilder):
        """Squares of two greys, of sizes of their own."""

        VERSION = tfds.core.Version("1.0.0")

        def _info(self) -> tfds.core.DatasetInfo:
            features = {
                "image": tfds.features.Image(shape=(None, None, 3)),
                "label": tfds.features.ClassLabel(names=["dark", "light"]),
            }
            return tfds.core.DatasetInfo(
                builder=self, features=tfds.features.FeaturesDict(features)
            )

        def _split_generators(self, dl_manager: object) -> dict[str, object]:
            return {"train": self._generate_examples(12), "validation": self._generate_examples(4)}

        def _generate_examples(self, count: int) -> object:
            for index in range(count):
                image = np.full((6 + index, 9, 3), 40 + 100 * (index % 2), np.uint8)
                yield index, {"image": image, "label": index % 2}

    name = own.prepare("tfds:own_test_shapes", size=8)
    assert name == "own_test_shapes"
    assert data.get(name).labels == ("dark", "light")
    assert data.get(name).shape == (8, 8, 1), "all of it is grey"
    assert data.get(name).splits == {"train": 12, "test": 4}
    arrays = data.load(name, "test")
    np.testing.assert_array_equal(arrays["image"][:, 0, 0, 0], 40 + 100 * arrays["label"])
    assert own.resolve("tfds:own_test_shapes") == name, "it is there, no network is needed"
    with pytest.raises(InvalidInputError, match=r"tensorflow-datasets has no no_such_set"):
        own.prepare("tfds:no_such_set")


# Size and colour


def test_grey_images_stay_grey_unless_told(folder: Path, pictures: Pictures) -> None:
    assert data.get(own.prepare(folder, "all", size=8, colour="grey")).shape == (8, 8, 1)
    for (label, index), pixels in pictures.items():
        # Half of them as grey files, half as colour files without colour.
        grey = Image.fromarray(pixels).convert("L")
        (grey if index % 2 else grey.convert("RGB")).save(folder / label / f"{index}.png")
    assert data.get(own.prepare(folder, "grey", size=8)).shape == (8, 8, 1)
    assert data.get(own.prepare(folder, "colour", size=8, colour="rgb")).shape == (8, 8, 3)
    Image.fromarray(pictures["ant", 0]).save(folder / "ant" / "0.png")
    assert data.get(own.prepare(folder, "mixed", size=8)).shape == (8, 8, 3)


def test_training_and_serving_see_a_picture_alike(tmp_path: Path) -> None:
    """Of 16 bits and of fractions a resized pixel is rounded once, by half a level at most."""
    rng = np.random.default_rng(2)
    deep = rng.integers(0, 2**16, (PER_CLASS, 37, 41), dtype=np.uint16)
    for index, pixels in enumerate(deep):
        path = tmp_path / "deep" / CLASSES[index % 2] / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    fractions = (deep / (2**16 - 1)).astype(np.float32)
    label = np.arange(PER_CLASS) % 2
    np.savez(tmp_path / "fractions.npz", image=fractions, label=label)
    sources: dict[str, list[Any]] = {
        "deep": sorted(tmp_path.rglob("*.png")),
        "fractions.npz": list(fractions),
    }
    for source, shown in sources.items():
        name = own.prepare(tmp_path / source, size=8)
        learned = np.concatenate([data.load(name, split)["image"] for split in ("train", "test")])
        assert len(learned) == len(shown)
        for picture in shown:
            served = image_rows(picture, (8, 8, 1))[0]
            off = np.abs(learned.astype(np.float32) - served).max(axis=(1, 2, 3))
            # That of the row which is this picture; all others are far from it.
            assert off.min() <= 0.501


def test_more_images_than_memory_are_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "memory", lambda: 4 * 20 * 64 * 64 * 3 - 4)
    with pytest.raises(InvalidInputError, match=r"20 images of 64x64x3 take .* a quarter of"):
        own.prepare(folder)
    own.prepare(folder, size=32)
    for size in (3, 1025):
        with pytest.raises(InvalidInputError, match="size must be 4 to 1024 pixels"):
            own.prepare(folder, size=size)


# Problems


def spoil(folder: Path) -> dict[str, str]:
    """Plants one of each kind; returns `{kind: file}`."""
    (folder / "ant" / "empty.png").write_bytes(b"")
    (folder / "ant" / "note.txt").write_text("a shopping list")
    whole = (folder / "ant" / "0.png").read_bytes()
    (folder / "bee" / "cut.png").write_bytes(whole[: len(whole) // 2])
    shutil.copy(folder / "ant" / "1.png", folder / "ant" / "one more.png")
    Image.open(folder / "ant" / "2.png").save(folder / "bee" / "other.bmp")
    shutil.copy(folder / "ant" / "3.png", folder / "loose.png")
    (folder / "cat").mkdir()
    (folder / "dog").mkdir()
    Image.fromarray(np.zeros((5, 5), np.uint8)).save(folder / "dog" / "rex.png")
    return {
        "empty": "ant/empty.png",
        "not an image": "ant/note.txt",
        "unreadable": "bee/cut.png",
        "duplicate": "ant/one more.png",
        "duplicate with two labels": "bee/other.bmp",
        "outside of a class folder": "loose.png",
        "class without images": "cat",
        "class with fewer than 2 images to train on": "dog",
    }


def test_every_problem_is_named_before_anything_is_kept(folder: Path, private_home: Path) -> None:
    planted = spoil(folder)
    with pytest.raises(InvalidInputError) as caught:
        own.prepare(folder)
    first, *lines = str(caught.value).splitlines()
    assert first.startswith("9 problems in ")
    for kind, file in planted.items():
        assert f"1 {kind}" in first or f"2 {kind}" in first
        assert any(line.strip().startswith(f"{kind}: {file}") for line in lines), kind
    assert "same pixels as bee/other.bmp, bee" in str(caught.value), "both sides are named"
    assert len(lines) == 9
    assert not data.is_prepared("my_pets")
    assert not list(private_home.rglob("*.npz"))


def test_what_is_skipped_is_listed(
    folder: Path, pictures: Pictures, capsys: pytest.CaptureFixture[str]
) -> None:
    planted = spoil(folder)
    (folder / ".DS_Store").write_text("x")
    (folder / "ant" / "Thumbs.db").write_text("x")
    name = own.prepare(folder, size=8, skip_bad=True)
    told = capsys.readouterr().err
    assert all(file in told for file in planted.values())
    assert "hidden files are left alone: .DS_Store, ant/Thumbs.db" in told
    del pictures["ant", 2]  # It has two labels, and none knows which is right.
    assert everything(name) == resized(pictures, 8)
    assert data.get(name).labels == CLASSES


def test_long_lists_go_to_a_file(folder: Path) -> None:
    for index in range(30):
        (folder / "bee" / f"empty {index:02}.png").write_bytes(b"")
    with pytest.raises(InvalidInputError) as caught:
        own.prepare(folder)
    *_, last = lines = str(caught.value).splitlines()
    assert len(lines) == 22
    assert "and 10 more" in last
    written = Path(last.split(" are in ")[1]).read_text()
    assert all(f"empty: bee/empty {index:02}.png" in written for index in range(30))


def test_an_image_in_train_and_test_stays_in_test(folder: Path, pictures: Pictures) -> None:
    path = folder / "all.csv"
    rows = [f"{label}/{i}.png,{label},{'test' if i < 3 else 'train'}" for label, i in pictures]
    path.write_text("\n".join(["path,label,split", "ant/0.png,ant,train", *rows]))
    with pytest.raises(InvalidInputError, match=r"train and test: all\.csv line 2, ant/0\.png"):
        own.prepare(path)
    own.prepare(path, size=8, skip_bad=True)
    assert data.get("all").splits == {"train": 14, "test": 6}
    assert not content("all", "train") & content("all", "test")


def test_a_csv_s_problems_have_their_line(folder: Path, pictures: Pictures) -> None:
    path = folder / "list.csv"
    rows = [f"{label}/{index}.png,{label}," for label, index in pictures]
    bad = ["ant/gone.png,ant,", "ant/1.png,,", ",bee,", "bee/1.png,bee,later"]
    path.write_text("\n".join(["path,label,split", *rows, *bad]))
    with pytest.raises(InvalidInputError) as caught:
        own.prepare(path)
    told = str(caught.value)
    assert "file missing: list.csv line 22, ant/gone.png" in told
    assert "label missing: list.csv line 23, ant/1.png" in told
    assert "path missing: list.csv line 24" in told
    assert "split neither train nor test: list.csv line 25, bee/1.png (later)" in told


def test_an_npz_s_problems_have_their_row(tmp_path: Path, pictures: Pictures) -> None:
    images = np.stack(list(pictures.values())) / 255
    images[4, 0, 0, 0] = np.nan
    label = np.array([0, 1] * PER_CLASS)
    label[7] = 2
    np.savez(tmp_path / "x.npz", image=images, label=label, labels=["a", "b"])
    with pytest.raises(InvalidInputError) as caught:
        own.prepare(tmp_path / "x.npz")
    assert "unreadable: image[4] (NaN or infinity)" in str(caught.value)
    assert "label without a name: image[7] (2)" in str(caught.value)


@pytest.mark.parametrize(
    ("write", "match"),
    [
        (lambda p: p.with_suffix(".zip").write_text("x"), r"expected a folder .* got the file"),
        (lambda p: p.with_suffix(".csv").write_text("a,b\n1,2"), r"path,label\[,split\], got a,b"),
        (lambda p: p.with_suffix(".csv").write_bytes(b"path,label\n\xff,x"), r"a CSV in UTF-8"),
        (lambda p: p.with_suffix(".npz").write_text("x"), r"an npz of plain arrays"),
        (lambda p: np.savez(p, image=np.zeros((2, 4, 4))), r"lacks label; it has image"),
        (lambda p: np.savez(p, image=np.zeros((2, 4)), label=[0, 1]), r"image must be \(n, h"),
        (lambda p: np.savez(p, image=np.zeros((2, 4, 4)), label=[0.5, 1]), r"label must be 2 int"),
        (lambda p: np.savez(p, image=np.array([{}]), label=[0]), r"an npz of plain arrays"),
        (lambda p: p.mkdir(), r"has no class folders"),
    ],
)
def test_what_is_no_source_is_refused(
    tmp_path: Path, write: Callable[[Path], object], match: str
) -> None:
    write(tmp_path / "source")
    (path,) = tmp_path.glob("source*")
    with pytest.raises(InvalidInputError, match=match):
        own.prepare(path)


def test_pictures_alone_are_a_set_without_labels(
    folder: Path, pictures: Pictures, private_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flat = folder / "ant"
    with pytest.raises(InvalidInputError, match="ant has pictures and no class folders"):
        own.resolve(flat, labelled=True)
    assert not (private_home / "data").exists()
    (flat / ".DS_Store").write_text("x")
    assert own.prepare(flat, size=8) == "ant"
    assert "8 train, 2 test images of 8x8x3, no classes" in capsys.readouterr().err
    assert data.get("ant").labels == ()
    found = [data.load("ant", split) for split in ("train", "test")]
    assert all(set(arrays) == {"image"} for arrays in found)
    expected = {pixels for label, pixels in resized(pictures, 8) if label == "ant"}
    assert {image.tobytes() for arrays in found for image in arrays["image"]} == expected
    assert own.resolve(flat) == own.resolve("ant") == "ant"
    shutil.copy(flat / "0.png", flat / "again.png")
    with pytest.raises(InvalidInputError, match=r"again\.png \(same pixels as 0\.png\)"):
        own.resolve(flat)
    for index in range(4, PER_CLASS):
        (flat / f"{index}.png").unlink()
    with pytest.raises(InvalidInputError, match="ant needs 5 images or more, got 4"):
        own.prepare(flat, skip_bad=True)


def test_one_class_or_few_images_are_no_data_set(folder: Path) -> None:
    shutil.rmtree(folder / "bee")
    with pytest.raises(InvalidInputError, match="needs two or more classes, got ant"):
        own.prepare(folder)
    (folder / "ant").rename(folder / "a")
    (folder / "b").mkdir()
    for index in range(7):
        shutil.move(folder / "a" / f"{index}.png", folder / ("b" if index < 3 else ""))
        (folder / f"{index}.png").unlink(missing_ok=True)
    with pytest.raises(InvalidInputError, match="none can be cut off: no class has 5 images"):
        own.prepare(folder)


def test_nothing_there_is_said_with_near_names(folder: Path) -> None:
    own.prepare(folder, size=8)
    with pytest.raises(UnknownModelError, match="unknown data set 'my_pet'; did you mean my_pets"):
        own.resolve("my_pet")
    with pytest.raises(InvalidInputError, match=r"there is no folder or file '\./my_pet'"):
        own.resolve("./my_pet")


# Names, and preparing again


@pytest.mark.parametrize("name", ["mnist", "Pets", "../x", "a-b", "a.b"])
def test_names_that_cannot_be_are_refused(folder: Path, name: str) -> None:
    with pytest.raises(InvalidInputError, match=r"--name NAME"):
        own.prepare(folder, name)


def test_a_name_belongs_to_one_source(folder: Path, tmp_path: Path) -> None:
    own.prepare(folder, size=8)
    other = tmp_path / "elsewhere" / "My Pets"
    shutil.copytree(folder, other)
    (other / "ant" / "0.png").unlink()
    with pytest.raises(InvalidInputError, match=r"my_pets is the data set of .*--name NAME"):
        own.resolve(other)
    assert own.prepare(other, "fewer", size=8) == "fewer"
    assert own.resolve("fewer") == "fewer"


def test_what_changed_is_prepared_again_and_nothing_else(
    folder: Path, private_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own.prepare(folder, size=8)
    record = private_home / "data" / "my_pets" / "dataset.json"
    before, checksum = record.stat().st_mtime_ns, data.split_checksum("my_pets", "train")
    for source in (folder, "my_pets"):
        own.resolve(source, size=99)
    assert record.stat().st_mtime_ns == before
    assert data.get("my_pets").shape == (8, 8, 3), "as it was prepared, not as by default"
    capsys.readouterr()
    Image.fromarray(np.full((9, 9, 3), 7, np.uint8)).save(folder / "ant" / "new.png")
    own.resolve("my_pets")
    assert "has changed; it is prepared again" in capsys.readouterr().err
    assert sum(data.get("my_pets").splits.values()) == 21
    (folder / "ant" / "new.png").unlink()
    own.resolve(folder)
    assert data.split_checksum("my_pets", "train") == checksum
    shutil.rmtree(folder)
    assert own.resolve("my_pets") == "my_pets", "what is prepared needs its source no more"


def test_a_stop_while_writing_leaves_nothing_half(
    folder: Path, private_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own.prepare(folder, size=8)
    real, calls = np.savez, []

    def stopped(path: Path, **arrays: np.ndarray) -> None:
        calls.append(path)
        if len(calls) == 2:
            path.write_bytes(b"half of it")
            raise KeyboardInterrupt
        real(path, **arrays)  # type: ignore[arg-type]

    monkeypatch.setattr(np, "savez", stopped)
    with pytest.raises(KeyboardInterrupt):
        own.prepare(folder, size=16)
    monkeypatch.undo()
    monkeypatch.setenv("ZOO_HOME", str(private_home))
    assert not data.is_prepared("my_pets")
    with pytest.raises(UnknownModelError):
        data.load("my_pets", "train")
    assert not list(private_home.rglob(".*")), "temporary files are left"
    assert own.resolve(folder, size=16) == "my_pets"
    assert data.get("my_pets").shape == (16, 16, 3)


def test_a_catalogue_s_name_goes_first(sample_home: Path, folder: Path) -> None:
    assert own.resolve("mnist") == "mnist"
    with pytest.raises(DataUnavailableError, match="`zoo data prepare cmaterdb_telugu`"):
        own.resolve("cmaterdb_telugu")


def test_a_damaged_record_is_as_none(folder: Path, private_home: Path) -> None:
    own.prepare(folder, size=8)
    record = private_home / "data" / "my_pets" / "dataset.json"
    for text in ("", "[]", json.dumps({"name": "my_pets", "labels": ["a"]})):
        record.write_text(text)
        with pytest.raises(UnknownModelError):
            data.get("my_pets")
    own.prepare(folder, size=8)
    assert data.get("my_pets").labels == CLASSES
