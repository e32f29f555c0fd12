"""The store: what it finds, what it refuses, and what a crash, a full disk or a rival leaves."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from zoo import paths, store
from zoo.card import Card, Metric
from zoo.errors import CorruptModelError, InvalidInputError, UnknownModelError

NAME = "mlp.mnist"


def make_card(name: str = NAME, **fields: Any) -> Card:
    return Card(
        **{
            "name": name,
            "task": "classification",
            "family": "mlp",
            "paper": "Rumelhart, Hinton, Williams (1986)",
            "recipe": {"name": name},
            "data": {"name": "mnist"},
            "metrics": (Metric("accuracy", 0.5, "test", 10, f"zoo evaluate {name}"),),
            "input": {"shape": [2]},
            "output": {"shape": [3]},
            "networks": {},
            "parameters": {"network": 9},
            "training": {},
            "licence": "none",
            "versions": {},
            **fields,
        }
    )


class FakeNetwork:
    """Writes given bytes where a network would write itself, some at a time."""

    def __init__(self, content: bytes, pause: float = 0.0) -> None:
        self.content = content
        self.pause = pause

    def save(self, path: Path) -> None:
        with Path(path).open("wb") as file:
            for start in range(0, len(self.content), 4096):
                file.write(self.content[start : start + 4096])
                file.flush()
                time.sleep(self.pause)


def fakes(content: bytes = b"weights", pause: float = 0.0) -> Mapping[str, Any]:
    return cast(Mapping[str, Any], {"network": FakeNetwork(content, pause)})


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder in the place of the shipped models."""
    folder = tmp_path / "shipped"
    folder.mkdir()
    monkeypatch.setattr(paths, "shipped_models", lambda: folder)
    return folder


@pytest.fixture
def home(private_home: Path, shipped: Path) -> Path:
    """The folder that the store writes to."""
    return private_home / "models"


def leftovers(folder: Path) -> list[str]:
    return [path.name for path in folder.glob(".*")]


# Names and versions


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "../x",
        "a/b",
        "a\\b",
        "/etc/passwd.x/..",
        "a.b/../../c",
        "a..b",
        ".a",
        "a.",
        "a.b.c",
        "a.b-",
        "a.b--c",
        "-a.b",
        "a b",
        "a.b\n",
        "a.b\0",
        "ä.b",
        "a.b@1@2/..",
        "~root",
        "$HOME",
        "*",
    ],
)
def test_a_name_that_could_leave_the_store_is_refused(name: str, home: Path) -> None:
    with pytest.raises((InvalidInputError, UnknownModelError)):
        store.find(name)
    if "@" not in name and not name.startswith("/"):
        with pytest.raises(InvalidInputError):
            store.find(name)
        with pytest.raises(InvalidInputError):
            store.versions(name)
    with pytest.raises(InvalidInputError):
        store.save(make_card(name), fakes())
    assert not home.exists() or not list(home.iterdir())


@pytest.mark.parametrize("name", ["a", "a.b", "A_1.b_2", "lenet.mnist_m-dann", "a.b-c-d"])
def test_names_of_the_right_form_are_stored_and_found(name: str, home: Path) -> None:
    folder = store.save(make_card(name), fakes())
    assert folder == home / name / "1"
    assert store.find(name) == folder
    assert store.names() == [name]


def test_versions_count_up_and_the_newest_is_the_default(home: Path) -> None:
    for number in (1, 2, 3):
        folder = store.save(make_card(), fakes(f"weights {number}".encode()))
        assert folder.name == str(number)
        assert store.read_card(NAME).version == number
    assert store.versions(NAME) == [1, 2, 3]
    assert store.find(NAME).name == "3"
    assert (store.find(f"{NAME}@2") / "network.keras").read_bytes() == b"weights 2"
    assert store.verify(f"{NAME}@1").version == 1


def test_versions_are_sorted_as_numbers(home: Path) -> None:
    store.save(make_card(), fakes())
    os.rename(home / NAME / "1", home / NAME / "9")
    assert store.save(make_card(), fakes()).name == "10"
    assert store.versions(NAME) == [9, 10]
    assert store.find(NAME).name == "10"


