"""What every test has: a quiet, CPU-only, private surrounding, and a small sample of real data.

- No test touches the user's folders. `$ZOO_HOME` is an empty folder of its own for each test.
- `sample_home`: the test's own `$ZOO_HOME`, in which mnist and fashion_mnist are prepared with 512
  training and 256 test images each, cifar10 with 96 and twice 40, usps and mnist_m with 128 and 64,
  facades of 32x64 pixels with 40 and 8, faces of 32x32 pixels with twice 40. A test may change it.
- `shared_sample_home`: one such folder for the whole session, for fixtures that train once for
  many tests. While a test uses it, directly or through a fixture, `$ZOO_HOME` points to it.
"""

from __future__ import annotations

import atexit
import json
import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

# These are read when TensorFlow, Keras and BentoML are imported, so they come before any import.
_SCRATCH = Path(tempfile.mkdtemp(prefix="zoo-tests-"))
atexit.register(shutil.rmtree, _SCRATCH, ignore_errors=True)
os.environ.update(
    {
        "BENTOML_DO_NOT_TRACK": "true",
        "BENTOML_HOME": str(_SCRATCH / "bentoml"),
        "CUDA_VISIBLE_DEVICES": "-1",
        "KERAS_HOME": str(_SCRATCH / "keras"),
        "MPLBACKEND": "Agg",
        # Threads of linear algebra wait for each other where cores are few: tests on matrices as
        # small as theirs took up to fifty times as long with two.
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "XDG_CACHE_HOME": str(_SCRATCH / "cache"),
        "ZOO_HOME": str(_SCRATCH / "home"),
    }
)

# A shell's background job ignores Ctrl-C, and so would every process that a test starts to stop it.
signal.signal(signal.SIGINT, signal.default_int_handler)

import numpy as np  # noqa: E402
import pytest  # noqa: E402

SAMPLES = Path(__file__).parent / "data"
SAMPLE_NAMES = ("mnist", "fashion_mnist", "cifar10", "usps", "mnist_m", "cmp_facades", "att_faces")


def load_sample(name: str, split: str) -> dict[str, np.ndarray]:
    """Reads one split of a committed sample as `zoo.data.load` would give it."""
    with np.load(SAMPLES / f"{name}.npz", allow_pickle=False) as archive:
        keys = [key for key in ("image", "label") if f"{split}_{key}" in archive]
        return {key: archive[f"{split}_{key}"] for key in keys}


def write_sample_home(home: Path) -> Path:
    """Writes the samples as prepared data sets, in the form that `zoo.data.prepare` gives them."""
    from zoo.data.catalogue import get
    from zoo.data.prepare import arrays_checksum

    for name in SAMPLE_NAMES:
        folder = home / "data" / name
        folder.mkdir(parents=True)
        record: dict[str, object] = {"name": name}
        digests = {}
        for split in get(name).splits:
            arrays = load_sample(name, split)
            np.savez(folder / f"{split}.npz", **arrays)  # type: ignore[arg-type]
            digests[split] = arrays_checksum(arrays)
        record["sha256"] = digests
        (folder / "dataset.json").write_text(json.dumps(record, indent=2), encoding="utf-8")
    return home


@pytest.fixture(scope="session")
def shared_sample_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A `$ZOO_HOME` with the samples for the whole session; fixtures of any scope may use it."""
    home = write_sample_home(tmp_path_factory.mktemp("shared-home"))
    before = os.environ["ZOO_HOME"]
    os.environ["ZOO_HOME"] = str(home)
    yield home
    os.environ["ZOO_HOME"] = before


@pytest.fixture(autouse=True)
def private_home(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """An empty `$ZOO_HOME` for each test, unless the test uses the shared one."""
    if "shared_sample_home" in request.fixturenames:
        home: Path = request.getfixturevalue("shared_sample_home")
    else:
        home = tmp_path / "home"
    monkeypatch.setenv("ZOO_HOME", str(home))
    return home


@pytest.fixture
def sample_home(private_home: Path) -> Path:
    """The test's own `$ZOO_HOME`, with the samples prepared."""
    return write_sample_home(private_home)


@pytest.fixture(scope="session")
def full_source() -> Path:
    """The folder $ZOO_TEST_DATA, with one folder of original archives for each data set."""
    folder = os.environ.get("ZOO_TEST_DATA")
    if not folder:
        pytest.skip("set ZOO_TEST_DATA to a folder with the original archives")
    return Path(folder)


@pytest.fixture(scope="session")
def full_home(full_source: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home in which every data set was prepared from the same parent folder, in one process."""
    from zoo import data

    home = tmp_path_factory.mktemp("full-home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZOO_HOME", str(home))
        for name in data.DATASETS:
            data.prepare(name, full_source)
    yield home


@pytest.fixture
def sample() -> Callable[[str, str], dict[str, np.ndarray]]:
    """A function (name, split) that gives a sample's arrays: image uint8, label int64."""
    return load_sample
