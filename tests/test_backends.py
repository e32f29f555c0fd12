"""TensorFlow and JAX: the same steps, the same stored models; neither needs the other."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import zoo
from tests import one_step
from tests.marks import fast_of
from zoo import registry
from zoo.backend import import_backend
from zoo.errors import ZooError
from zoo.recipe import BACKENDS

pytestmark = pytest.mark.jax
ROOT = Path(__file__).parents[1]

# Runs `zoo` where some packages are not to be found.
WITHOUT = """
import sys
class Without:
    def __init__(self, finder):
        self.finder = finder
    def __getattr__(self, name):
        return getattr(self.finder, name)
    def find_spec(self, name, path=None, target=None):
        hidden = name.split(".")[0] in {names}
        return None if hidden else self.finder.find_spec(name, path, target)
sys.meta_path[:] = map(Without, sys.meta_path)
from zoo.cli import main
sys.exit(main(sys.argv[1:]))
"""
NO_TENSORFLOW = WITHOUT.format(names=["tensorflow", "tensorflow_datasets", "tensorboard"])
MLP = "mlp.fashion_mnist"
NO_JAX = WITHOUT.format(names=["jax", "jaxlib"])


def python(
    code: str,
    backend: str | None = None,
    *arguments: str,
    timeout: float = 300,
    **environment: str,
) -> subprocess.CompletedProcess[str]:
    """Runs Python code in a new process, on a backend."""
    variables = {k: v for k, v in os.environ.items() if k != "KERAS_BACKEND"} | environment
    if backend:
        variables["KERAS_BACKEND"] = backend
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=variables,
        timeout=timeout,
    )


@pytest.fixture(scope="module", params=[pytest.param("float32", marks=pytest.mark.full), "float64"])
def steps(
    request: pytest.FixtureRequest, shared_sample_home: Path, tmp_path_factory: Any
) -> tuple[Path, str]:
    """A folder with the state of each recipe after one step on each backend, and the precision."""
    folder = tmp_path_factory.mktemp("steps")
    code = "from tests.one_step import main; main()"
    # Of the recipes that will be asked for; all of them in one process, whose start takes longest.
    items = [getattr(item, "callspec", None) for item in request.session.items]
    names = {one.params["name"] for one in items if one and {"steps", "name"} <= set(one.params)}
    for backend in BACKENDS:
        asked = (str(folder), request.param, *sorted(names))
        done = python(code, backend, *asked, timeout=1200, JAX_ENABLE_X64="1")
        assert done.returncode == 0, done.stderr[-3000:]
    return folder, request.param


def state(path: Path) -> tuple[list[np.ndarray], dict[str, float]]:
    with np.load(path) as archive:
        values = [archive[str(i)].astype("float64") for i in range(len(archive.files) - 1)]
        return values, json.loads(archive["record"].tobytes()).get("logs", {})


@pytest.mark.timeout(2400)
@pytest.mark.parametrize("name", fast_of(one_step.fast_names(), one_step.names()))
def test_one_step_is_the_same_on_both_backends(steps: tuple[Path, str], name: str) -> None:
    """From the same weights, batch and noise: losses, weights, averages, optimizers.

    Rounding grows on its way back through a deep network. So in float32 the losses agree to 1e-4;
    that what is left in the state is rounding is shown in float64, in which all of it does. Only
    that is among the fast tests.
    """
    folder, precision = steps
    before, _ = state(folder / f"{name}.start.npz")
    (one, logs), (other, other_logs) = (state(folder / f"{name}.{b}.npz") for b in BACKENDS)
    assert logs and logs == pytest.approx(other_logs, rel=1e-4, abs=1e-6)
    assert len(before) == len(one) == len(other)
    # Stored networks, such as a teacher, compute in float32 in either.
    exact = 1e-3 if registry.recipes().get(name).parents else 1e-4
    tolerance = exact if precision == "float64" else 5e-2
    for a, b in zip(one, other, strict=True):
        assert np.linalg.norm(a - b) <= tolerance * max(float(np.linalg.norm(a)), 1e-3)
    moved = [not np.array_equal(start, end) for start, end in zip(before, one, strict=True)]
    assert np.mean(moved) > 0.5


@pytest.fixture(scope="module")
def made_on_jax(shared_sample_home: Path) -> Path:
    """A home in which a classifier and a generator were trained where TensorFlow is missing."""
    few = ["--set", "epochs=1", "--set", "batch_size=32", "--set", "data.limit=64"]
    for name in ("mlp.fashion_mnist", "dcgan.fashion_mnist"):
        train = ["train", name, *few, "--set", f"name={name}-jax"]
        done = python(NO_TENSORFLOW, None, *train, "--set", "data.validation=0")
        assert done.returncode == 0, done.stderr[-3000:]
        assert f"stored {name}-jax@1" in done.stdout
    return shared_sample_home


def test_where_tensorflow_is_missing_everything_else_works(
    made_on_jax: Path, tmp_path: Path
) -> None:
    """Training, storing (the fixture), evaluating, generating, predicting: with the arrays here."""
    done = python(NO_TENSORFLOW, None, "evaluate", "mlp.fashion_mnist-jax", "--json")
    assert done.returncode == 0, done.stderr[-3000:]
    measured = {metric["name"]: metric["value"] for metric in json.loads(done.stdout)}
    stored = {metric.name: metric.value for metric in zoo.card("mlp.fashion_mnist-jax").metrics}
    assert measured == pytest.approx(stored, rel=1e-6) and "accuracy" in measured
    grid = tmp_path / "grid.png"
    done = python(NO_TENSORFLOW, None, "generate", "dcgan.fashion_mnist-jax", "-o", str(grid))
    assert done.returncode == 0, done.stderr[-3000:]
    done = python(NO_TENSORFLOW, None, "predict", "mlp.fashion_mnist-jax", str(grid))
    assert done.returncode == 0, done.stderr[-3000:]
    for name in ("mlp.fashion_mnist-jax", "dcgan.fashion_mnist-jax"):
        done = python(NO_TENSORFLOW, None, "verify", name)
        assert done.returncode == 0, done.stdout + done.stderr[-3000:]


def test_cards_say_which_backend_and_device(made_on_jax: Path) -> None:
    card = zoo.card("mlp.fashion_mnist-jax")
    assert card.training["backend"] == "jax" and card.recipe["backend"] == "jax"
    assert card.training["device"] == "cpu" and card.training["devices"] == 1
    assert "compile_seconds" in card.training
    assert set(card.versions) == {"keras", "jax", "jaxlib", "numpy"}


ANSWERS = """
import sys, numpy, zoo
classifier, generator = zoo.load("mlp.fashion_mnist-jax"), zoo.load("dcgan.fashion_mnist-jax")
drawn = generator.generate(16, seed=3)
assert (generator.generate(1, seed=7) == drawn[4:5]).all()
numpy.savez(sys.argv[1], drawn=drawn, scores=classifier.scores(drawn),
            features=classifier.features(drawn))
