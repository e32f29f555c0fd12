"""MNIST-M from planted archives; shifts between domains, whose target has no labels in training."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zoo import data
from zoo.cli import main
from zoo.data.catalogue import DATASETS
from zoo.data.pairs import PAIRS, Domain, Shift
from zoo.data.prepare import write
from zoo.errors import DataUnavailableError, InvalidInputError, RecipeError
from zoo.recipe import DataSpec

Sample = Callable[[str, str], dict[str, np.ndarray]]
COLOURS = ((200, 40, 90), (10, 130, 250), (60, 60, 60))


def plant_mnist_m(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Writes six digits, three photographs of one colour each and a sprite of 38 test images."""
    from zoo.data.builders import mnist_m

    rng = np.random.default_rng(0)
    digits = rng.integers(0, 3, (6, 28, 28)).astype(np.uint8) * 100
    labels = np.arange(6, dtype=np.uint8)
    test = rng.integers(0, 256, (38, 32, 32, 3), dtype=np.uint8)
    test_labels = np.arange(38, dtype=np.uint8) % 10
    files = {
        "mnist/train-images-idx3-ubyte.gz": gzip.compress(bytes(16) + digits.tobytes()),
        "mnist/train-labels-idx1-ubyte.gz": gzip.compress(bytes(8) + labels.tobytes()),
    }
    for part in ("mnist", "mnist_m", mnist_m.PHOTOS):
        (folder / part).mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    sprite = np.zeros((32, 40 * 32, 3), np.uint8)
    for index, image in enumerate(test):
        sprite[:, 32 * index : 32 * index + 32] = image
    Image.fromarray(sprite).save(folder / "mnist_m" / "test_00.webp", lossless=True)
    np.savez(folder / "mnist_m" / "labels.npz", test=test_labels)
    for number, colour in enumerate(COLOURS):
        picture = np.full((40, 50, 3), colour, np.uint8)
        Image.fromarray(picture).save(folder / mnist_m.PHOTOS / f"{number}.jpg", quality=95)
    archives = (*files, "mnist_m/test_00.webp", "mnist_m/labels.npz")
    digest = hashlib.sha256()
    for name in (*archives, *(f"{mnist_m.PHOTOS}/{n}.jpg" for n in range(len(COLOURS)))):
        digest.update(hashlib.sha256((folder / name).read_bytes()).digest())
    small = dataclasses.replace(
        data.get("mnist_m"), archives=archives, splits={"train": 6, "test": 38}
    )
    monkeypatch.setitem(DATASETS._items, "mnist_m", small)
    monkeypatch.setattr(mnist_m, "PHOTO_COUNT", len(COLOURS))
    monkeypatch.setattr(mnist_m, "SHA256", digest.hexdigest())
    return digits, labels, test, test_labels


def test_mnist_m_inverts_photographs_where_there_is_ink_and_loses_its_margin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digits, labels, images, test_labels = plant_mnist_m(tmp_path, monkeypatch)
    data.prepare("mnist_m", tmp_path)
    test = data.load("mnist_m", "test")
    np.testing.assert_array_equal(test["image"], images[:, 2:30, 2:30])
    np.testing.assert_array_equal(test["label"], test_labels)
    train = data.load("mnist_m", "train")
    np.testing.assert_array_equal(train["label"], labels)
    for image, digit in zip(train["image"].astype(int), digits, strict=True):
        paper = image[digit == 0]
        # JPEG keeps a colour to a level or two.
        colour = min(COLOURS, key=lambda one: np.abs(paper - one).max())
        assert np.abs(paper - colour).max() <= 3
        assert np.abs(image[digit > 0] - (255 - np.array(colour))).max() <= 3


def test_what_mnist_m_is_made_of_is_named_where_it_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DataUnavailableError, match=r"get it from http.* prepare mnist_m --from"):
        data.prepare("mnist_m")
    with pytest.raises(DataUnavailableError, match=r"lacks mnist/train-images-idx3-ubyte\.gz"):
        data.prepare("mnist_m", tmp_path)
    plant_mnist_m(tmp_path, monkeypatch)
    photo = tmp_path / "bsds500_train" / "0.jpg"
    photo.write_bytes(photo.read_bytes() + b"1")
    with pytest.raises(DataUnavailableError, match=r"files of mnist_m .* not the published ones"):
        data.prepare("mnist_m", tmp_path)
    photo.unlink()
    with pytest.raises(DataUnavailableError, match="has 2 pictures; mnist_m needs the 3 training"):
        data.prepare("mnist_m", tmp_path)


def test_the_frame_of_mnist_m_is_that_of_mnist(sample: Sample) -> None:
    """In the committed images, which are real, digits lie where they lie in MNIST: in the box."""
    for split in ("train", "test"):
        images = sample("mnist_m", split)["image"].astype(float)
        assert images.shape[1:] == (28, 28, 3)
        # The edges of the ink: differences of neighbours, which photographs have everywhere alike.
        edges = np.abs(np.diff(images, axis=2)).mean(axis=(0, 1, 3))
        assert edges[8:19].mean() > 2 * np.concatenate([edges[:3], edges[-3:]]).mean()


