"""How far apart seeds of the MNIST models end, and what training does when the rate doubles.

Every recipe is trained to its end with three seeds at its own rate, and with the first of them at
twice that. Its images are measured as `zoo evaluate` does: 10,000 of them against the test split,
in the features of the data set's judge. A training whose losses stop being finite counts as broken,
with its step. Where a model is stored that the very recipe made, with its seed, that is measured.

Each point is kept as it is done, and a training that was broken off goes on from its last epoch;
the command given again goes on with the rest.
"""

from __future__ import annotations

import dataclasses
import math
import shutil
import statistics
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import keras

from benchmarks.judges import judged, real_features
from benchmarks.measure import Row
from benchmarks.points import key_of, read_points, write_points
from benchmarks.trainings import begun_or_new, digest_of
from zoo import data, paths, registry, store
from zoo.latents import draw_rows, to_pixels
from zoo.metrics.frechet import frechet_distance
from zoo.metrics.kernel import kernel_distance
from zoo.metrics.manifold import manifold_scores
from zoo.recipe import Recipe
from zoo.runs import resolved
from zoo.runtime import compile_network
from zoo.training.broken import BrokenTrainingError
from zoo.training.run import fit_run

# The table has a column for each.
SIDE_BY_SIDE = True
RECIPES = ("gan.mnist", "dcgan.mnist")
SEEDS = (1, 2, 3)
# Seeds at the doubled rate, beside the recipe's own.
DOUBLED = SEEDS[:1]
# Of several seeds the worst is the one with the largest distance, or the smallest recall.
WORST = {"fd": max, "kid": max, "recall": min}
_COUNT = 10_000
_QUICK = {"data.limit": 1024, "epochs": 1}


@dataclasses.dataclass(frozen=True)
class Point:
    """One training, as a line of the table of points.

    Args:
        recipe: The recipe's name.
        digest: Of all that it says, so that a point of another recipe is none of this one.
        factor: What its rate was multiplied by.
        seed: Its seed.
        steps: How long it was to be trained.
        count: Images that were measured.
        fd: Fréchet distance; not a number for a broken training, like the next two.
        kid: Kernel distance.
        recall: Share of real images inside the manifold of the generated ones.
        broken: The first step with a loss that is not finite, 0 for none.
        seconds: How long its whole epochs took.
    """

    recipe: str
    digest: str
    factor: float
    seed: int
    steps: int
    count: int
    fd: float = math.nan
    kid: float = math.nan
    recall: float = math.nan
    broken: int = 0
    seconds: float = 0.0


def rows(quick: bool) -> list[Row]:
    """The mean and the worst of the seeds, for each recipe and rate."""
    name = "stability-quick" if quick else "stability"
    table = paths.home() / "benchmarks" / f"{name}.csv"
    trainings = [(1.0, seed) for seed in (SEEDS[:1] if quick else SEEDS)]
    trainings += [(2.0, seed) for seed in DOUBLED]
    points = measured(table, RECIPES, trainings, quick)
    print(f"points in {table}", file=sys.stderr)
    return summary(points)


def measured(
    table: Path,
    recipes: Sequence[str],
    trainings: Sequence[tuple[float, int]],
    quick: bool = False,
) -> list[Point]:
    """Returns all points: those in the table as they are, the others measured and added.

    Args:
        table: Where points are kept.
        recipes: Names of recipes.
        trainings: Of each: by what its rate is multiplied, and the seed.
        quick: Whether to train and measure as little as will do.
    """
    done = {key_of(point): point for point in read_points(table, Point)}
    found = []
    for name in recipes:
        for factor, seed in trainings:
            recipe = with_rate(registry.recipes().get(name), factor)
            recipe = recipe.override({"seed": seed, **(_QUICK if quick else {})})
            point = wanted(recipe, factor, 500 if quick else _COUNT)
            if key_of(point) not in done:
                point = of_stored(point, recipe) or train_and_measure(
                    point, recipe, table.with_suffix("")
                )
                done[key_of(point)] = point
                write_points(table, done.values())
                print(_said(point), file=sys.stderr)
            found.append(done[key_of(point)])
    return found


