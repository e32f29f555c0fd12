"""Accuracy against the number of labelled images, for each way to begin from another model.

After Yosinski et al. (2014) and Kornblith et al. (2019, figure 7): the same network, the same steps
and the same images for every policy. Images keep their own size, for the network is fully
convolutional; grey and colour are bridged as `zoo.training.transfer.begin_from` says. Test labels
choose nothing: what is measured is the network after its last step.

Each point is kept as it is done; the command given again goes on with the rest.
"""

from __future__ import annotations

import dataclasses
import logging
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

import zoo
from benchmarks.measure import Row, deviation, over_seeds
from benchmarks.points import key_of, read_points, write_points
from zoo import data, files, paths, store
from zoo.recipe import DataSpec, Recipe
from zoo.runs import unfinished_runs
from zoo.training.build import build_model
from zoo.transfer import pinned, transferred

# The table has a column for each policy.
SIDE_BY_SIDE = True
POLICIES = ("scratch", "freeze", "hybrid:stage2", "finetune")
SEEDS = (1, 2)
# Steps by labelled images of each class; None is all there are.
STEPS = {10: 400, 30: 400, 100: 400, 300: 500, None: 1000}
PICTURE = Path(__file__).parents[1] / "docs" / "transfer.png"
_BATCH = 32
_LEARNING: dict[str, Any] = {
    "optimizer": {
        "name": "SGD",
        "learning_rate": 0.1,
        "momentum": 0.9,
        "nesterov": True,
        "weight_decay": 2e-3,
    },
    "schedule": {"name": "cosine", "warmup": 0.1},
}


@dataclasses.dataclass(frozen=True)
class Pair:
    """From what to what.

    Args:
        title: In words.
        source: What the parent learned.
        target: What is to be learned.
        epochs: Epochs of the parent.
    """

    title: str
    source: DataSpec
    target: DataSpec
    epochs: int


@dataclasses.dataclass(frozen=True)
class Point:
    """One training, as a line of the table of points.

    Args:
        pair: The pair's title.
        parent: The stored model it began from; for `scratch`, whose network it has.
        policy: What was taken and learned on.
        per_class: Labelled images of each class, 0 for all.
        images: Labelled images of all classes.
        seed: Decides the choice of images, the initial weights and the order.
        steps: How long it was trained.
        accuracy: On the test split, in [0, 1].
        seconds: How long it took.
    """

    pair: str
    parent: str
    policy: str
    per_class: int
    images: int
    seed: int
    steps: int
    accuracy: float = 0.0
    seconds: float = 0.0


PAIRS = (
    Pair("MNIST to Bangla digits", DataSpec("mnist"), DataSpec("cmaterdb_bangla"), 2),
    Pair(
        "CIFAR-10: classes 0-4 to 5-9",
        DataSpec("cifar10", classes=[0, 1, 2, 3, 4]),
        DataSpec("cifar10", classes=[5, 6, 7, 8, 9]),
        10,
    ),
)


def rows(quick: bool) -> list[Row]:
    """The mean accuracy of each policy over the seeds, with its sample deviation."""
    # TensorFlow warns of every further network that it traces.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    seeds = (1,) if quick else SEEDS
    steps: dict[int | None, int] = {10: 4, 30: 4} if quick else STEPS
    for pair in PAIRS:
        for spec in (pair.source, pair.target):
            data.require(spec.name)
    name = "transfer-quick" if quick else "transfer"
    table = paths.home() / "benchmarks" / f"{name}.csv"
    points = []
    for pair in PAIRS:
        parent = trained_parent(pair, quick)
        points += measured(table, wanted_points(pair, parent, seeds, steps), pair)
    picture = table.with_suffix(".png") if quick else PICTURE
    draw(points, picture)
    print(f"points in {table}, picture in {picture}", file=sys.stderr)
    return summary(points)


def trained_parent(pair: Pair, quick: bool = False) -> str:
    """Returns the stored parent of a pair, which is trained if it is not there."""
    recipe = Recipe(
        name=f"resnet8.{pair.source.name}-{'quick' if quick else 'parent'}",
        architecture="resnet8",
        data=dataclasses.replace(pair.source, limit=256 if quick else None),
        batch_size=128,
        epochs=1 if quick else pair.epochs,
        **_LEARNING,
    )
    if recipe.name not in store.names():
        print(f"training {recipe.name} …", file=sys.stderr)
        zoo.train(recipe, resume=any(unfinished_runs(recipe.name)), verbose=0)
    return f"{recipe.name}@{store.versions(recipe.name)[-1]}"


def wanted_points(
    pair: Pair, parent: str, seeds: Sequence[int], steps: dict[int | None, int]
) -> list[Point]:
    """Lists what is to be measured of a pair, with accuracies still to come."""
    label = data.training_examples(pair.target)[0]["label"]
    return [
        Point(pair.title, parent, policy, per_class or 0, len(few(label, per_class, seed)), seed, n)
        for per_class, n in steps.items()
        for seed in seeds
        for policy in POLICIES
    ]


