"""USPS, faces and facades from planted archives; pairs of domains made of data sets."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zoo import data
from zoo.cli import main
from zoo.data.builders import att_faces, cmp_facades, usps
from zoo.data.catalogue import DATASETS
from zoo.data.domains import turn, turn_back
from zoo.data.pairs import PAIRS, Domain, Pair
from zoo.data.prepare import write
from zoo.errors import DataUnavailableError, InvalidInputError, RecipeError
from zoo.recipe import DataSpec


def plant_usps(folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, np.ndarray]:
    """Writes two small text archives and makes their checksums the known ones."""
    import tensorflow_datasets as tfds

    rng = np.random.default_rng(0)
    splits = {"train": 12, "test": 6}
    rows, infos = {}, {}
    for (url, info), (split, count) in zip(
        usps.Usps.url_infos.items(), splits.items(), strict=True
    ):
        values = np.round(rng.uniform(-1, 1, (count, 256)), 3)
        rows[split] = np.column_stack([np.arange(count) % 10, values])
        content = "\n".join(" ".join(f"{v:.4f}" for v in row) for row in rows[split]).encode()
        packed = gzip.compress(content)
        (folder / info.filename).write_bytes(packed)
        infos[url] = tfds.download.checksums.UrlInfo(
            size=tfds.core.utils.Size(len(packed)),
            checksum=hashlib.sha256(packed).hexdigest(),
            filename=info.filename,
        )
    monkeypatch.setattr(usps.Usps, "url_infos", infos)
    small = dataclasses.replace(data.get("usps"), splits=splits)
    monkeypatch.setitem(DATASETS._items, "usps", small)
    return rows


def test_usps_is_read_from_its_text_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = plant_usps(tmp_path, monkeypatch)
    data.prepare("usps", tmp_path)
    # How much of each of the 20 pixels lies on each of the 16.
    starts, old = 0.8 * np.arange(20)[:, None], np.arange(16)
    by_area = np.clip(np.minimum(starts + 0.8, old + 1) - np.maximum(starts, old), 0, 1) / 0.8
    for split, expected in rows.items():
        arrays = data.load("usps", split)
        np.testing.assert_array_equal(arrays["label"], expected[:, 0])
        assert arrays["image"].shape == (len(expected), 28, 28, 1)
        for image, row in zip(arrays["image"][..., 0], expected, strict=True):
            pixels = np.rint((row[1:].reshape(16, 16) + 1) * 127.5).astype(np.uint8)
            np.testing.assert_allclose(image[4:24, 4:24], by_area @ pixels @ by_area.T, atol=0.51)
            assert not image[:4].any() and not image[24:].any()
            assert not image[:, :4].any() and not image[:, 24:].any()


def test_a_changed_usps_file_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant_usps(tmp_path, monkeypatch)
    path = tmp_path / "zip.test.gz"
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")
    with pytest.raises(DataUnavailableError, match=r"not the published one.*zip\.test\.gz"):
        data.prepare("usps", tmp_path)


def test_faces_are_cut_to_a_square_and_held_out_by_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = hashlib.sha256()
    for name in data.get("att_faces").archives:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        pixels = np.zeros((112, 92), np.uint8)
        pixels[10:102] = int(path.stem)  # what is cut off stays black
        Image.fromarray(pixels).save(path)
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    with pytest.raises(DataUnavailableError, match=r"400 files of att_faces .* not the published"):
        data.prepare("att_faces", tmp_path)
    monkeypatch.setattr(att_faces, "SHA256", digest.hexdigest())
    data.prepare("att_faces", tmp_path)
    train, test = data.load("att_faces", "train"), data.load("att_faces", "test")
    assert train["image"].shape == (320, 64, 64, 1)
    assert set(np.unique(train["image"])) == set(range(1, 9))
    assert set(np.unique(test["image"])) == {9, 10}
    np.testing.assert_array_equal(np.bincount(train["label"]), [8] * 40)
    np.testing.assert_array_equal(np.bincount(test["label"]), [2] * 40)


def test_facades_have_no_labels_and_two_halves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = tuple(f"{number}.jpg" for number in range(1, 17))
    small = dataclasses.replace(
        data.get("cmp_facades"), archives=names, splits={"train": 14, "test": 2}
    )
    monkeypatch.setitem(DATASETS._items, "cmp_facades", small)
    digest = hashlib.sha256()
    for number, name in enumerate(names, 1):
        picture = np.full((256, 512, 3), 10 * number, np.uint8)
        picture[:, 256:] = 200
        Image.fromarray(picture).save(tmp_path / name, quality=95)
        digest.update(hashlib.sha256((tmp_path / name).read_bytes()).digest())
    monkeypatch.setattr(cmp_facades, "SHA256", digest.hexdigest())
    data.prepare("cmp_facades", tmp_path)
    assert set(data.load("cmp_facades", "train")) == {"image"}
    pair = data.load_pair("facades", "test")
    assert set(pair) == {"a/image", "b/image"}
    assert pair["a/image"].shape == pair["b/image"].shape == (2, 128, 128, 3)
    np.testing.assert_allclose(pair["a/image"].mean(axis=(1, 2, 3)), [80, 160], atol=2)
    np.testing.assert_allclose(pair["b/image"], 200, atol=8)
    train, validation = data.training_examples(DataSpec("cmp_facades", validation=2))
    assert set(train) == {"image"} and validation is not None and len(validation["image"]) == 2
    with pytest.raises(RecipeError, match="cmp_facades has no labels"):
        data.labels(DataSpec("cmp_facades", classes=[0, 1]))


def test_without_a_folder_the_place_of_the_archive_is_told() -> None:
    for name in ("att_faces", "cmp_facades"):
        with pytest.raises(DataUnavailableError, match=f"get it from http.* prepare {name} --from"):
            data.prepare(name)


def test_a_missing_file_of_many_is_one_short_line(tmp_path: Path) -> None:
    with pytest.raises(DataUnavailableError) as caught:
        data.prepare("att_faces", tmp_path)
    assert "lacks s1/1.pgm" in str(caught.value)
    assert str(caught.value).endswith("needs 400 files, s1/1.pgm to s40/10.pgm")


def test_a_turn_can_be_undone_and_is_a_quarter_and_an_inversion() -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, 4, 4, 1), dtype=np.uint8)
    turned = turn(images)
    np.testing.assert_array_equal(turn_back(turned), images)
    for row in range(4):
        for column in range(4):
            assert turned[1, row, column, 0] == 255 - images[1, column, 3 - row, 0]


def test_the_planted_pair_has_no_pair_in_training_and_all_of_them_in_testing(
    sample_home: Path,
) -> None:
    train, test = (data.load_pair("mnist_inverted", split) for split in ("train", "test"))
    digits = data.load("mnist", "train")["image"]
    one = {image.tobytes() for image in train["a/image"]}
    other = {image.tobytes() for image in turn_back(train["b/image"])}
    assert not one & other
    assert one | other == {image.tobytes() for image in digits}
    assert len(train["a/image"]) == len(train["b/image"]) == len(digits) // 2
    # In the same place of both halves labels are equal no more often than by chance.
    assert np.mean(train["a/label"] == train["b/label"]) < 0.25
    np.testing.assert_array_equal(turn_back(test["b/image"]), test["a/image"])
    np.testing.assert_array_equal(test["a/label"], test["b/label"])
    for name in ("mnist_inverted", "mnist_usps"):
        whole = data.load_pair(name, "train")
        for prefix, side in PAIRS.get(name).domains.items():
            assert data.training_count(side) == len(whole[f"{prefix}/image"])
    domain = PAIRS.get("mnist_inverted").b
    np.testing.assert_array_equal(data.as_judged(test["b/image"], domain), test["a/image"])


def test_labels_of_the_domains_are_there_but_not_for_translation(sample_home: Path) -> None:
    whole = data.load_pair("mnist_usps", "train")
    assert set(whole) == {"a/image", "a/label", "b/image", "b/label"}
    train, validation = data.training_examples(DataSpec("mnist_usps", validation=8, limit=100))
    assert set(train) == {"a/image", "b/image"}
    assert [len(images) for images in train.values()] == [100, 100]
    assert validation is not None and [len(v) for v in validation.values()] == [8, 8]
    held = {image.tobytes() for image in validation["a/image"]}
    assert not held & {image.tobytes() for image in train["a/image"]}
    assert data.labels(DataSpec("mnist_usps")) == ("mnist", "usps")
    with pytest.raises(RecipeError, match="translated without labels"):
        data.training_examples(DataSpec("mnist_usps", classes=[3, 4]))


def test_both_domains_are_black_around_white_digits_of_one_size(sample_home: Path) -> None:
    pair = data.load_pair("mnist_usps", "train")
    for prefix in "ab":
        images = pair[f"{prefix}/image"]
        assert images.shape[1:] == (28, 28, 1)
        assert images[:, :4].mean() < 2 and images[:, 10:18, 10:18].mean() > 60
        # Ink fills the 20 pixels of the box, give or take what is centred by mass.
        rows = np.flatnonzero(images.max(axis=(0, 2, 3)) > 127)
        assert rows.max() - rows.min() >= 19


def add_pair(monkeypatch: pytest.MonkeyPatch, a: Domain, b: Domain) -> None:
    monkeypatch.setitem(PAIRS._items, "odd_pair", Pair("odd_pair", a, b))


@pytest.mark.parametrize(("other", "sizes"), [("cifar10", "32x32x3"), ("att_faces", "32x32x1")])
def test_domains_of_other_sizes_or_channels_are_one_line(
    other: str, sizes: str, sample_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_pair(monkeypatch, Domain("one", "mnist"), Domain("two", other))
    with pytest.raises(InvalidInputError) as caught:
        data.training_examples(DataSpec("odd_pair"))
    assert f"images of one are 28x28x1, those of two {sizes}" in str(caught.value)


def test_an_empty_domain_is_one_line(sample_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arrays: dict[str, np.ndarray] = {
        "image": np.zeros((0, 28, 28, 1), np.uint8),
        "label": np.zeros(0, np.int64),
    }
    write("usps", {"train": arrays, "test": arrays}, {})
    with pytest.raises(InvalidInputError, match="domain usps of the pair mnist_usps has no images"):
        data.training_examples(DataSpec("mnist_usps"))


def test_a_pair_is_there_when_both_of_its_sets_are(sample_home: Path) -> None:
    assert data.is_prepared("mnist_usps")
    before = data.split_checksum("mnist_usps", "train")
    assert before != data.split_checksum("mnist_inverted", "train")
    (sample_home / "data" / "usps" / "dataset.json").unlink()
    assert not data.is_prepared("mnist_usps")
    with pytest.raises(DataUnavailableError, match="zoo data prepare usps"):
        data.training_examples(DataSpec("mnist_usps"))


@pytest.mark.parametrize(
    "words", [["cyclegan", "mnist"], ["cyclegan.mnist_usps", "mnist"], ["small_cnn", "mnist_usps"]]
)
def test_data_of_another_kind_than_a_recipe_learns_from_are_one_line(
    words: list[str], sample_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", words[0], "--data", words[1]]) == 2
    told = capsys.readouterr().err
    assert "`zoo list --task translation`" in told and told.count("\n") == 1


def test_the_command_line_prepares_and_lists_pairs(
    sample_home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "list"]) == 0
    assert "mnist and usps" in capsys.readouterr().out
    assert main(["data", "prepare", "mnist_usps", "--from", str(tmp_path)]) == 2
    assert "mnist needs train-images" in capsys.readouterr().err