@pytest.mark.parametrize("version", ["", "0", "2", "-1", "01", "1.0", "²", "newest", "1/..", " 1"])
def test_an_unknown_version_lists_those_there_are(version: str, home: Path) -> None:
    store.save(make_card(), fakes())
    with pytest.raises(UnknownModelError, match=rf"there are {NAME}@1"):
        store.find(f"{NAME}@{version}")


def test_an_unknown_name_gets_near_names(home: Path) -> None:
    store.save(make_card(), fakes())
    with pytest.raises(UnknownModelError, match=r"did you mean mlp\.mnist\?") as caught:
        store.find("mlp.mnits")
    assert caught.value.near == [NAME]


def test_names_take_wildcards_and_sort_naturally(home: Path) -> None:
    for name in ("resnet20.mnist", "resnet8.mnist", "mlp.mnist"):
        store.save(make_card(name), fakes())
    assert store.names() == ["mlp.mnist", "resnet8.mnist", "resnet20.mnist"]
    assert store.names("resnet*") == ["resnet8.mnist", "resnet20.mnist"]
    assert store.names("*.usps") == []


def test_an_empty_or_absent_store_has_nothing(home: Path) -> None:
    assert store.names() == []
    assert store.versions(NAME) == []
    with pytest.raises(UnknownModelError):
        store.find(NAME)
    (home / NAME).mkdir(parents=True)
    assert store.names() == []


def test_what_is_no_version_is_passed_over(home: Path) -> None:
    store.save(make_card(), fakes())
    for stray in ("01", "²", "x", "1.5", "7", ".saving-x"):
        (home / NAME / stray).mkdir()
    for stray in ("01", "²", "x", "1.5", ".saving-x"):
        shutil.copy(home / NAME / "1" / "card.json", home / NAME / stray)
    (home / "notes.txt").write_text("mine")
    (home / NAME / "8").write_text("a file")
    assert store.versions(NAME) == [1]
    assert store.names() == [NAME]
    assert store.find(NAME).name == "1"
    # The number of a half-deleted version is not given out again.
    assert store.save(make_card(), fakes()).name == "9"


def test_a_path_is_taken_as_it_is(home: Path, tmp_path: Path, monkeypatch: Any) -> None:
    folder = store.save(make_card(), fakes())
    elsewhere = tmp_path / "copy of a version"
    shutil.copytree(folder, elsewhere)
    monkeypatch.chdir(tmp_path)
    for reference in (elsewhere, str(elsewhere), "./copy of a version", Path("copy of a version")):
        assert store.verify(reference).name == NAME
    with pytest.raises(UnknownModelError, match="model folder"):
        store.find(tmp_path / "nothing")


# Where it looks


def test_the_home_comes_before_what_is_shipped(home: Path, shipped: Path) -> None:
    store.save(make_card(), fakes(b"shipped 1"), root=shipped)
    store.save(make_card("dcgan.mnist"), fakes(b"shipped"), root=shipped)
    assert store.find(NAME) == shipped / NAME / "1"
    assert store.names() == ["dcgan.mnist", NAME]
    mine = store.save(make_card(), fakes(b"mine 2"))
    assert mine == home / NAME / "2", "a number that is shipped is not used again"
    assert store.versions(NAME) == [1, 2]
    assert store.find(NAME) == mine
    assert store.find(f"{NAME}@1") == shipped / NAME / "1"
    shutil.copytree(shipped / NAME / "1", home / NAME / "1")
    assert store.find(f"{NAME}@1") == home / NAME / "1"


def test_the_shipped_models_are_beside_or_inside_the_package() -> None:
    package = Path(paths.__file__).parent
    assert paths.shipped_models() in (package / "saved_models", package.parent / "saved_models")


def test_the_home_follows_the_environment(monkeypatch: Any, tmp_path: Path) -> None:
    monkeypatch.setenv("ZOO_HOME", str(tmp_path / "a" / ".." / "b"))
    assert paths.home() == tmp_path / "b"
    monkeypatch.delenv("ZOO_HOME")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert paths.home() == tmp_path / "cache" / "keras-model-zoo"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert paths.home() == tmp_path / ".cache" / "keras-model-zoo"


# What it writes


