"""What the step on JAX adds: many steps in one call, many devices, compiled programs kept."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from tests.marks import fast_of
from zoo import registry
from zoo.errors import InvalidInputError, RecipeError, ZooError
from zoo.recipe import Recipe
from zoo.runs import Run, new_run
from zoo.training import distribution
from zoo.training.run import fit_run

pytestmark = [
    pytest.mark.jax,
    pytest.mark.skipif(keras.backend.backend() != "jax", reason="needs KERAS_BACKEND=jax"),
]
ROOT = Path(__file__).parents[2]


def recipe(**settings: Any) -> Recipe:
    small = {"data.limit": 160, "data.validation": 50, "batch_size": 32, "epochs": 2}
    return registry.recipes().get("mlp.fashion_mnist").override({**small, **settings})


def state(run: Run) -> list[np.ndarray]:
    with np.load(run.folder / "checkpoint.npz") as archive:
        return [archive[str(i)] for i in range(len(archive.files) - 1)]


def close(one: Run, other: Run) -> bool:
    pairs = zip(state(one), state(other), strict=True)
    return all(np.allclose(a, b, rtol=1e-4, atol=1e-6) for a, b in pairs)


def seconds_left_out(run: Run) -> list[dict[str, float]]:
    return [{k: v for k, v in epoch.items() if k != "seconds"} for epoch in run.history]


@pytest.mark.parametrize("steps", [5, 2])
def test_many_steps_in_one_call_equal_as_many_calls(sample_home: Path, steps: int) -> None:
    """Also where an epoch's five steps do not fill the last call."""
    alone = fit_run(new_run(recipe()), verbose=0)
    calls = []

    class Count(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            calls.append(batch)

    with pytest.MonkeyPatch.context() as patch:
        from zoo.training.jax_step import JaxStep

        patch.setattr(JaxStep, "default_steps_per_execution", staticmethod(lambda _: steps))
        together = fit_run(new_run(recipe()), verbose=0, callbacks=[Count()])
    assert len(calls) == 2 * -(-5 // steps)
    assert close(alone, together)
    for one, other in zip(seconds_left_out(alone), seconds_left_out(together), strict=True):
        assert one == pytest.approx(other, rel=1e-4)


def test_examples_that_do_not_fit_the_device_are_fed_batch_by_batch(
    sample_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    resident = fit_run(new_run(recipe()), verbose=0)
    assert resident.model is not None and resident.model._examples
    monkeypatch.setattr(distribution, "fits", lambda arrays: False)
    streamed = fit_run(new_run(recipe()), verbose=0)
    assert streamed.model is not None and not streamed.model._examples
    assert close(resident, streamed)


def test_streams_are_taken_alike_in_one_call_in_many_and_batch_by_batch(
    sample_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two domains of different lengths, through two epochs of three steps."""
    few = {"data.validation": 0, "batch_size": 40, "epochs": 2, "data.limit": 130}
    sgd = {"name": "SGD", "learning_rate": 1e-3}
    plain = Recipe.from_dict(
        {
            **registry.recipes().get("discogan.mnist_inverted").to_dict(),
            "name": "discogan.mnist_usps",
            "data": {"name": "mnist_usps"},
        }
    )
    small = {"network.width": 4, "network.latent_dim": 8, "precision": "float32"}
    settings = plain.override({**few, **small, "optimizer": sgd})
    together = fit_run(new_run(settings.override({"steps_per_execution": 3})), verbose=0)
    alone = fit_run(new_run(settings), verbose=0)
    monkeypatch.setattr(distribution, "fits", lambda arrays: False)
    fed = fit_run(new_run(settings), verbose=0)
    assert close(alone, together) and close(alone, fed)


def test_an_accelerator_gets_epochs_in_calls_of_like_size(monkeypatch: pytest.MonkeyPatch) -> None:
    from zoo.training import jax_step

    default = jax_step.JaxStep.default_steps_per_execution
    assert default(453) == 1
    monkeypatch.setattr("jax.default_backend", lambda: "gpu")
    assert [default(steps) for steps in (1, 64, 65, 453)] == [1, 64, 33, 57]


@pytest.mark.full
def test_what_was_compiled_is_kept_between_runs(sample_home: Path) -> None:
    code = """
import sys
from zoo.cli import main
sys.exit(main(["train", "resnet20.fashion_mnist", "--json", "--set", "epochs=1",
    "--set", "data.limit=32", "--set", "data.validation=0", "--set", "batch_size=32"]))
"""
    cache = sample_home / "cache" / "jax"
    seconds = []
    for _ in range(2):
        environment = {**os.environ, "KERAS_BACKEND": "jax"}
        environment.pop("JAX_COMPILATION_CACHE_DIR", None)
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, env=environment
        )
        assert done.returncode == 0, done.stderr[-3000:]
        seconds.append(json.loads(done.stdout)["training"]["compile_seconds"])
        programs = sorted(path.name for path in cache.glob("jit_run-*-cache"))
        assert len(programs) == 1
    assert 0 < seconds[1] < seconds[0]


EIGHT = """
import sys, json, numpy as np, keras
from zoo.runs import new_run
from zoo.recipe import Recipe
from zoo.training.publish import publish
from zoo.training.run import fit_run
run = fit_run(new_run(Recipe.from_dict(json.loads(sys.argv[1]))), verbose=0)
assert run.devices == len(keras.distribution.list_devices()), run.devices
print(run.folder)
"""


def on_devices(count: int, settings: Recipe) -> Run:
    """Trains a recipe in a process with as many devices, simulated on the CPU."""
    flags = f"--xla_force_host_platform_device_count={count}"
    environment = {**os.environ, "KERAS_BACKEND": "jax", "XLA_FLAGS": flags}
    done = subprocess.run(
        [sys.executable, "-c", EIGHT, json.dumps(settings.to_dict())],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return Run(settings, Path(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize(
    "name",
    fast_of(
        ["dcgan.fashion_mnist"],
        ["mlp.fashion_mnist", "resnet20.fashion_mnist", "dcgan.fashion_mnist"],
    ),
)
def test_eight_devices_train_like_one(sample_home: Path, name: str) -> None:
    """The same global batch; BatchNorm's statistics and the noise are those of all of it.

    SGD throughout: Adam divides rounding by rounding where a gradient is zero.
    """
    few = {"data.limit": 32, "data.validation": 0, "batch_size": 16, "epochs": 1}
    sgd = {"name": "SGD", "learning_rate": 1e-3, "momentum": 0.9}
    settings = registry.recipes().get(name).override({**few, "optimizer": sgd})
    one, eight = on_devices(1, settings), on_devices(8, settings)
    for a, b in zip(state(one), state(eight), strict=True):
        assert np.linalg.norm(a - b.astype("float64")) <= 1e-3 * max(float(np.linalg.norm(a)), 3e-2)


def test_keras_own_data_parallel_trains_like_one_device(tmp_path: Path) -> None:
    """Plain `fit` of arrays under `keras.distribution.DataParallel`, as a user may set it."""
    code = """
import sys, numpy as np, keras
from zoo.models.mlp.mlp import mlp
from zoo.training.classification import Supervised
images = np.random.default_rng(0).integers(0, 256, (64, 28, 28, 1)).astype("uint8")
def train():
    import random; random.seed(1)
    model = Supervised(mlp(units=[16]), ema={"network": 0.9})
    model.compile(keras.optimizers.SGD(0.01))
    batch = {"image": images, "label": np.arange(64) % 10}
    history = model.fit(batch, batch_size=16, epochs=2, shuffle=False, verbose=0).history
    return [np.array(w) for w in model.weights], history
alone, logs = train()
keras.distribution.set_distribution(keras.distribution.DataParallel())
spread, spread_logs = train()
assert len(keras.distribution.list_devices()) == 8
for a, b in zip(alone, spread): np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
for name in logs: np.testing.assert_allclose(logs[name], spread_logs[name], rtol=1e-4)
print("equal")
"""
    environment = {**os.environ, "XLA_FLAGS": "--xla_force_host_platform_device_count=8"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, env=environment
    )
    assert done.stdout.strip().endswith("equal"), done.stderr[-3000:]


def test_devices_that_cannot_be_used_are_refused(
    sample_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InvalidInputError, match="devices must be 1 to 1 here, got 3"):
        fit_run(new_run(recipe()), verbose=0, devices=3)
    monkeypatch.setattr(keras.distribution, "list_devices", lambda: ["cpu:0"] * 3)
    with pytest.raises(RecipeError, match="batch_size 32 cannot be split over 3 devices"):
        fit_run(new_run(recipe()), verbose=0)


def test_memory_that_is_full_is_one_line(sample_home: Path) -> None:
    words = "the memory of the device (cpu) is full; nothing was kept; choose a batch_size below 32"
    with pytest.raises(ZooError, match=re.escape(words)):
        fit_run(new_run(recipe(**{"network.units": [10**10]})), verbose=0)


def test_one_process_decides_for_itself() -> None:
    assert distribution.process_count() == 1 and distribution.is_chief()
    assert distribution.chief_decides(lambda: {"a": 1}) == {"a": 1}
    distribution.require_agreement({"anything": object})
    distribution.leave()
    assert not distribution.is_lost_process(ValueError("Gloo"))