SHIFTS = [name for name in PAIRS if isinstance(PAIRS.get(name), Shift)]


@pytest.mark.parametrize("name", SHIFTS)
def test_training_has_no_labels_of_the_target_and_both_domains_one_size(
    name: str, sample_home: Path
) -> None:
    shift = PAIRS.get(name)
    assert isinstance(shift, Shift)
    train, test = (data.load_pair(name, split) for split in ("train", "test"))
    assert set(train) == {"a/image", "a/label", "b/image"}
    assert set(test) == {"a/image", "a/label", "b/image", "b/label"}
    assert train["a/image"].shape[1:] == train["b/image"].shape[1:]
    assert train["a/image"].shape[1:3] == (28, 28)
    streams, validation = data.training_examples(DataSpec(name))
    assert set(streams) == {"source/image", "source/label", "target/image"} and not validation
    np.testing.assert_array_equal(streams["target/image"], train["b/image"])
    np.testing.assert_array_equal(streams["source/label"], train["a/label"])
    assert data.labels(DataSpec(name)) == tuple("0123456789")
    assert data.labels(DataSpec(name)) == shift.target.labels


def test_grey_digits_are_repeated_in_every_colour(sample_home: Path, sample: Sample) -> None:
    images = data.load_pair("mnist_to_mnist_m", "train")["a/image"]
    for channel in range(3):
        np.testing.assert_array_equal(
            images[..., channel], sample("mnist", "train")["image"][..., 0]
        )


def test_some_labels_of_the_target_come_with_their_images(
    sample_home: Path, sample: Sample
) -> None:
    usps = sample("usps", "train")
    known = {image.tobytes(): label for image, label in zip(*usps.values(), strict=True)}
    few, more, every = (
        data.training_examples(DataSpec("mnist_to_usps", per_class=count))[0]
        for count in (3, 5, 100_000)
    )
    np.testing.assert_array_equal(np.bincount(few["labelled/label"]), [3] * 10)
    assert len(every["labelled/label"]) == len(usps["label"])
    kept = []
    for streams in (few, more, every):
        pairs = zip(streams["labelled/image"], streams["labelled/label"], strict=True)
        kept.append({image.tobytes(): label for image, label in pairs})
        assert all(known[image] == label for image, label in kept[-1].items())
        np.testing.assert_array_equal(streams["target/image"], usps["image"])
    assert set(kept[0]) < set(kept[1]) < set(kept[2])


def test_validation_holds_out_both_domains_and_knows_labels_of_the_source_alone(
    sample_home: Path,
) -> None:
    spec = DataSpec("mnist_to_usps", validation=20, limit=90, per_class=100_000)
    train, held = data.training_examples(spec)
    assert held is not None and set(held) == {"source/image", "source/label", "target/image"}
    assert [len(value) for value in held.values()] == [20] * 3
    assert [len(value) for value in train.values()] == [90] * 5
    for domain in ("source", "target"):
        seen = {image.tobytes() for image in train[f"{domain}/image"]}
        assert not seen & {image.tobytes() for image in held[f"{domain}/image"]}


def test_what_does_not_fit_a_shift_is_one_line(
    sample_home: Path, monkeypatch: pytest.MonkeyPatch, sample: Sample
) -> None:
    with pytest.raises(RecipeError, match=r"data\.classes is not for the shift mnist_to_usps"):
        data.training_examples(DataSpec("mnist_to_usps", classes=[0, 1]))
    odd = Shift("odd", Domain("mnist", "mnist"), Domain("clothes", "fashion_mnist"))
    monkeypatch.setitem(PAIRS._items, "odd", odd)
    with pytest.raises(InvalidInputError, match="need the same classes; mnist has 0, 1, 2"):
        data.training_examples(DataSpec("odd"))
    digits = sample("mnist", "train")
    fewer = {key: value[digits["label"] != 7] for key, value in digits.items()}
    write("mnist", {"train": fewer, "test": sample("mnist", "test")}, {})
    with pytest.raises(RecipeError, match=r"class 7 has no example among the .* of mnist"):
        data.training_examples(DataSpec("mnist_to_usps"))
    nothing = {key: value[:0] for key, value in sample("usps", "train").items()}
    write("usps", {"train": nothing, "test": nothing}, {})
    with pytest.raises(InvalidInputError, match=r"domain usps of the pair .* has no images"):
        data.training_examples(DataSpec("mnist_to_usps"))


@pytest.mark.parametrize(
    "words",
    [
        ["small_cnn", "mnist_to_usps"],
        ["small_cnn.mnist", "mnist_to_usps"],
        ["small_cnn.mnist_to_usps-cdan", "mnist"],
        ["cyclegan", "mnist_to_usps"],
    ],
)
def test_a_shift_is_for_adaptation_and_nothing_else(
    words: list[str], sample_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", words[0], "--data", words[1]]) == 2
    told = capsys.readouterr().err
    assert "recipe of adaptation" in told and told.count("\n") == 1


def test_the_list_of_pairs_says_which_way_a_shift_goes(
    sample_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "list"]) == 0
    assert "mnist → usps" in capsys.readouterr().out