def test_a_version_holds_its_files_and_their_digests(home: Path) -> None:
    folder = store.save(make_card(), fakes(b"weights"), extras={"samples.png": b"picture"})
    assert {path.name for path in folder.iterdir()} == {
        "README.md",
        "card.json",
        "network.keras",
        "samples.png",
    }
    card = store.read_card(NAME)
    assert card.networks == {"network": "network.keras"}
    assert card.created
    assert card.sha256 == {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest()
        for name in ("README.md", "network.keras", "samples.png")
    }
    assert f"# {NAME}, version 1" in (folder / "README.md").read_text(encoding="utf-8")
    assert leftovers(home / NAME) == []
    for path in (folder, *folder.iterdir()):
        assert path.stat().st_mode & 0o444 == 0o444, f"{path.name} cannot be read by others"


@pytest.mark.parametrize(
    "name",
    ["../x", "a/b", "card.json", "README.md", "network.keras", "", ".", "..", ".x", "a\0", "/x"],
)
def test_a_further_file_needs_a_plain_free_name(name: str, home: Path) -> None:
    with pytest.raises(InvalidInputError, match="plain, free name"):
        store.save(make_card(), fakes(), extras={name: b"x"})
    assert store.versions(NAME) == []
    assert list((home / NAME).iterdir()) == []
    assert not (home / "x").exists()


def test_a_failed_save_leaves_what_there_was(home: Path) -> None:
    class Broken:
        def save(self, path: Path) -> None:
            path.write_bytes(b"half")
            raise RuntimeError("broken network")

    store.save(make_card(), fakes())
    with pytest.raises(RuntimeError, match="broken network"):
        store.save(make_card(), cast(Any, {"network": Broken()}))
    assert [path.name for path in (home / NAME).iterdir()] == ["1"]
    store.verify(NAME)


def test_only_old_leftovers_are_removed(home: Path) -> None:
    old, young = home / NAME / ".saving-old", home / NAME / ".saving-young"
    for folder in (old, young):
        folder.mkdir(parents=True)
        (folder / "network.keras").write_bytes(b"half")
    two_days_ago = time.time() - 2 * 24 * 3600
    os.utime(old, (two_days_ago, two_days_ago))
    store.save(make_card(), fakes())
    assert not old.exists()
    assert young.exists(), "another writer may still be at work in it"
    assert store.versions(NAME) == [1]


# What it refuses to read


def rewrite_card(folder: Path, **fields: Any) -> None:
    record = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    (folder / "card.json").write_text(json.dumps({**record, **fields}), encoding="utf-8")


def change_byte(path: Path, position: int = 0) -> None:
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(bytes(content))


@pytest.fixture
def folder(home: Path) -> Path:
    return store.save(make_card(), fakes(), extras={"samples.png": b"picture"})


@pytest.mark.parametrize("file", ["network.keras", "samples.png", "README.md"])
def test_a_changed_or_missing_file_is_named(folder: Path, file: str) -> None:
    store.verify(NAME)
    change_byte(folder / file, 2)
    with pytest.raises(CorruptModelError, match=rf"{NAME}@1: {file} .*sha256 differs"):
        store.verify(NAME)
    (folder / file).unlink()
    with pytest.raises(CorruptModelError, match=rf"{NAME}@1: {file} is missing"):
        store.verify(NAME)
    with pytest.raises(CorruptModelError, match=file):
        store.load(NAME)


def test_a_file_that_is_not_on_the_card_is_named(folder: Path) -> None:
    (folder / ".DS_Store").write_bytes(b"of a file manager")
    store.verify(NAME)
    (folder / "extra.keras").write_bytes(b"x")
    with pytest.raises(CorruptModelError, match=r"extra\.keras has no sha256 on the card"):
        store.verify(NAME)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", "3", '"card"', "{}", '{"name": 1}', "\x00\xff", "{" * 10_000]
)
def test_a_damaged_card_is_a_corrupt_model(folder: Path, text: str) -> None:
    (folder / "card.json").write_bytes(text.encode("latin-1"))
    for read in (store.read_card, store.verify, store.load):
        with pytest.raises(CorruptModelError) as caught:
            read(NAME)
        assert "\n" not in str(caught.value)