"""


def test_what_one_backend_stores_the_other_loads_with_the_same_answers(
    made_on_jax: Path, tmp_path: Path
) -> None:
    answers = []
    for backend in BACKENDS:
        path = tmp_path / f"{backend}.npz"
        done = python(ANSWERS, backend, str(path))
        assert done.returncode == 0, done.stderr[-3000:]
        answers.append(np.load(path))
    one, other = answers
    assert np.abs(one["drawn"].astype(int) - other["drawn"]).max() <= 1
    for key in ("scores", "features"):
        np.testing.assert_allclose(one[key], other[key], rtol=1e-4, atol=1e-5)


def test_a_shipped_model_measures_the_same_on_jax(shared_sample_home: Path) -> None:
    done = python(
        "import zoo; print([m.value for m in zoo.evaluate('resnet20.fashion_mnist')])", "jax"
    )
    assert done.returncode == 0, done.stderr[-3000:]
    there = json.loads(done.stdout)
    done = python(
        "import zoo; print([m.value for m in zoo.evaluate('resnet20.fashion_mnist')])", "tensorflow"
    )
    assert json.loads(done.stdout) == pytest.approx(there, rel=1e-4)


def refused(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 2, done.stdout + done.stderr
    assert done.stderr.startswith("zoo: ") and done.stderr.count("\n") == 1, done.stderr
    return done.stderr


def test_a_backend_that_is_not_installed_is_one_line(shared_sample_home: Path) -> None:
    train = ("train", "mlp.fashion_mnist", "--set", "epochs=1")
    told = refused(python(NO_JAX, None, *train, "--backend", "jax"))
    assert "the backend jax is not installed" in told and "keras-model-zoo[jax]" in told
    told = refused(python(NO_JAX, None, *train, "--set", "backend=jax"))
    assert "the backend jax is not installed" in told
    told = refused(python(NO_TENSORFLOW, None, *train, "--backend", "tensorflow"))
    assert told == "zoo: the backend tensorflow is not installed\n"
    told = refused(python(NO_JAX, "torch", *train))
    assert "must be tensorflow or jax, got 'torch'" in told
    told = refused(python(NO_JAX, None, *train, "--set", "backend=torch"))
    assert "backend must be tensorflow or jax, got 'torch'" in told


def test_versions_that_do_not_fit_are_one_line(shared_sample_home: Path, tmp_path: Path) -> None:
    """Another jaxlib than jax wants: JAX says so when it is imported, and so do we."""
    (tmp_path / "jaxlib").mkdir()
    (tmp_path / "jaxlib" / "__init__.py").touch()
    (tmp_path / "jaxlib" / "version.py").write_text("__version__ = '0.1.0'\n")
    told = refused(python(NO_TENSORFLOW, "jax", "evaluate", MLP, PYTHONPATH=str(tmp_path)))
    assert "Keras cannot be imported on jax: " in told and "jaxlib" in told


def test_preparing_data_without_tensorflow_says_what_to_do(private_home: Path) -> None:
    told = refused(python(NO_TENSORFLOW, "jax", "data", "prepare", "mnist", "--from", str(ROOT)))
    assert "lacks" in told
    for name in zoo.data.get("mnist").archives:
        (private_home / name).parent.mkdir(parents=True, exist_ok=True)
        (private_home / name).touch()
    source = str(private_home)
    told = refused(python(NO_TENSORFLOW, "jax", "data", "prepare", "mnist", "--from", source))
    assert "needs tensorflow_datasets, which is not installed" in told
    assert "copy $ZOO_HOME/data/mnist here" in told


def test_one_process_has_one_backend() -> None:
    here = keras.backend.backend()
    there = next(name for name in BACKENDS if name != here)
    import_backend()
    import_backend(here)
    with pytest.raises(ZooError, match=f"already runs on {here}.*KERAS_BACKEND={there}"):
        import_backend(there)


def test_a_run_goes_on_on_the_backend_it_was_begun_on(sample_home: Path) -> None:
    few = ["--set", "epochs=60", "--set", "batch_size=32", "--set", "data.validation=0"]
    arguments = ["train", "mlp.fashion_mnist", *few, "--backend", "jax"]
    code = "import sys; from zoo.cli import main; sys.exit(main(sys.argv[1:]))"
    process = subprocess.Popen(
        [sys.executable, "-c", code, *arguments], stdout=subprocess.DEVNULL, cwd=ROOT
    )
    checkpoint = sample_home / "runs" / "mlp.fashion_mnist" / "1" / "checkpoint.npz"
    while not checkpoint.is_file():
        assert process.poll() is None
        time.sleep(0.1)
    process.kill()
    process.wait()
    resume = ["train", "mlp.fashion_mnist", "--resume"]
    told = refused(python(code, None, *resume, "--backend", "tensorflow"))
    assert "run 1 of mlp.fashion_mnist was begun on jax; it cannot go on on tensorflow" in told
    done = python(code, None, *resume, "--json")
    assert done.returncode == 0, done.stderr[-3000:]
    card = json.loads(done.stdout)
    assert card["training"]["backend"] == "jax" and card["training"]["epochs"] == 60
