"""Digits from one domain to another: every neural method of adaptation, and its two bounds.

For each of the three shifts one network is trained by each method, alike in all but the method: the
backbone, optimizer, steps and augmentation are those of the shift's registered recipe. The full
training sets are used, the epoch is the last, options of the methods are their defaults, and no
label of the target is anywhere but in the upper bound, `target`, which learns from nothing else.
The lower one, `source_only`, never sees the target; ADDA begins from it.

The accuracy is that on the target's test split. Beside it are the accuracy on the source's, and
distances of the features of both test splits: the proxy A-distance, the squared MMD with the median
bandwidth, and the CORAL distance. Rows of `source_only` say what these were before adaptation.

Each point is kept as it is done, and a training that was broken off goes on from its last epoch;
the command given again goes on with the rest.
"""

from __future__ import annotations

import dataclasses
import math
import shutil
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from benchmarks.measure import Row, over_seeds
from benchmarks.points import key_of, read_points, write_points
from benchmarks.trainings import digest_of, trained
from zoo import data, files, paths, registry, store
from zoo.adaptation import InvalidDomainError, squared_mmd
from zoo.metrics.classification import accuracy
from zoo.metrics.domains import coral_distance, proxy_a_distance
from zoo.recipe import Recipe
from zoo.runtime import compile_network
from zoo.training.broken import BrokenTrainingError
from zoo.training.publish import make_card

# The table has a column for each method.
SIDE_BY_SIDE = True
# The recipe that says how a shift's networks are trained; its method is what is drawn.
BASES = {
    "mnist_to_mnist_m": "lenet5.mnist_to_mnist_m-dann",
    "mnist_to_usps": "small_cnn.mnist_to_usps-cdan",
    "usps_to_mnist": "small_cnn.usps_to_mnist-cdan",
}
SOURCE_ONLY, TARGET = "source_only", "target"
METHODS: dict[str, dict[str, Any]] = {
    SOURCE_ONLY: {"name": "source_only"},
    "deep_coral": {"name": "deep_coral"},
    "dan": {"name": "dan"},
    "dann": {"name": "dann"},
    "cdan": {"name": "cdan"},
    "adda": {"name": "adda"},
    TARGET: {"name": "source_only", "source_weight": 0.0},
}
SEEDS = (1, 2, 3)
# More than any class of a target has.
ALL = 100_000
PICTURE = Path(__file__).parents[1] / "docs" / "adaptation.png"
# What a row of the table is made of, and its unit.
MEASURES = {
    "accuracy": "% of target",
    "source_accuracy": "% of source",
    "a_distance": "",
    "mmd": "",
    "coral": "",
}
# Test images of each domain whose features are compared, and that are drawn.
_COMPARED, _DRAWN = 2000, 500
_QUICK = {"data.limit": 256, "epochs": 1}


@dataclasses.dataclass(frozen=True)
class Point:
    """One training, as a line of the table of points.

    Args:
        shift: Which domains.
        method: Its name here.
        digest: Of all that its recipe says, so that a point of another recipe is none of this one.
        seed: Its seed.
        accuracy: On the target's test split, in [0, 1]; not a number for a broken training, like
            all that follow.
        source_accuracy: On the source's.
        a_distance: Proxy A-distance of the features.
        mmd: Their squared MMD.
        coral: Their CORAL distance.
        broken: The first step with a loss that is not finite, 0 for none.
        seconds: How long its whole epochs took.
    """

    shift: str
    method: str
    digest: str
    seed: int
    accuracy: float = math.nan
    source_accuracy: float = math.nan
    a_distance: float = math.nan
    mmd: float = math.nan
    coral: float = math.nan
    broken: int = 0
    seconds: float = 0.0


def rows(quick: bool) -> list[Row]:
    """The mean of each measure over the seeds, with its sample deviation."""
    for shift in BASES:
        for name in data.sets_of(shift):
            data.require(name)
    table = paths.home() / "benchmarks" / f"digits_adaptation{'-quick' if quick else ''}.csv"
    points = measured(table, BASES, METHODS, SEEDS[:1] if quick else SEEDS, quick)
    picture = table.with_suffix(".png") if quick else PICTURE
    draw(table.with_suffix(""), picture)
    print(f"points in {table}, picture in {picture}", file=sys.stderr)
    return summary(points)


def measured(
    table: Path,
    shifts: Iterable[str],
    methods: Iterable[str],
    seeds: Sequence[int],
    quick: bool = False,
) -> list[Point]:
    """Returns all points: those in the table as they are, the others measured and added."""
    done = {key_of(point): point for point in read_points(table, Point)}
    found = []
    for shift in shifts:
        for method in methods:
            for seed in seeds:
                recipe = recipe_of(shift, method, seed, quick)
                point = Point(shift, method, digest_of(recipe), seed)
                if key_of(point) not in done:
                    point = train_and_measure(point, recipe, table.with_suffix(""), quick)
                    done[key_of(point)] = point
                    write_points(table, done.values())
                    print(_said(point), file=sys.stderr)
                found.append(done[key_of(point)])
    return found


def recipe_of(shift: str, method: str, seed: int, quick: bool = False) -> Recipe:
    """Returns the recipe of a training: that of the shift, but for the method."""
    base = registry.recipes().get(BASES[shift])
    suffix = f"{method}_{seed}" + ("_quick" if quick else "")
    recipe = base.override(
        {
            "name": f"{base.architecture}.{shift}-{suffix}",
            "method": METHODS[method],
            "seed": seed,
            "data.per_class": ALL if method == TARGET else None,
            **(_QUICK if quick else {}),
        }
    )
    if method != "adda":
        return recipe
    source = recipe_of(shift, SOURCE_ONLY, seed, quick).name
    return recipe.override({"parents": {"source": {"model": source}}})


