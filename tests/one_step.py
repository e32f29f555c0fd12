"""One step of a recipe from given weights, on a given batch, with noise fed in.

Backends draw other numbers from the same counters. Here each draw is replaced by one of NumPy's,
a function of how many came before it, so that two backends can be compared.

    python -m tests.one_step FOLDER float32|float64 [NAME …]

takes a step of recipes of every kind from `NAME.start.npz` in the folder, which it makes where it
is missing, and writes `NAME.BACKEND.npz`. In float64 on JAX, JAX_ENABLE_X64=1 must be set.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import keras
import numpy as np
from keras import ops
from keras.config import floatx

from tests.steps import FEWER, train_once
from tests.stored_parents import with_parents
from zoo import registry
from zoo.data.feed import first_images
from zoo.recipe import Recipe
from zoo.training.augmentation import further_arrays
from zoo.training.build import build_model
from zoo.training.checkpoint import load_checkpoint, save_checkpoint
from zoo.training.engine import MultiPlayerModel
from zoo.training.run import training_arrays

BATCH = 16
_NOT_ALIKE = ("RandomRotation", "RandomTranslation", "RandomZoom", "ProgressiveResize")


@contextlib.contextmanager
def fed_noise() -> Iterator[None]:
    """Replaces the backend's random functions inside."""
    count = iter(range(1_000_000))

    def draw(make: Callable[..., np.ndarray], shape: Any) -> Any:
        sizes = tuple(int(size) for size in shape)
        return ops.convert_to_tensor(make(np.random.default_rng(next(count)), sizes), floatx())

    def normal(shape: Any, mean: float = 0.0, stddev: float = 1.0, *_: Any, **__: Any) -> Any:
        return draw(lambda rng, sizes: rng.normal(size=sizes), shape) * stddev + mean

    def uniform(shape: Any, minval: Any = 0.0, maxval: Any = 1.0, *_: Any, **__: Any) -> Any:
        return draw(lambda rng, sizes: rng.random(sizes), shape) * (maxval - minval) + minval

    def dropout(inputs: Any, rate: float, noise_shape: Any = None, *_: Any, **__: Any) -> Any:
        kept = draw(lambda rng, sizes: rng.random(sizes) >= rate, noise_shape or inputs.shape)
        return inputs * ops.cast(kept, inputs.dtype) / (1 - rate)

    fed: dict[str, Any] = {"normal": normal, "uniform": uniform, "dropout": dropout}
    unfed = ("truncated_normal", "randint", "categorical", "gamma", "binomial", "beta", "shuffle")
    fed.update(dict.fromkeys(unfed))
    with mock.patch.multiple(keras.src.backend.random, **fed):
        yield


def names() -> list[str]:
    """Recipes to take a step of: the first of those alike in architecture, method and optimizer."""
    return _first(lambda recipe: (recipe.architecture, recipe.method, recipe.optimizer))


def fast_names() -> list[str]:
    """Of these the first of each method: one network stands for all that it trains."""
    return _first(
        lambda recipe: recipe.method.get(
            "name", registry.architectures().get(recipe.architecture).method
        )
    )


def _first(kind: Callable[[Recipe], Any]) -> list[str]:
    kinds: dict[str, str] = {}
    for name in registry.recipes():
        kinds.setdefault(str(kind(registry.recipes().get(name))), name)
    return list(kinds.values())


def build(recipe: Recipe) -> tuple[MultiPlayerModel, dict[str, np.ndarray]]:
    """Returns a recipe's game and a batch of real images."""
    arrays = training_arrays(recipe)[0]
    arrays |= further_arrays(recipe, arrays)
    model = build_model(recipe, first_images(arrays), 10, steps_per_epoch=2)
    return model, {key: value[:BATCH] for key, value in arrays.items()}


def small(recipe: Recipe) -> Recipe:
    """Cuts a recipe to a few steps."""
    few = {"data.limit": 2 * BATCH, "data.validation": 0, "batch_size": BATCH, "epochs": 2}
    # Backends round resampled pixels otherwise, in float64 Keras mixes them with float32, and JAX
    # takes images of one size alone.
    kept = [part for part in recipe.augmentation if part["name"] not in _NOT_ALIKE]
    fewer = FEWER.get(recipe.architecture, {})
    # What is cut out is exactly 0 in the first maps too, the corner of a leaky rectifier, at which
    # backends take other sides.
    method = {key: value for key, value in recipe.method.items() if key != "augment"}
    changed = {**few, **fewer, "augmentation": kept, "method": method}
    return with_parents(recipe.override(changed))


def step(folder: Path, recipe: Recipe) -> None:
    """Takes one step from `NAME.start.npz`, which is made if it is not there."""
    model, batch = build(recipe)
    start = folder / f"{recipe.name}.start.npz"
    if start.is_file():
        load_checkpoint(start, model)
    else:
        save_checkpoint(start, model, {})
    with fed_noise():
        logs = train_once(model, batch)
    record = {"logs": {name: float(value) for name, value in logs.items()}}
    save_checkpoint(folder / f"{recipe.name}.{keras.backend.backend()}.npz", model, record)


def main() -> None:
    folder, precision = sys.argv[1:3]
    keras.config.set_floatx(precision)
    for name in sys.argv[3:] or names():
        step(Path(folder), small(registry.recipes().get(name)))


if __name__ == "__main__":
    main()
