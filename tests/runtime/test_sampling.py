"""The loop of NumPy against the one that Keras compiles: they share their rows, not what runs."""

from __future__ import annotations

import functools
from typing import Any

import keras
import numpy as np
import pytest

from tests.denoisers import generator_of, untrained
from zoo.errors import InvalidInputError
from zoo.models.diffusion.predictions import denoised
from zoo.models.diffusion.samplers import SAMPLERS, sampler_of
from zoo.models.diffusion.schedules import NoiseSchedule
from zoo.runtime import KerasSamplingLoop, NumpySamplingLoop
from zoo.runtime.batches import BLOCK

SHAPE = (8, 8, 1)


@pytest.fixture(scope="module")
def network() -> keras.Model:
    return untrained(SHAPE)


@pytest.fixture(scope="module")
def compiled(network: keras.Model) -> KerasSamplingLoop:
    """One for all tests: it compiles each kind of conditions once."""
    return KerasSamplingLoop(network, functools.partial(denoised, "v"))


def numpy_loop(network: keras.Model) -> NumpySamplingLoop:
    def denoise(given: Any) -> np.ndarray:
        assert all(isinstance(one, np.ndarray) for one in given.values())
        assert {one.dtype for one in given.values()} == {np.dtype(np.float32)}
        return keras.ops.convert_to_numpy(network(dict(given), training=False))

    return NumpySamplingLoop(denoise, functools.partial(denoised, "v"))


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("asked", ["plain", "guided", "masked"])
def test_both_loops_go_the_same_way(
    network: keras.Model, compiled: KerasSamplingLoop, name: str, asked: str
) -> None:
    table = sampler_of(name, NoiseSchedule("cosine"), "v", clip=True).table(4)
    rng = np.random.default_rng(0)
    start, known, drawn = rng.standard_normal((3, 5, *SHAPE), np.float32)
    conditions: dict[str, Any] = {"label": np.eye(3, dtype=np.float32)[np.arange(5) % 3]}
    if asked == "guided":
        conditions |= {"other": np.zeros((5, 3), np.float32), "scale": 2.5}
    if asked == "masked":
        mask = rng.integers(0, 2, (5, 8, 8, 1)).astype(np.float32)
        conditions |= {"known": known, "drawn": drawn, "mask": mask}
    if table.is_stochastic:
        conditions["noise"] = rng.standard_normal((len(table), 5, *SHAPE), np.float32)
    loop = numpy_loop(network)
    expected = compiled(table, compiled.begin(start), conditions)
    found = loop(table, loop.begin(start), conditions)
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == np.float32
        np.testing.assert_allclose(one, other, atol=2e-3)


def test_the_compiled_loop_takes_many_images_in_blocks(compiled: KerasSamplingLoop) -> None:
    """A processor's kernels never see another size, so an image is the same to the last bit."""
    table = sampler_of("ddpm", NoiseSchedule("cosine"), "v").table(3)
    rng = np.random.default_rng(1)
    start = rng.standard_normal((2 * BLOCK + 3, *SHAPE), np.float32)
    noise = rng.standard_normal((len(table), *start.shape), np.float32)
    label = np.eye(3, dtype=np.float32)[np.arange(len(start)) % 3]
    together = compiled(table, compiled.begin(start), {"label": label, "noise": noise})[0]
    assert together.shape == start.shape
    for part in (slice(0, 1), slice(7, 9), slice(16, 19)):
        given = {"label": label[part], "noise": noise[:, part]}
        alone = compiled(table, compiled.begin(start[part]), given)[0]
        np.testing.assert_array_equal(alone, together[part])


def test_previews_come_as_often_as_asked() -> None:
    generator = generator_of({"denoiser": untrained(SHAPE)})
    for previews, shown in ((1, [1, 2, 3, 4, 5]), (2, [2, 4]), (9, []), (0, [])):
        seen: dict[int, Any] = {}

        def watch(step: int, total: int, preview: Any, seen: dict[int, Any] = seen) -> None:
            seen[step] = preview

        generator.generate(2, num_inference_steps=5, callback=watch, previews=previews)
        assert list(seen) == [1, 2, 3, 4, 5]
        assert [step for step, preview in seen.items() if preview is not None] == shown
    for bad in (-1, 1.5, True):
        with pytest.raises(InvalidInputError, match="previews must be 0 or more"):
            generator.generate(1, num_inference_steps=2, previews=bad)