def test_every_truncation_of_a_card_is_a_corrupt_model(folder: Path) -> None:
    whole = (folder / "card.json").read_bytes()
    for length in range(0, len(whole.rstrip()), 37):
        (folder / "card.json").write_bytes(whole[:length])
        with pytest.raises(CorruptModelError):
            store.verify(NAME)


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(Card)])
@pytest.mark.parametrize("wrong", [None, 1.5, ["x"], {"x": ["y"]}])
def test_no_value_on_a_card_gets_past_as_another_error(
    folder: Path, field: str, wrong: Any
) -> None:
    rewrite_card(folder, **{field: wrong})
    try:
        store.verify(NAME)
    except CorruptModelError as error:
        assert "\n" not in str(error)
    else:
        assert field in ("recipe", "data", "input", "output", "training"), "free tables"
        assert wrong == {"x": ["y"]}


@pytest.mark.parametrize("file", ["../1/network.keras", "/etc/hostname", "sub/x.keras", "", ".."])
def test_a_card_cannot_name_a_file_outside_its_folder(folder: Path, file: str) -> None:
    digest = hashlib.sha256(b"weights").hexdigest()
    rewrite_card(folder, networks={"network": file})
    with pytest.raises(CorruptModelError):
        store.verify(NAME)
    rewrite_card(folder, networks={"network": file}, sha256={file: digest})
    with pytest.raises(CorruptModelError):
        store.verify(NAME)


def test_a_network_in_another_format_is_refused(folder: Path) -> None:
    os.rename(folder / "network.keras", folder / "network.h5")
    digests = store.read_card(NAME).sha256
    digests["network.h5"] = digests.pop("network.keras")
    rewrite_card(folder, networks={"network": "network.h5"}, sha256=digests)
    with pytest.raises(CorruptModelError, match=r"network\.h5 is not a \.keras file"):
        store.load(NAME)


@pytest.mark.parametrize("family", ["", "os", "..mlp", "mlp.mlp", "mlp/../gan", "nothing"])
def test_a_card_cannot_choose_what_is_imported(folder: Path, family: str) -> None:
    rewrite_card(folder, family=family)
    with pytest.raises(CorruptModelError, match="there is no family"):
        store.load(NAME)


# Networks


def tiny_network(seed: int = 0) -> Any:
    import keras

    keras.utils.set_random_seed(seed)
    return keras.Sequential([keras.Input((2,), name="x"), keras.layers.Dense(3)])


def test_a_network_comes_back_uncompiled_with_the_same_function(home: Path) -> None:
    network = tiny_network()
    network.compile("adam", "mse")
    store.save(make_card(), {"network": network})
    card, networks = store.load(NAME)
    assert card.networks == {"network": "network.keras"}
    rows = np.random.default_rng(0).normal(size=(4, 2)).astype("float32")
    weights, bias = (np.asarray(value) for value in network.get_weights())
    np.testing.assert_allclose(
        np.asarray(networks["network"](rows)), rows @ weights + bias, atol=1e-6
    )
    assert not networks["network"].compiled


@pytest.mark.parametrize("content", [b"", b"no zip at all", b"PK\x03\x04" + bytes(100)])
def test_a_stored_file_that_is_no_network_is_a_corrupt_model(home: Path, content: bytes) -> None:
    store.save(make_card(), fakes(content))
    store.verify(NAME)
    with pytest.raises(CorruptModelError, match=r"network\.keras cannot be loaded") as caught:
        store.load(NAME)
    assert "\n" not in str(caught.value)


