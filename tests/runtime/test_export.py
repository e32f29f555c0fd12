"""Exported models: what Keras answers, every runtime answers, and none of them needs Keras."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import zoo
from tests.runtime import models
from zoo import store
from zoo.autoencoding import VariationalAutoencoder
from zoo.cli import main
from zoo.diffusion import DiffusionGenerator
from zoo.errors import InvalidInputError
from zoo.generation import Generator
from zoo.pipelines import Classifier, Pipeline
from zoo.runtime import exports, packages
from zoo.runtime.export import export
from zoo.translation import Translator

pytestmark = pytest.mark.skipif(
    not all(packages.can_make(one) and packages.can_run(one) for one in packages.RUNS_ON),
    reason="needs the extra fast",
)
ROOT = Path(__file__).parents[2]
RUNTIMES = tuple(packages.RUNS_ON)
# Rounding may carry a number over the border between two levels.
ONE_LEVEL = 1


@pytest.fixture(scope="module")
def exported_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home with a stored and exported model of each kind."""
    home = tmp_path_factory.mktemp("exported-home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZOO_HOME", str(home))
        for save in (
            models.save_classifier,
            models.save_generator,
            models.save_coder,
            models.save_translator,
            models.save_diffusion,
        ):
            save()
        for name in store.names("*.patches"):
            export(name)
    yield home
    on_keras.cache_clear()


