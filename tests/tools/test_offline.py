"""Packing for a machine without a network, and training there without TensorFlow."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import zoo
from zoo import registry, store
from zoo.cli import main
from zoo.pipelines import Classifier

ROOT = Path(__file__).parents[2]
HERE = "{}.{}".format(*sys.version_info)
TINY = ["--set", "epochs=25", "--set", "data.limit=256", "--set", "data.validation=0"]
TINY += ["--set", "batch_size=64"]
Sample = Callable[[str, str], dict[str, np.ndarray]]


def run(*command: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *map(str, command)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )


def pack(output: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return run(ROOT / "tools" / "pack.py", "-o", output, *arguments, **environment)


@pytest.fixture(scope="module")
def tar(shared_sample_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pack") / "zoo-offline.tar"
    done = pack(path, "--data", "fashion_mnist", "--no-wheels")
    assert done.returncode == 0, done.stderr
    assert f"for Python {HERE}" in done.stdout
    begin = f"tar xf zoo-offline.tar && python{HERE} zoo-offline/train.py "
    recipe = done.stdout.partition(begin)[2].strip()
    assert registry.recipes().get(recipe).data.name == "fashion_mnist"
    return path


@pytest.fixture
def there(tar: Path, tmp_path: Path) -> Path:
    """The tar unpacked where it is needed."""
    with tarfile.open(tar) as archive:
        for member in archive:
            assert member.isreg() or member.isdir()
            archive.extract(member, tmp_path)
    return tmp_path / "zoo-offline"


@pytest.fixture
def elsewhere(tmp_path: Path) -> Callable[..., dict[str, str]]:
    """An environment in which some packages, and this checkout, cannot be imported."""

    def environment(*missing: str) -> dict[str, str]:
        folder = tmp_path / "customize"
        folder.mkdir()
        (folder / "sitecustomize.py").write_text(
            "import sys\n"
            "class Missing:\n"
            "    def find_spec(self, name, path=None, target=None):\n"
            f"        if name.partition('.')[0] in {missing}:\n"
            "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
            "sys.meta_path.insert(0, Missing())\n"
            f"sys.path[:] = [path for path in sys.path if path != {str(ROOT)!r}]\n"
        )
        return {"PYTHONPATH": str(folder), "ZOO_HOME": str(tmp_path / "nobody's home")}

    return environment


def one_line(done: subprocess.CompletedProcess[str], speaker: str) -> str:
    assert done.returncode == 2
    assert done.stderr.startswith(f"{speaker}: ") and done.stderr.count("\n") == 1
    return done.stderr


def test_the_tar_has_what_training_needs_and_no_more(tar: Path) -> None:
    with tarfile.open(tar) as archive:
        members = archive.getmembers()
    names = {member.name.removeprefix("zoo-offline/") for member in members if member.isreg()}
    sources = {path.relative_to(ROOT).as_posix() for path in (ROOT / "zoo").rglob("*.py")}
    models = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "saved_models").rglob("*")
        if path.is_file() and not path.name.startswith(".")
    }
    data = {f"home/data/fashion_mnist/{n}" for n in ("dataset.json", "test.npz", "train.npz")}
    assert names == sources | models | data | {"LICENSE", "pack.json", "train.py"}
    assert {(member.uid, member.uname) for member in members} == {(0, "")}


def test_models_of_ones_own_travel(sample_home: Path, tmp_path: Path) -> None:
    shipped = ROOT / "saved_models" / "lenet5.mnist" / "1"
    own = sample_home / "models" / "lenet5.mnist" / "7"
    shutil.copytree(shipped, own)
    card = json.loads((own / "card.json").read_text())
    (own / "card.json").write_text(json.dumps({**card, "version": 7}))
    names = ["lenet5.mnist", "lenet5.mnist@1"]
    done = pack(tmp_path / "x.tar", "--data", "mnist", "--no-wheels", "--models", *names)
    assert done.returncode == 0, done.stderr
    with tarfile.open(tmp_path / "x.tar") as archive:
        inside = [name for name in archive.getnames() if "/home/models/" in name]
    files = {path.name for path in own.iterdir()}
    top = "zoo-offline/home/models/lenet5.mnist/7"
    assert set(inside) == {top, *(f"{top}/{name}" for name in files)}


def test_arrays_arrive_as_they_were(there: Path, sample: Sample) -> None:
    for split in ("train", "test"):
        with np.load(there / "home" / "data" / "fashion_mnist" / f"{split}.npz") as archive:
            for key, value in sample("fashion_mnist", split).items():
                np.testing.assert_array_equal(archive[key], value)


def test_mistakes_in_packing_get_one_line(sample_home: Path, tmp_path: Path) -> None:
    output = tmp_path / "x.tar"

    def refused(*arguments: str, **environment: str) -> str:
        line = one_line(pack(output, *arguments, **environment), "pack")
        assert [path for path in tmp_path.iterdir() if path != sample_home] == []
        return line

    data = ("--data", "mnist")
    missing = refused("--data", "mnist", "cmaterdb_telugu", "--no-wheels")
    assert "run `zoo data prepare cmaterdb_telugu`" in missing
    assert "not here" in refused("--data", "..", "--no-wheels")
    assert "such as 3.12" in refused(*data, "--python", "3.12.1")
    judge = refused(*data, "--no-wheels", "--models", "small_cnn.mnits")
    assert "did you mean small_cnn.mnist" in judge
    assert "above 1; pack fewer" in refused(*data, "--no-wheels", "--size-limit", "1")
    nothing = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "", "PIP_CONFIG_FILE": os.devnull}
    line = refused(*data, "--python", "3.12", **nothing)
    assert "no wheels for Python 3.12 and constraints.txt" in line and "keras" in line
    (sample_home / "data" / "mnist" / "test.npz").write_bytes(b"PK")
    assert "is damaged" in refused(*data, "--no-wheels")


def write_wheel(folder: Path, name: str, code: str = "", requires: str = "") -> None:
    """Writes a wheel of one module in the version that constraints.txt has."""
    text = (ROOT / "constraints.txt").read_text().splitlines()
    version = next(line.partition("==")[2] for line in text if line.startswith(f"{name}=="))
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{name}-{version}.data/purelib/{name}_extra.py", "")
        wheel.writestr(f"{name}/__init__.py", code)
        lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
        lines += [f"Requires-Dist: {requires}"] if requires else []
        wheel.writestr(f"{info}/METADATA", "\n".join(lines) + "\n")
        tag = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        wheel.writestr(f"{info}/WHEEL", tag)
        wheel.writestr(f"{info}/RECORD", "")


def test_wheels_of_what_is_missing_travel_and_are_used_there(
    sample_home: Path, tmp_path: Path
) -> None:
    wheels = tmp_path / "index"
    wheels.mkdir()
    write_wheel(wheels, "keras", "raise ImportError('the packed one')", requires="rich")
    write_wheel(wheels, "rich", requires="numpy")
    for name in ("matplotlib", "numpy"):
        write_wheel(wheels, name)
    index = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels), "PIP_CONFIG_FILE": os.devnull}
    done = pack(tmp_path / "x.tar", "--data", "mnist", "--without", "Pillow", **index)
    assert done.returncode == 0, done.stderr
    assert "3 wheels" in done.stdout
    with tarfile.open(tmp_path / "x.tar") as archive:
        names = [n.split("/")[-1] for n in archive.getnames() if "/wheels/" in n]
        archive.extractall(tmp_path / "there", filter="data")
    # Not numpy: the one for the machine's JAX is there.
    assert [name.partition("-")[0] for name in names] == ["keras", "matplotlib", "rich"]
    line = one_line(run(tmp_path / "there" / "zoo-offline" / "train.py", "mlp.mnist"), "train")
    assert "keras cannot be imported here (the packed one)" in line
    site = tmp_path / "there" / "zoo-offline" / "site"
    assert (site / "rich_extra.py").is_file()

    left_out = ("--without", "Pillow", "kerras")
    unknown = pack(tmp_path / "y.tar", "--data", "mnist", *left_out, **index)
    assert "kerras: there is no such wheel to leave out" in one_line(unknown, "pack")


def test_what_is_missing_there_is_told_before_training(
    there: Path, elsewhere: Callable[..., dict[str, str]]
) -> None:
    assert "python train.py mlp.fashion_mnist" in run(there / "train.py").stdout
    done = run(there / "train.py", "mlp.fashion_mnist", **elsewhere("jax"))
    assert "jax cannot be imported here (No module named 'jax')" in one_line(done, "train")
    record = json.loads((there / "pack.json").read_text())
    (there / "pack.json").write_text(json.dumps({**record, "python": "3.99"}))
    done = run(there / "train.py", "mlp.fashion_mnist")
    assert f"was packed for Python 3.99, not {HERE}" in one_line(done, "train")


@pytest.mark.full
def test_from_here_to_there_and_back_again(
    there: Path,
    elsewhere: Callable[..., dict[str, str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    sample: Sample,
) -> None:
    environment = elsewhere("tensorflow", "tensorflow_datasets", "bentoml", "keras_tuner")
    broken = subprocess.Popen(
        [sys.executable, there / "train.py", "mlp.fashion_mnist", *TINY],
        env={**os.environ, **environment},
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 120
    runs = there / "home" / "runs" / "mlp.fashion_mnist"
    try:
        while broken.poll() is None and time.monotonic() < deadline:
            if (runs / "1" / "checkpoint.npz").is_file():
                os.killpg(broken.pid, signal.SIGINT)  # As Ctrl-C does.
                break
            time.sleep(0.05)
        out, err = broken.communicate(timeout=60)
    finally:
        broken.kill()
    assert broken.returncode == 130, err
    assert "only a CPU" in out
    assert f"to go on: python train.py mlp.fashion_mnist {' '.join(TINY)} --resume" in err

    done = run(there / "train.py", "mlp.fashion_mnist", "--resume", **environment)
    assert done.returncode == 0, done.stderr + done.stdout
    assert [path.name for path in runs.iterdir()] == ["1"], "the run that was stopped goes on"
    assert "trained.tar holds 1 version(s)" in done.stdout
    assert not (tmp_path / "nobody's home").exists(), "all is written in the tar's own folder"
    with tarfile.open(there / "trained.tar") as archive:
        assert not [name for name in archive.getnames() if name.endswith("checkpoint.npz")]

    done = run(there / "train.py", "mlp.fashion_mnist", "--resume", **environment)
    assert done.returncode == 0, done.stderr
    assert "mlp.fashion_mnist is trained" in done.stdout

    shutil.move(there / "trained.tar", tmp_path / "trained.tar")
    shutil.rmtree(there)
    monkeypatch.setenv("ZOO_HOME", str(tmp_path / "fresh"))
    assert main(["add", str(tmp_path / "trained.tar")]) == 0
    folder = store.find("mlp.fashion_mnist")
    assert folder.parents[2] == tmp_path / "fresh"
    classifier = zoo.load("mlp.fashion_mnist")
    assert isinstance(classifier, Classifier)
    assert classifier.card.training["backend"] == "jax"
    assert "tensorflow" not in classifier.card.versions
    test = sample("fashion_mnist", "test")
    right = float((classifier.scores(test["image"]).argmax(1) == test["label"]).mean())
    measured = classifier.card.metric("accuracy")
    # JAX measured it there, TensorFlow measures it here; one image may be on the edge.
    assert measured is not None and abs(right - measured.value) <= 1 / len(test["label"]) + 1e-9
    assert right > 0.6