def test_every_truncation_of_a_network_is_a_corrupt_model(home: Path, tmp_path: Path) -> None:
    tiny_network().save(tmp_path / "whole.keras")
    whole = (tmp_path / "whole.keras").read_bytes()
    for length in range(0, len(whole), len(whole) // 12 + 1):
        store.save(make_card(), fakes(whole[:length]))
        with pytest.raises(CorruptModelError):
            store.load(NAME)


def test_a_network_with_code_in_it_is_refused(home: Path, tmp_path: Path) -> None:
    import keras

    proof = str(tmp_path / "ran")

    def attack(x: Any) -> Any:
        open(proof, "w").close()
        return x

    code = keras.layers.Lambda(attack, output_shape=(2,))
    network = keras.Sequential([keras.Input((2,)), code])
    network(np.zeros((1, 2)))
    Path(proof).unlink()  # The attack works; `unlink` would say so if it did not.
    store.save(make_card(), {"network": network})
    with pytest.raises(CorruptModelError, match=r"network\.keras cannot be loaded"):
        store.load(NAME)
    assert not Path(proof).exists(), "code from a model's file was run"


def test_a_network_with_an_unknown_class_is_refused(home: Path, tmp_path: Path) -> None:
    import zipfile

    tiny_network().save(tmp_path / "good.keras")
    with (
        zipfile.ZipFile(tmp_path / "good.keras") as good,
        zipfile.ZipFile(tmp_path / "bad.keras", "w") as bad,
    ):
        for name in good.namelist():
            content = good.read(name)
            if name == "config.json":
                content = content.replace(b'"class_name": "Dense"', b'"class_name": "Popen"')
                content = content.replace(b'"module": "keras.layers"', b'"module": "subprocess"')
            bad.writestr(name, content)
    store.save(make_card(), fakes((tmp_path / "bad.keras").read_bytes()))
    with pytest.raises(CorruptModelError):
        store.load(NAME)


# Rivals, crashes and full disks


def test_writers_at_once_get_versions_of_their_own(home: Path) -> None:
    count = 8
    barrier = threading.Barrier(count)
    folders: dict[int, Path] = {}

    def write(number: int) -> None:
        barrier.wait()
        folders[number] = store.save(make_card(), fakes(f"writer {number}".encode()))

    threads = [threading.Thread(target=write, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.versions(NAME) == list(range(1, count + 1))
    for number, folder in folders.items():
        assert (folder / "network.keras").read_bytes() == f"writer {number}".encode()
        assert store.verify(folder).version == int(folder.name)
    assert leftovers(home / NAME) == []


def run_script(script: str, home: Path, shipped: Path, **more: Any) -> subprocess.Popen[str]:
    """Starts a Python process that has this file's helpers and the same store."""
    head = f"""
        import os, sys
        from pathlib import Path
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        from test_store import *
        paths.shipped_models = lambda: Path({str(shipped)!r})
    """
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(head) + textwrap.dedent(script)],
        env={**os.environ, "ZOO_HOME": str(home.parent)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **more,
    )


def finish(process: subprocess.Popen[str], seconds: float) -> str:
    """Waits for the end of a script and returns what it printed."""
    try:
        output, errors = process.communicate(timeout=seconds)
    finally:
        process.kill()
    assert process.returncode == 0, errors
    return output


def test_a_crash_at_any_line_leaves_whole_versions_only(home: Path, shipped: Path) -> None:
    """A copy of a process dies at the first line of the store, another at the second, and so on."""
    script = """
        import collections, itertools
        import zoo.report

        store.save(make_card(), fakes(b"first"))
        parent = store.find(NAME).parent
        outcomes = collections.Counter()
        for last_line in itertools.count(1):
            pid = os.fork()
            if pid == 0:
                lines = itertools.count(1)
                def trace(frame, event, argument):
                    if not frame.f_code.co_filename.endswith(("zoo/store.py", "zoo/files.py")):
                        return None
                    if event == "line" and next(lines) == last_line:
                        os.kill(os.getpid(), 9)
                    return trace
                sys.settrace(trace)
                store.save(make_card(), fakes(bytes(9000)), extras={"a.png": b"a"})
                sys.settrace(None)
                os._exit(0)
            code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            assert code in (0, -9)
            assert store.versions(NAME) in ([1], [1, 2])
            for version in store.versions(NAME):
                assert store.verify(f"{NAME}@{version}").version == version
            if code == 0:
                break
            outcomes[len(store.versions(NAME))] += 1
            outcomes["left over"] += len(list(parent.glob(".saving-*")))
            # Every death starts from the same store, or the lines would not be the same.
            for path in parent.iterdir():
                if path.name != "1":
                    shutil.rmtree(path)
        assert store.versions(NAME) == [1, 2]
        print(outcomes[1], outcomes[2], outcomes["left over"])
    """
    process = run_script(script, home, shipped)
    output = finish(process, 150)
    before, after, left_over = map(int, output.split())
    assert before > 60, "the trace saw too little of the store"
    assert after > 0, "some deaths come after the rename"
    assert left_over > 30, "most of those before it come in the middle of a save"


def test_kill_at_random_moments_leaves_whole_versions_only(home: Path, shipped: Path) -> None:
    """Processes with Keras save in a loop into one store and are killed one after the other."""
    script = """
        network = tiny_network(os.getpid() % 1000)
        print("ready", flush=True)
        while True:
            store.save(make_card(), {"network": network}, extras={"a.png": bytes(50_000)})
    """
    moments = random.Random(5)
    processes = [run_script(script, home, shipped) for _ in range(2)]
    try:
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            time.sleep(moments.uniform(0.2, 0.7))
            process.send_signal(signal.SIGKILL)
            process.wait()
            for version in store.versions(NAME):
                assert store.verify(f"{NAME}@{version}").version == version
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    versions = store.versions(NAME)
    assert versions == list(range(1, len(versions) + 1)), "two writers shared a number"
    assert versions, "nothing was saved before the kills"
    for version in {versions[0], versions[len(versions) // 2], versions[-1]}:
        _, networks = store.load(f"{NAME}@{version}")
        assert networks["network"].count_params() == 9
    # The next writer goes on as if nothing had been.
    assert store.save(make_card(), fakes()).name == str(versions[-1] + 1)


def test_many_kills_of_a_light_writer_leave_whole_versions_only(home: Path, shipped: Path) -> None:
    script = """
        import zoo.report

        print("ready", flush=True)
        while True:
            store.save(make_card(), fakes(bytes(40_000), pause=0.0005))
    """
    moments = random.Random(6)
    for _ in range(8):
        process = run_script(script, home, shipped)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(moments.uniform(0.0, 0.1))
        process.kill()
        process.communicate()
        for version in store.versions(NAME):
            store.verify(f"{NAME}@{version}")
    assert len(store.versions(NAME)) > 3
    assert leftovers(home / NAME), "no kill came in the middle of a save"


@pytest.mark.parametrize("what", ["the network", "a further file"])
def test_a_full_disk_is_one_error_and_changes_nothing(home: Path, shipped: Path, what: str) -> None:
    """A limit on the size of files stands for a disk with no room left."""
    store.save(make_card(), fakes(b"first"))
    script = f"""
        import resource
        import zoo.report

        network = tiny_network() if {what == "the network"} else fakes()["network"]
        extras = {{}} if {what == "the network"} else {{"a.png": bytes(100_000)}}
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
        try:
            store.save(make_card(), {{"network": network}}, extras=extras)
        except OSError as error:
            print(type(error).__name__, error)
    """
    process = run_script(script, home, shipped)
    output = finish(process, 120)
    assert output.startswith("OSError") and output.count("\n") == 1
    assert [path.name for path in (home / NAME).iterdir()] == ["1"]
    assert store.verify(NAME).version == 1


def test_a_sync_that_fails_publishes_nothing(home: Path, monkeypatch: Any) -> None:
    store.save(make_card(), fakes())

    def full_disk(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full_disk)
    with pytest.raises(OSError, match="No space left"):
        store.save(make_card(), fakes())
    assert [path.name for path in (home / NAME).iterdir()] == ["1"]


def test_a_store_that_cannot_be_written_is_an_error_of_the_system(
    home: Path, shipped: Path
) -> None:
    home.parent.mkdir()
    home.write_text("a file where the folder should be")
    with pytest.raises(OSError):
        store.save(make_card(), fakes())
    assert store.names() == []


def test_a_card_must_be_that_of_its_own_folder(folder: Path) -> None:
    """A version copied over another's number is found out, its digests being right."""
    copy = folder.parent / str(int(folder.name) + 1)
    shutil.copytree(folder, copy)
    with pytest.raises(CorruptModelError, match=f"is that of .*@{folder.name}"):
        store.read_card(copy)
    elsewhere = shutil.copytree(folder, folder.parent.parent.parent / "elsewhere")
    assert store.read_card(Path(elsewhere)) == store.read_card(folder)