def with_rate(recipe: Recipe, factor: float) -> Recipe:
    """Multiplies every rate of a recipe."""
    parts = [("optimizer", recipe.optimizer)]
    parts += [(f"players.{player}", part) for player, part in recipe.players.items()]
    return recipe.override(
        {
            f"{path}.learning_rate": factor * part["learning_rate"]
            for path, part in parts
            if "learning_rate" in part
        }
    )


def wanted(recipe: Recipe, factor: float, count: int) -> Point:
    """Returns the point of a training that is still to come."""
    spec = recipe.data
    examples = spec.limit or data.get(spec.name).splits["train"] - spec.validation
    steps = recipe.epochs * (spec.repeat * examples // recipe.batch_size)
    return Point(recipe.name, digest_of(recipe), factor, recipe.seed, steps, count)


def of_stored(point: Point, recipe: Recipe) -> Point | None:
    """Measures the newest stored model of a recipe if it was made by that recipe, or gives None."""
    if not store.names(recipe.name):
        return None
    card, networks = store.load(recipe.name)
    if Recipe.from_dict(card.recipe) != resolved(recipe):
        return None
    found: dict[str, Any] = distances(networks["generator"], recipe.data.name, point.count)
    return dataclasses.replace(point, **found, seconds=float(card.training["seconds"]))


def train_and_measure(point: Point, recipe: Recipe, folder: Path) -> Point:
    """Trains one model and measures its images.

    Args:
        point: What is wanted.
        recipe: What to train.
        folder: Where runs are kept until they are done.
    """
    keras.backend.clear_session()
    folder = folder / f"{recipe.name}-{point.factor:g}-{recipe.seed}"
    run = begun_or_new(recipe, folder)
    try:
        fit_run(run, verbose=0)
    except BrokenTrainingError as error:
        found: dict[str, Any] = {"broken": error.step}
    else:
        assert run.model is not None
        network = run.model.published_networks()["generator"]
        found = distances(network, recipe.data.name, point.count)
    seconds = sum(epoch["seconds"] for epoch in run.history)
    shutil.rmtree(folder)
    return dataclasses.replace(point, **found, seconds=round(seconds, 1))


def distances(generator: keras.Model, source: str, count: int) -> dict[str, float]:
    """Measures a generator against the test split of its data set."""
    latents = draw_rows(range(count), generator.input_shape[-1])
    images = to_pixels(compile_network(generator, smallest=8)(latents))
    real = real_features(source, count)
    generated = judged(source).of(images)
    return {
        "fd": round(frechet_distance(generated, real), 6),
        "kid": round(kernel_distance(generated, real), 7),
        "recall": round(manifold_scores(real, generated).recall, 5),
    }


def summary(points: Iterable[Point]) -> list[Row]:
    """Rows of each measure: mean and worst of the seeds that ended, and how many broke."""
    groups: dict[tuple[str, float], list[Point]] = {}
    for point in points:
        groups.setdefault((point.recipe, point.factor), []).append(point)
    found = []
    for (recipe, factor), members in groups.items():
        whole = [point for point in members if not point.broken]
        what = f"{recipe}, rate x{factor:g}"
        for measure, worst in WORST.items():
            values = [getattr(point, measure) for point in whole]
            if values:
                half = (max(values) - min(values)) / 2
                found += [
                    Row(f"{what}: {measure}", "mean", statistics.fmean(values), "", half),
                    Row(f"{what}: {measure}", "worst", worst(values), "", 0.0),
                ]
        broken = len(members) - len(whole)
        found.append(Row(f"{what}: broken of {len(members)}", "mean", broken, "", 0.0))
    return found


def _said(point: Point) -> str:
    what = f"{point.recipe}, rate x{point.factor:g}, seed {point.seed}"
    if point.broken:
        return f"{what}: not finite from step {point.broken} of {point.steps} on"
    return (
        f"{what}: fd {point.fd:.4g}, kid {point.kid:.4g}, recall {point.recall:.3f} "
        f"({point.seconds:.0f} s)"
    )
