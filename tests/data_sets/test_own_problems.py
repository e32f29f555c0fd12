"""Own images: all that can be wrong with them is named, and nothing half done is kept."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.data_sets.own_images import CLASSES, PER_CLASS, Pictures, content, everything, resized
from zoo import data
from zoo.data import own
from zoo.errors import InvalidInputError, UnknownModelError


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
