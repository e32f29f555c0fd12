"""What `tuning.objectives` measures on a model that trains, with validation examples alone."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

import keras
import numpy as np
from keras import ops

from tuning.objectives import Objective
from zoo import data, store
from zoo.data import Arrays
from zoo.data.split import cut_validation
from zoo.errors import RecipeError
from zoo.evaluation.common import flat_pixels
from zoo.latents import draw_rows, from_pixels, to_pixels
from zoo.metrics.classification import accuracy
from zoo.metrics.costs import flops as count_flops
from zoo.metrics.costs import median_seconds
from zoo.metrics.frechet import frechet_distance
from zoo.metrics.kernel import kernel_distance
from zoo.networks import main_output, split_outputs
from zoo.pipelines import Classifier, make_pipeline
from zoo.recipe import Recipe
from zoo.training.engine import MultiPlayerModel

# Images that distances are measured with, at most: after every epoch, so it must not take as long
# as the epoch. Of all trials as many, for the Fréchet distance is biased by their number.
MEASURED = 2000
_AT_ONCE = 250


class Examples(Protocol):
    """What a training learns from and is validated on."""

    @property
    def training(self) -> Arrays: ...

    @property
    def validation(self) -> Arrays: ...


class Measured(keras.callbacks.Callback):
    """Puts what training does not log by itself into the logs of every epoch.

    It belongs before the callback that keeps them, see `fit_model`.

    Args:
        objectives: Those that are not measured, or not after each epoch, are left out.
        examples: Of the training.
        recipe: What is trained.
    """

    def __init__(self, objectives: Iterable[Objective], examples: Examples, recipe: Recipe) -> None:
        super().__init__()
        self.objectives = [one for one in objectives if one.measured and one.per_epoch]
        self.examples = examples
        self.recipe = recipe

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        # A training that has gone wrong is broken off by what comes next, with its reason.
        if logs is None or not all(math.isfinite(value) for value in logs.values()):
            return
        # Else a judge would see otherwise where a recipe says how its own networks compute.
        with self.model.graph_precision("float32"):
            for objective in self.objectives:
                logs[objective.name] = objective.measure(self.model, self.examples, self.recipe)


# How like real images generated ones are.


@dataclasses.dataclass(frozen=True)
class _Compared:
    """As many generated images as real ones, uint8 (n, height, width, channels), and their judge.

    They are as the judge sees them, with the view of a domain undone.
    """

    real: np.ndarray
    made: np.ndarray
    judge: str | None


def frechet(game: MultiPlayerModel, examples: Examples, recipe: Recipe) -> float:
    """Returns the Fréchet distance in a judge's features; of a translator the directions' mean."""
    return _mean(frechet_distance, _features, _compared(game, examples, recipe))


def kernel(game: MultiPlayerModel, examples: Examples, recipe: Recipe) -> float:
    """Returns the kernel distance, KID, in a judge's features, as `frechet` does."""
    return _mean(kernel_distance, _features, _compared(game, examples, recipe))


def kernel_of_pixels(game: MultiPlayerModel, examples: Examples, recipe: Recipe) -> float:
    """Returns the kernel distance of pixels from 0 to 1, where no judge knows the images.

    It tells of brightness, contrast and coarse shape more than of what is shown.
    """
    return _mean(
        kernel_distance,
        lambda compared: (flat_pixels(compared.real), flat_pixels(compared.made)),
        _compared(game, examples, recipe),
    )


def _mean(
    distance: Callable[[np.ndarray, np.ndarray], float],
    rows: Callable[[_Compared], tuple[np.ndarray, np.ndarray]],
    compared: Iterable[_Compared],
) -> float:
    found = []
    for one in compared:
        real, made = rows(one)
        found.append(distance(made, real))
    return float(np.mean(found))


def _compared(game: MultiPlayerModel, examples: Examples, recipe: Recipe) -> Iterator[_Compared]:
    source, held = data.source(recipe.data.name), examples.validation
    if isinstance(source, data.Pair):
        networks = game.published_networks()
        for name, a, b in (("g_ab", "a", "b"), ("g_ba", "b", "a")):
            domain = source.domains[b]
            images = [held[f"{one}/image"][:MEASURED] for one in (b, a)]
            count = min(map(len, images))
            made = _drawn(networks[name], from_pixels(images[1][:count].astype(np.float32)))
            real, made = (data.as_judged(one, domain) for one in (images[0][:count], made))
            yield _Compared(real, made, domain.judge)
        return
    real = held["image"][:MEASURED]
    yield _Compared(real, generated(game, len(real)), source.judge)


def generated(game: MultiPlayerModel, count: int) -> np.ndarray:
    """Draws so many images, uint8, always from the same noise; classes come in turn."""
    if "generator" not in game.network_names:
        return game.sample(count)
    # With the statistics of batch norm that the stored model will have.
    generator = game.published_networks()["generator"]
    return _drawn(generator, draw_rows(range(count), game.latent_dim, game.classes))


def _drawn(network: keras.Model, rows: np.ndarray) -> np.ndarray:
    """Runs a network whose answers are images in [-1, 1]."""
    return to_pixels(_answers(network, rows))