def train_and_measure(point: Point, recipe: Recipe, folder: Path, quick: bool = False) -> Point:
    """Trains one network and measures it; that of the lower bound is stored, for ADDA.

    Args:
        point: What is wanted.
        recipe: What to train.
        folder: Where runs are kept until they are done, and features for good.
        quick: As for `recipe_of`.
    """
    if point.method == "adda":
        _require_parent(point, folder, quick)
    try:
        run = trained(recipe, folder)
    except BrokenTrainingError as error:
        shutil.rmtree(folder / recipe.name)
        return dataclasses.replace(point, broken=error.step)
    assert run.model is not None
    networks = run.model.published_networks()
    if point.method == SOURCE_ONLY:
        store.save(make_card(run, networks), networks)
    found, features = compared(networks["network"], point.shift)
    if point.seed == SEEDS[0]:
        with files.atomic_path(folder / f"{point.shift}-{point.method}.npz") as temporary:
            kept = {key: rows[:_DRAWN] for key, rows in features.items()}
            np.savez(temporary, **kept)  # type: ignore[arg-type]
    seconds = sum(epoch["seconds"] for epoch in run.history)
    shutil.rmtree(folder / recipe.name)
    return dataclasses.replace(point, **found, seconds=round(seconds, 1))


def _require_parent(point: Point, folder: Path, quick: bool) -> None:
    """Trains and stores what ADDA begins from where it is not stored any more."""
    recipe = recipe_of(point.shift, SOURCE_ONLY, point.seed, quick)
    if recipe.name not in store.names():
        train_and_measure(Point(point.shift, SOURCE_ONLY, "", point.seed), recipe, folder, quick)


def compared(network: keras.Model, shift: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Measures a network on both test splits of a shift, and returns its features of them."""
    test = data.load_pair(shift, "test")
    scores, features = compile_network(network), compile_network(network, layer="features")
    shares: dict[str, float] = {}
    made: dict[str, np.ndarray] = {}
    for prefix, domain in (("a", "source"), ("b", "target")):
        images = test[f"{prefix}/image"].astype(np.float32)
        shares[domain] = accuracy(scores(images), test[f"{prefix}/label"])
        made[domain] = features(images[:_COMPARED])
    sides = (made["source"], made["target"])
    found = {
        "accuracy": shares["target"],
        "source_accuracy": shares["source"],
        "a_distance": proxy_a_distance(*sides),
        "mmd": _mmd(*sides),
        "coral": coral_distance(*sides),
    }
    return {key: round(value, 6) for key, value in found.items()}, made


def _mmd(one: np.ndarray, other: np.ndarray) -> float:
    try:
        return squared_mmd(one, other)
    except InvalidDomainError:
        # Features of which most are alike have no median distance to take for a bandwidth.
        return math.nan


def summary(points: Iterable[Point]) -> list[Row]:
    """Rows of each measure by shift and method; accuracies in percent; and how many broke."""
    groups: dict[tuple[str, str], list[Point]] = {}
    for point in points:
        groups.setdefault((point.shift, point.method), []).append(point)
    found = []
    for (shift, method), members in groups.items():
        whole = [point for point in members if not point.broken]
        for measure, unit in MEASURES.items():
            factor = 100 if unit else 1
            values = [factor * getattr(point, measure) for point in whole]
            if values:
                found.append(over_seeds(f"{shift}: {measure}", method, values, unit))
        if len(whole) < len(members):
            broken = len(members) - len(whole)
            found.append(Row(f"{shift}: broken of {len(members)}", method, broken, "", 0.0))
    return found


def draw(folder: Path, path: Path) -> None:
    """Draws the features of both domains in the plane, before and after adaptation.

    A row for each shift: the lower bound, then the method of the shift's recipe. The plane is that
    of t-SNE, which keeps neighbours together; each panel has one of its own.

    Args:
        folder: With the features of the first seed. What is not there is left empty.
        path: The PNG.
    """
    # The object interface draws without a window system and keeps no global state.
    from matplotlib.figure import Figure
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    figure = Figure(figsize=(8.4, 3.6 * len(BASES)), layout="constrained")
    for number, (shift, base) in enumerate(BASES.items()):
        after = registry.recipes().get(base).method["name"]
        for column, method in enumerate((SOURCE_ONLY, after), start=1):
            panel = figure.add_subplot(len(BASES), 2, 2 * number + column)
            panel.set_title(f"{shift}, {method}")
            panel.set_xticks([])
            panel.set_yticks([])
            file = folder / f"{shift}-{method}.npz"
            if not file.is_file():
                continue
            with np.load(file, allow_pickle=False) as kept:
                source, target = kept["source"], kept["target"]
            rows = np.concatenate([source, target])
            perplexity = min(30.0, (len(rows) - 1) / 3)
            with threadpool_limits(1):  # Its threads wait for each other where cores are few.
                plane = TSNE(2, perplexity=perplexity, random_state=0).fit_transform(rows)
            for domain, points in zip(
                ("source", "target"), np.split(plane, [len(source)]), strict=True
            ):
                panel.scatter(points[:, 0], points[:, 1], s=4, label=domain)
            panel.legend(markerscale=3)
    with files.atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=90)


def _said(point: Point) -> str:
    what = f"{point.shift}, {point.method}, seed {point.seed}"
    if point.broken:
        return f"{what}: not finite from step {point.broken} on"
    return (
        f"{what}: target {100 * point.accuracy:.2f}%, source {100 * point.source_accuracy:.2f}%, "
        f"A-distance {point.a_distance:.2f} ({point.seconds:.0f} s)"
    )
