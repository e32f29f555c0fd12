"""From archives to arrays without a network: what is read, and what is said when it cannot be."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest

from zoo import data
from zoo.data.catalogue import DATASETS
from zoo.data.prepare import arrays_checksum
from zoo.errors import DataUnavailableError, InvalidInputError, UnknownModelError

Sample = Callable[[str, str], dict[str, np.ndarray]]


def message_of(caught: pytest.ExceptionInfo[DataUnavailableError]) -> str:
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 500
    return message


# The catalogue


@pytest.mark.parametrize("name", DATASETS)
def test_every_data_set_is_what_it_says(name: str) -> None:
    dataset = data.get(name)
    assert dataset.name == name
    assert set(dataset.splits) >= {"train", *dataset.tests}
    assert len(set(dataset.labels)) == len(dataset.labels) != 1
    assert len(dataset.shape) == 3
    assert dataset.licence and dataset.citation and dataset.archives


@pytest.mark.parametrize("name", DATASETS)
def test_every_data_set_is_as_tensorflow_datasets_has_it(name: str, tmp_path: Path) -> None:
    from zoo.data.tfds_bridge import builder_of

    dataset = data.get(name)
    builder = builder_of(dataset, tmp_path)
    assert builder.info.features["image"].shape == dataset.shape
    published = {info.filename for info in builder.url_infos.values()}
    if published:  # Others are read from a folder, and verified by their builder.
        assert set(dataset.archives) <= published
    else:
        assert builder.MANUAL_DOWNLOAD_INSTRUCTIONS
    if not dataset.labels:
        assert set(builder.info.features) == {"image"}
        return
    labels = builder.info.features["label"]
    assert labels.num_classes == len(dataset.labels)
    assert tuple(labels.names) == dataset.labels


def test_an_unknown_data_set_gets_near_names() -> None:
    for function in (data.get, data.prepare, lambda name: data.load(name, "train")):
        with pytest.raises(UnknownModelError, match=r"unknown data set .* fashion_mnist"):
            function("fashion_mnits")


# Reading


@pytest.mark.usefixtures("sample_home")
@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
@pytest.mark.parametrize(("split", "count"), [("train", 512), ("test", 256)])
def test_a_prepared_split_is_read_as_it_is(
    name: str, split: str, count: int, sample: Sample
) -> None:
    assert data.is_prepared(name)
    arrays = data.load(name, split)
    assert arrays["image"].shape == (count, *data.get(name).shape)
    assert arrays["image"].dtype == np.uint8
    assert arrays["label"].dtype == np.int64
    assert set(arrays) == {"image", "label"}
    for key, value in sample(name, split).items():
        np.testing.assert_array_equal(arrays[key], value)
    assert data.split_checksum(name, split) == arrays_checksum(arrays)
    counts = np.bincount(arrays["label"], minlength=10)
    assert counts.max() - counts.min() <= 1, "the sample is balanced"


def test_the_samples_are_real_and_differ(sample: Sample) -> None:
    """A digit is thin strokes on black; clothes fill the picture."""
    digits, clothes = sample("mnist", "train"), sample("fashion_mnist", "train")
    assert 25 < digits["image"].mean() < 45
    assert 55 < clothes["image"].mean() < 90
    # Nearest class mean, an independent classifier, knows far more than chance.
    for name, least in (("mnist", 0.7), ("fashion_mnist", 0.6)):
        train, test = sample(name, "train"), sample(name, "test")
        flat = train["image"].reshape(len(train["image"]), -1).astype(float)
        means = np.stack([flat[train["label"] == label].mean(0) for label in range(10)])
        rows = test["image"].reshape(len(test["image"]), -1).astype(float)
        nearest = ((rows[:, None] - means[None]) ** 2).sum(-1).argmin(1)
        assert (nearest == test["label"]).mean() > least
        seen = {image.tobytes() for image in train["image"]}
        assert not any(image.tobytes() in seen for image in test["image"])


def test_a_split_that_is_not_there_is_named() -> None:
    with pytest.raises(InvalidInputError, match="mnist has the splits train, test, not 'tests'"):
        data.load("mnist", "tests")


def test_a_data_set_that_is_not_prepared_says_the_commands() -> None:
    assert not data.is_prepared("mnist")
    with pytest.raises(DataUnavailableError) as caught:
        data.load("mnist", "train")
    message = message_of(caught)
    assert "`zoo data prepare mnist`" in message
    assert "`zoo data prepare mnist --from DIR`" in message
    with pytest.raises(DataUnavailableError):
        data.split_checksum("mnist", "train")


def damage(path: Path, how: str) -> None:
    content = path.read_bytes()
    match how:
        case "missing":
            path.unlink()
        case "empty":
            path.write_bytes(b"")
        case "cut":
            path.write_bytes(content[: len(content) // 2])
        case "changed":
            middle = len(content) // 2
            path.write_bytes(
                content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
            )
        case "text":
            path.write_text("not an archive")
        case "other keys":
            np.savez(path, x=np.zeros(3))
        case "objects":
            np.savez(path, image=np.array([{}], object), label=np.zeros(1))


@pytest.mark.parametrize(
    "how", ["missing", "empty", "cut", "changed", "text", "other keys", "objects"]
)
def test_a_damaged_cache_says_the_command_that_mends_it(sample_home: Path, how: str) -> None:
    damage(sample_home / "data" / "mnist" / "train.npz", how)
    with pytest.raises(DataUnavailableError) as caught:
        data.load("mnist", "train")
    assert "`zoo data prepare mnist`" in message_of(caught)
    assert len(data.load("mnist", "test")["image"]) == 256, "the other split is still good"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"sha256": 3}', '{"sha256": {"test": "x"}}'])
def test_a_damaged_record_says_the_command_that_mends_it(sample_home: Path, text: str) -> None:
    (sample_home / "data" / "mnist" / "dataset.json").write_text(text)
    with pytest.raises(DataUnavailableError) as caught:
        data.split_checksum("mnist", "train")
    assert "`zoo data prepare mnist`" in message_of(caught)


def test_a_checksum_tells_values_shapes_types_and_names_apart() -> None:
    base: dict[str, np.ndarray] = {"image": np.arange(6, dtype=np.uint8), "label": np.arange(2)}
    others = [
        {**base, "image": np.arange(1, 7, dtype=np.uint8)},
        {**base, "image": base["image"].reshape(2, 3)},
        {**base, "image": base["image"].astype(np.int8)},
        {"picture": base["image"], "label": base["label"]},
        {"image": base["image"]},
    ]
    digests = [arrays_checksum(arrays) for arrays in [base, *others]]
    assert len(set(digests)) == len(digests)
    backwards = dict(reversed(list(base.items())))
    assert arrays_checksum(backwards) == digests[0]
    assert arrays_checksum({**base, "image": np.arange(12, dtype=np.uint8)[::2] // 2}) == digests[0]


# Preparing


def assert_nothing_prepared(home: Path, name: str) -> None:
    assert not data.is_prepared(name)
    assert list(home.rglob("*.npz")) == []
    assert not list(home.rglob("dataset.json"))


@pytest.fixture
def archives(tmp_path: Path) -> Path:
    """A folder with files of the right names and the wrong content."""
    folder = tmp_path / "archives"
    folder.mkdir()
    for file in data.get("mnist").archives:
        (folder / file).write_bytes(b"\x1f\x8b not the published file")
    return folder


def test_a_folder_that_is_not_there_is_named(private_home: Path, tmp_path: Path) -> None:
    with pytest.raises(DataUnavailableError, match=r"there is no folder .*nowhere"):
        data.prepare("mnist", tmp_path / "nowhere")
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataUnavailableError, match=r"there is no folder .*file"):
        data.prepare("mnist", tmp_path / "file")
    assert_nothing_prepared(private_home, "mnist")


@pytest.mark.parametrize("inner", [True, False])
def test_a_missing_archive_is_named(private_home: Path, archives: Path, inner: bool) -> None:
    missing = "t10k-labels-idx1-ubyte.gz"
    (archives / missing).unlink()
    if inner:
        (archives.parent / "parent").mkdir()
        shutil.move(archives, archives.parent / "parent" / "mnist")
        archives = archives.parent / "parent"
    with pytest.raises(DataUnavailableError) as caught:
        data.prepare("mnist", archives)
    message = message_of(caught)
    assert f"lacks {missing}" in message
    assert all(file in message for file in data.get("mnist").archives)
    assert_nothing_prepared(private_home, "mnist")


def test_a_changed_archive_is_named(private_home: Path, archives: Path) -> None:
    with pytest.raises(DataUnavailableError) as caught:
        data.prepare("mnist", archives)
    message = message_of(caught)
    assert "is not the published one" in message
    assert any(file in message for file in data.get("mnist").archives)
    assert str(archives) in message
    assert_nothing_prepared(private_home, "mnist")
    assert not list(private_home.glob("tfds/mnist*")), "working files are left"


def test_the_archives_of_another_data_set_are_not_taken(
    private_home: Path, tmp_path: Path, archives: Path
) -> None:
    """Both have files of these names: the content decides."""
    with pytest.raises(DataUnavailableError, match="is not the published one"):
        data.prepare("fashion_mnist", archives)
    assert_nothing_prepared(private_home, "fashion_mnist")


class Answers(BaseHTTPRequestHandler):
    """A proxy that gives every request the same answer."""

    status = 404

    def do_HEAD(self) -> None:
        self.send_response(self.status)
        self.end_headers()

    def do_GET(self) -> None:
        self.do_HEAD()
        self.wfile.write(b"<html>nothing here</html>")

    def log_message(self, *arguments: Any) -> None:
        """Keeps the output of the tests clean."""


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int | None], None]]:
    """A function that sends all downloads to a proxy with this status, or to a closed port."""
    servers = []

    def set_up(status: int | None) -> None:
        handler = type("Handler", (Answers,), {"status": status})
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        port = server.server_address[1]
        if status is None:
            server.server_close()
        else:
            Thread(target=server.serve_forever, daemon=True).start()
            servers.append(server)
        for variable in ("http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(variable, f"http://127.0.0.1:{port}")
            monkeypatch.setenv(variable.upper(), f"http://127.0.0.1:{port}")
        for variable in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(variable, raising=False)

    yield set_up
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("status", [None, 404, 403])
def test_without_a_network_it_says_what_to_do(
    private_home: Path, proxy: Callable[[int | None], None], status: int | None
) -> None:
    proxy(status)
    with pytest.raises(DataUnavailableError) as caught:
        data.prepare("fashion_mnist")
    message = message_of(caught)
    assert "could not be downloaded" in message
    assert "`zoo data prepare fashion_mnist --from DIR`" in message
    assert_nothing_prepared(private_home, "fashion_mnist")


def test_a_page_in_place_of_an_archive_is_not_taken(
    private_home: Path, proxy: Callable[[int | None], None]
) -> None:
    proxy(200)
    with pytest.raises(DataUnavailableError, match="is not the published one") as caught:
        data.prepare("fashion_mnist")
    message_of(caught)
    assert_nothing_prepared(private_home, "fashion_mnist")


def test_a_data_set_of_another_size_is_refused(
    private_home: Path, sample: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    from zoo.data import tfds_bridge

    def read(*arguments: Any) -> dict[str, dict[str, np.ndarray]]:
        return {split: sample("mnist", split) for split in ("train", "test")}

    monkeypatch.setattr(tfds_bridge, "read", read)
    with pytest.raises(DataUnavailableError, match=r"mnist/train should have shape \(60000, 28"):
        data.prepare("mnist")
    assert_nothing_prepared(private_home, "mnist")


def test_what_is_read_is_kept_and_can_be_prepared_again(
    private_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The published sizes with made-up pixels, in place of tensorflow-datasets."""
    from zoo.data import tfds_bridge

    made: dict[str, dict[str, np.ndarray]] = {
        split: {
            "image": np.full((count, 28, 28, 1), count % 251, np.uint8),
            "label": np.arange(count) % 10,
        }
        for split, count in data.get("mnist").splits.items()
    }
    monkeypatch.setattr(tfds_bridge, "read", lambda *arguments: made)
    folder = data.prepare("mnist")
    assert folder == private_home / "data" / "mnist"
    record = json.loads((folder / "dataset.json").read_text())
    assert record["name"] == "mnist"
    for split, arrays in made.items():
        loaded = data.load("mnist", split)
        np.testing.assert_array_equal(loaded["image"], arrays["image"])
        np.testing.assert_array_equal(loaded["label"], arrays["label"])
        assert record["sha256"][split] == arrays_checksum(arrays)
    damage(folder / "train.npz", "cut")
    data.prepare("mnist")
    assert len(data.load("mnist", "train")["image"]) == 60_000