def _answers(network: keras.Model, rows: np.ndarray) -> np.ndarray:
    """Runs a network some rows at a time; its main output, float32."""
    parts = (rows[start : start + _AT_ONCE] for start in range(0, len(rows), _AT_ONCE))
    answers = (split_outputs(network(part, training=False))[0] for part in parts)
    return np.concatenate([ops.convert_to_numpy(ops.cast(one, "float32")) for one in answers])


def _features(compared: _Compared) -> tuple[np.ndarray, np.ndarray]:
    assert compared.judge is not None, "objectives_of offers it where there is a judge"
    real = np.ascontiguousarray(compared.real)
    known = _features_of_real(compared.judge, real.tobytes(), real.shape)
    return known, _judge(compared.judge).features(compared.made)


@functools.lru_cache(maxsize=4)
def _features_of_real(judge: str, pixels: bytes, shape: tuple[int, ...]) -> np.ndarray:
    """The same validation images come back after every epoch of every trial."""
    return _judge(judge).features(np.frombuffer(pixels, np.uint8).reshape(shape))


@functools.lru_cache(maxsize=2)
def _judge(name: str) -> Classifier:
    pipeline = make_pipeline(*store.load(name))
    assert isinstance(pipeline, Classifier)
    return pipeline


# How well a classifier of another domain does, as far as nobody tells it the labels there.


def target_information(game: MultiPlayerModel, examples: Examples, recipe: Recipe) -> float:
    """Returns the mutual information of target images and predicted classes, in nats.

    I = H(mean of p) - mean of H(p), from 0 to the logarithm of the number of classes, over the
    scores p of the target's validation images. Shi and Sha 2012 (Information-theoretical learning
    of discriminative clusters for unsupervised domain adaptation, ICML) take it for a proxy of the
    target's error and choose hyperparameters by it. Mean entropy alone is best for a network that
    calls everything one class, and that adversarial adaptation can end so; the first term forbids
    it. Weighting the source's error by the ratio of densities needs domains that overlap, which
    features that were aligned badly do not.

    It supposes that all classes are about as frequent in the target, and cannot tell sure answers
    from right ones: beside it look at `val_source_accuracy`.
    """
    return information(_scores(game, examples.validation["target/image"]))


def information(scores: np.ndarray) -> float:
    """Returns H(mean of p) - mean of H(p) of rows of scores (n, classes), in nats."""
    p = np.asarray(scores, np.float64)
    return float(_entropy(p.mean(axis=0)) - np.mean(_entropy(p)))


def _entropy(p: np.ndarray) -> np.ndarray:
    return -np.sum(p * np.log(np.maximum(p, 1e-300)), axis=-1)


def source_accuracy(game: MultiPlayerModel, examples: Examples, recipe: Recipe) -> float:
    """Returns the accuracy on validation images of the source, whose labels are known."""
    held = examples.validation
    return accuracy(_scores(game, held["source/image"]), held["source/label"])


def oracle_target_accuracy(game: MultiPlayerModel, examples: Examples, recipe: Recipe) -> float:
    """Returns the accuracy on validation images of the target, by labels that are to be unknown.

    They are of the target's training split. What is chosen by it is no unsupervised adaptation: it
    is for studies of the other criteria.
    """
    shift = data.PAIRS.get(recipe.data.name)
    labels = data.load(shift.b.dataset, "train", ["label"])["label"]
    # The cut depends on the number of examples alone.
    held = cut_validation({"image": labels}, recipe.data.validation)[1]["image"]
    return accuracy(_scores(game, examples.validation["target/image"]), held)


def _scores(game: MultiPlayerModel, images: np.ndarray) -> np.ndarray:
    """Returns a classifier's scores of uint8 images, (n, classes), by its averaged weights."""
    with game.averaged_weights():
        parts = [images[at : at + _AT_ONCE] for at in range(0, len(images), _AT_ONCE)]
        logits = np.concatenate([_answers(game.network, one.astype(np.float32)) for one in parts])
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)


# What an answer costs.


def parameters(game: MultiPlayerModel, examples: Examples, recipe: Recipe) -> float:
    """Returns the number of parameters of the networks that inference needs."""
    return float(count_parameters(game))


def count_parameters(game: MultiPlayerModel) -> int:
    """Returns the number of parameters of the networks that inference needs.

    A discriminator that is stored beside is none of them.
    """
    return sum(network.count_params() for network in _inferring(game))


def flops(game: MultiPlayerModel, examples: Examples, recipe: Recipe) -> float:
    """Returns the floating-point operations of one answer, see `zoo.metrics.costs.flops`.

    Raises:
        RecipeError: for a network of layers that cannot be counted.
    """
    counted = count_flops(_only(game))
    if counted is None:
        raise RecipeError(f"the operations of {recipe.architecture} cannot be counted")
    return float(counted)


def latency_ms(game: MultiPlayerModel, examples: Examples, recipe: Recipe) -> float:
    """Returns the milliseconds of one answer on this machine, a median of repeated calls."""
    from zoo.runtime import compile_network

    network = _only(game)
    run = compile_network(network)
    row = np.zeros((1, *network.input_shape[1:]), np.float32)
    return 1000 * median_seconds(lambda: run(row))


def _inferring(game: MultiPlayerModel) -> list[keras.Model]:
    return [getattr(game, name) for name in game.published if name != "discriminator"]


def _only(game: MultiPlayerModel) -> keras.Model:
    (network,) = _inferring(game)
    return main_output(network)