@pytest.fixture(autouse=True)
def home(exported_home: Path, private_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ZOO_HOME", str(exported_home))
    return exported_home


def pictures(n: int, size: int) -> np.ndarray:
    return np.random.default_rng(n).integers(0, 256, (n, size, size, 1), dtype=np.uint8)


@functools.cache
def on_keras(name: str) -> Pipeline:
    """What several tests compare with is compiled once."""
    return zoo.load(name)


def pipelines(name: str, runtime: str) -> tuple[Pipeline, Pipeline]:
    return on_keras(name), zoo.load(name, runtime=runtime)


def levels(one: np.ndarray, other: np.ndarray) -> int:
    assert one.dtype == other.dtype == np.uint8 and one.shape == other.shape
    return int(np.abs(one.astype(int) - other).max())


def test_every_function_is_as_near_to_keras_as_stated() -> None:
    for name in store.names("*.patches"):
        found = exports.find(store.read_card(name))
        assert found is not None and set(found.runtimes) == set(RUNTIMES)
        for label, function in found.functions.items():
            assert set(function.parity) == set(RUNTIMES), f"{name}: {label}"
            for runtime, error in function.parity.items():
                assert error <= function.tolerance, f"{name}: {label} on {runtime}"
            rows, answers = found.parity()[label]
            given = rows if isinstance(rows, dict) else {"": rows}
            assert {len(one) for one in given.values()} == {32} == {len(answers)}
            assert list(answers.shape[1:]) == function.output


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_classifier_answers_as_on_keras(runtime: str) -> None:
    expected, found = pipelines(models.CLASSIFIER, runtime)
    assert isinstance(expected, Classifier) and isinstance(found, Classifier)
    given = pictures(5, 12)
    np.testing.assert_allclose(found.scores(given), expected.scores(given), atol=1e-4)
    np.testing.assert_allclose(found.features(given), expected.features(given), atol=2e-3)
    assert found.predict(given) == [
        [(label, pytest.approx(score, abs=1e-4)) for label, score in row]
        for row in expected.predict(given)
    ]
    assert found.functions.runtime == runtime and found.functions.size > 0
    with pytest.raises(InvalidInputError, match="there are no Keras networks"):
        _ = found.networks


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_generator_draws_as_on_keras_and_a_seed_names_an_image(runtime: str) -> None:
    expected, found = pipelines(models.GENERATOR, runtime)
    assert isinstance(expected, Generator) and isinstance(found, Generator)
    assert found.labels == expected.labels
    together = found.generate(19, seed=3)
    assert levels(together, expected.generate(19, seed=3)) <= ONE_LEVEL
    for size in (1, 2, 8, 11):
        np.testing.assert_array_equal(found.generate(size, seed=10), together[7 : 7 + size])
    assert levels(found.generate(2, label="dog"), expected.generate(2, label="dog")) <= ONE_LEVEL


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_an_autoencoder_codes_as_on_keras(runtime: str) -> None:
    expected, found = pipelines(models.CODER, runtime)
    assert isinstance(expected, VariationalAutoencoder)
    assert isinstance(found, VariationalAutoencoder)
    given = pictures(3, 28)
    assert (found.input_shape, found.code_shape) == ((28, 28, 1), (5,))
    assert found.likelihood == "bernoulli"
    for one, other in zip(found.posterior(given), expected.posterior(given), strict=True):
        np.testing.assert_allclose(one, other, atol=2e-3)
    np.testing.assert_allclose(found.encode(given), expected.encode(given), atol=2e-3)
    assert levels(found.reconstruct(given), expected.reconstruct(given)) <= ONE_LEVEL


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_translator_goes_both_ways_as_on_keras(runtime: str) -> None:
    expected, found = pipelines(models.TRANSLATOR, runtime)
    assert isinstance(expected, Translator) and isinstance(found, Translator)
    given = pictures(4, 8)
    for direction in ("day_to_night", "night_to_day"):
        drawn = found.translate(given, direction)
        assert levels(drawn, expected.translate(given, direction)) <= ONE_LEVEL


@pytest.mark.parametrize(
    ("runtime", "options"),
    [
        # What a runtime computes is always the same; the loop around it is NumPy's.
        *((runtime, {"guidance_scale": 2.0, "negative_label": "dog"}) for runtime in RUNTIMES),
        ("onnx", {"guidance_scale": 1.0}),
        ("onnx", {"sampler": "ddpm"}),
        ("openvino", {"sampler": "heun", "image": pictures(1, 8), "strength": 0.6}),
        ("onnx", {"image": pictures(1, 8), "mask": np.eye(8)}),
    ],
    ids=[*RUNTIMES, "plain", "stochastic", "image", "mask"],
)
def test_a_diffusion_model_samples_as_on_keras(runtime: str, options: dict[str, Any]) -> None:
    expected, found = pipelines(models.DIFFUSION, runtime)
    assert isinstance(expected, DiffusionGenerator) and isinstance(found, DiffusionGenerator)
    asked: dict[str, Any] = {"num_inference_steps": 4, "label": "cat", **options}
    drawn = found.generate(3, seed=5, **asked)
    # Each step carries the rounding of the one before it on.
    assert levels(drawn, expected.generate(3, seed=5, **asked)) <= 2 * ONE_LEVEL
    if "image" not in options:
        np.testing.assert_array_equal(found.generate(9, seed=3, **asked)[2:5], drawn)


def test_what_is_there_is_not_made_again(capsys: pytest.CaptureFixture[str]) -> None:
    found = exports.find(store.read_card(models.CLASSIFIER))
    assert found is not None
    before = (found.folder / exports.RECORD).stat().st_mtime_ns
    assert main(["export", models.CLASSIFIER, "--json"]) == 0
    (report,) = json.loads(capsys.readouterr().out)
    assert report["model"] == f"{models.CLASSIFIER}@1" and set(report["bytes"]) == set(RUNTIMES)
    assert report["parity"]["scores"]["tolerance"] == 1e-4
    assert (found.folder / exports.RECORD).stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["small_cnn.pathces"],
            "unknown model 'small_cnn.pathces'; did you mean small_cnn.patches",
        ),
        (["*.nothing"], "unknown model '*.nothing'"),
        ([models.GENERATOR, "--int8"], "int8 is for classifiers; cdcgan.patches@1 is for gen"),
    ],
)
def test_what_cannot_be_exported_is_one_line(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", *arguments]) == 2
    said = capsys.readouterr().err
    assert words in said and "Traceback" not in said


def test_a_process_without_keras_makes_what_is_missing_in_another(
    exported_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one that asks gets the files, and an answer from them."""
    monkeypatch.setenv("ZOO_HOME", str(tmp_path / "fresh"))
    models.save_translator()
    found = zoo.load(models.TRANSLATOR, runtime="onnx")
    assert isinstance(found, Translator)
    monkeypatch.setenv("ZOO_HOME", str(exported_home))
    expected = on_keras(models.TRANSLATOR)
    assert isinstance(expected, Translator)
    given = pictures(2, 8)
    drawn = found.translate(given, "day_to_night")
    assert levels(drawn, expected.translate(given, "day_to_night")) <= ONE_LEVEL


_WITHOUT_KERAS = """
import importlib.abc, sys

class Refuse(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"keras", "tensorflow", "jax", "openvino_telemetry"}:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Refuse())
import numpy as np
import zoo

target, *runtimes = sys.argv[1:]
answers = {}
images = np.random.default_rng(5).integers(0, 256, (5, 12, 12, 1), dtype=np.uint8)
for runtime in runtimes:
    classifier, generator, denoiser = (
        zoo.load(name, runtime=runtime)
        for name in ("small_cnn.patches", "cdcgan.patches", "ldm.patches")
    )
    answers[f"{runtime}/scores"] = classifier.scores(images)
    answers[f"{runtime}/drawn"] = generator.generate(3, seed=7)
    asked = {"label": "dog", "num_inference_steps": 3}
    answers[f"{runtime}/denoised"] = denoiser.generate(3, seed=7, **asked)
assert not {"keras", "tensorflow", "jax"} & set(sys.modules), sorted(sys.modules)
np.savez(target, **answers)
"""


def test_nothing_imports_keras_or_tensorflow(home: Path, tmp_path: Path) -> None:
    """A classifier, a generator and a diffusion model answer where importing them is an error."""
    target, runtimes = tmp_path / "answers.npz", ("onnx", "openvino", "auto")
    done = subprocess.run(
        [sys.executable, "-c", _WITHOUT_KERAS, str(target), *runtimes],
        env={**os.environ, "ZOO_HOME": str(home), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    with np.load(target, allow_pickle=False) as answers:
        classifier, generator = on_keras(models.CLASSIFIER), on_keras(models.GENERATOR)
        denoiser = on_keras(models.DIFFUSION)
        assert isinstance(classifier, Classifier) and isinstance(generator, Generator)
        assert isinstance(denoiser, DiffusionGenerator)
        scores, drawn = classifier.scores(pictures(5, 12)), generator.generate(3, seed=7)
        denoised = denoiser.generate(3, seed=7, label="dog", num_inference_steps=3)
        for one in runtimes:
            np.testing.assert_allclose(answers[f"{one}/scores"], scores, atol=1e-4, err_msg=one)
            assert levels(answers[f"{one}/drawn"], drawn) <= ONE_LEVEL, one
            assert levels(answers[f"{one}/denoised"], denoised) <= 2 * ONE_LEVEL, one
