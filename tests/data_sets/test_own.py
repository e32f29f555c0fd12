"""Own images: every kind of source, and what becomes of it."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.data_sets.own_images import CLASSES, PER_CLASS, Pictures, content, everything, resized
from zoo import data
from zoo.data import decoding, own
from zoo.data.prepare import arrays_checksum
from zoo.errors import DataUnavailableError, InvalidInputError, UnknownModelError
from zoo.inputs import image_rows

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