def few(label: np.ndarray, per_class: int | None, seed: int) -> np.ndarray:
    """Returns sorted positions of `per_class` examples of each class, other ones for each seed.

    Those of a smaller number are among those of a larger one. None takes all.
    """
    if per_class is None:
        return np.arange(len(label))
    orders = [
        np.random.default_rng([seed, one]).permutation(np.flatnonzero(label == one))
        for one in np.unique(label)
    ]
    return np.sort(np.concatenate([order[:per_class] for order in orders]))


def measured(table: Path, wanted: Sequence[Point], pair: Pair) -> list[Point]:
    """Returns the wanted points: those in the table as they are, the others measured and added."""
    done = {key_of(point): point for point in read_points(table, Point)}
    for number, point in enumerate(wanted, 1):
        if key_of(point) in done:
            continue
        began = time.perf_counter()
        accuracy = train_and_test(point, pair)
        seconds = round(time.perf_counter() - began, 1)
        point = dataclasses.replace(point, accuracy=round(accuracy, 6), seconds=seconds)
        done[key_of(point)] = point
        write_points(table, done.values())
        many = point.per_class or "all"
        what = f"{pair.title}, {many} a class, {point.policy}, seed {point.seed}"
        print(
            f"{number}/{len(wanted)} {what}: {100 * accuracy:.2f}% ({seconds} s)", file=sys.stderr
        )
    return [done[key_of(point)] for point in wanted]


def train_and_test(point: Point, pair: Pair) -> float:
    """Trains one network and returns its accuracy on the test split."""
    keras.backend.clear_session()
    base = Recipe(
        name=f"resnet8.{pair.target.name}",
        architecture="resnet8",
        data=pair.target,
        batch_size=_BATCH,
        epochs=1,
        seed=point.seed,
        **_LEARNING,
    )
    recipe = pinned(transferred(base, point.parent, point.policy))
    arrays = data.training_examples(pair.target)[0]
    chosen = few(arrays["label"], point.per_class or None, point.seed)
    arrays = {key: value[chosen] for key, value in arrays.items()}
    classes = len(data.labels(pair.target))
    model = build_model(recipe, arrays["image"], classes, point.steps)
    model.fit(
        # As many passes as there are steps: each has at least one batch.
        model.training_feed(arrays, _BATCH, point.seed, 0, point.steps),
        steps_per_epoch=point.steps,
        shuffle=False,
        verbose=0,
    )
    test = data.examples(pair.target, data.get(pair.target.name).tests[0])
    return float(model.evaluate(test, batch_size=500, verbose=0, return_dict=True)["accuracy"])


def summary(points: Sequence[Point]) -> list[Row]:
    """Rows of accuracies in percent: means over the seeds, sample deviations as their spread."""
    groups: dict[tuple[str, int, str], list[float]] = {}
    for point in points:
        group = groups.setdefault((point.pair, point.per_class, point.policy), [])
        group.append(100 * point.accuracy)
    found = []
    for (pair, per_class, policy), values in groups.items():
        what = f"{pair}, {per_class or 'all'} a class"
        found.append(over_seeds(what, policy, values, "% of test"))
    return found


def draw(points: Sequence[Point], path: Path) -> None:
    """Draws a panel for each pair: accuracy against labelled images of each class."""
    # The object interface draws without a window system and keeps no global state.
    from matplotlib.figure import Figure

    titles = list(dict.fromkeys(point.pair for point in points))
    figure = Figure(figsize=(4.8 * len(titles), 3.8), layout="constrained")
    panels = np.ravel(figure.subplots(1, len(titles)))
    for panel, title in zip(panels, titles, strict=True):
        own = [point for point in points if point.pair == title]
        classes = min(point.images / point.per_class for point in own if point.per_class)
        for policy in POLICIES:
            groups: dict[float, list[float]] = {}
            for point in own:
                if point.policy == policy:
                    group = groups.setdefault(point.images / classes, [])
                    group.append(100 * point.accuracy)
            panel.errorbar(
                list(groups),
                [statistics.fmean(group) for group in groups.values()],
                [deviation(group) for group in groups.values()],
                marker="o",
                markersize=4,
                capsize=3,
                label=policy,
            )
        places = sorted({point.images / classes for point in own})
        panel.set_xscale("log")
        panel.set_xticks(places, [f"{place:,.0f}" for place in places])
        panel.minorticks_off()
        panel.set_title(title)
        panel.set_xlabel("labelled images of each class")
        panel.grid(alpha=0.3)
    panels[0].set_ylabel("accuracy on the test split, %")
    panels[0].legend()
    with files.atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110)
