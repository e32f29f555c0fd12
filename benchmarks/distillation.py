"""Every way to distil beside the same student without a teacher, with all labels and a tenth.

A setting is a stored teacher and a student of less than a tenth of its parameters. Each method
trains that student for the same steps on the same images, with several seeds; what inner layers
teach is tried with labels and without the teacher's answers, to be seen by itself. Accuracies are
of the test split after the last epoch, so nothing is chosen by it. Whether a method differs from
the plain student is Welch's t test over the seeds, with Holm's correction for their number.

Each point is kept as it is done, and a training that was broken off goes on from its last epoch;
the command given again goes on with the rest.
"""

from __future__ import annotations

import dataclasses
import shutil
import statistics
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

import zoo
from benchmarks.measure import Row, deviation
from benchmarks.points import key_of, read_points, write_points
from benchmarks.significance import against
from benchmarks.trainings import digest_of, trained
from zoo import data, files, paths, registry, store
from zoo.cards import Metric
from zoo.metrics import classification
from zoo.metrics.costs import median_seconds
from zoo.networks import with_scores
from zoo.recipe import Recipe
from zoo.report import markdown_table
from zoo.runs import Run
from zoo.runtime import compile_network
from zoo.training.publish import make_card

SEEDS = (1, 2, 3)
PLAIN, BORN_AGAIN = "plain", ("born again", "born again twice")
# What a p is below where a difference counts as one.
LEVEL = 0.05
_QUICK = {"data.limit": 256, "epochs": 1}


@dataclasses.dataclass(frozen=True)
class Setting:
    """A student and its teachers.

    Args:
        title: In words.
        student: How the plain student is trained.
        teacher: The stored teacher.
        second: Another, for the methods of two.
        larger: The architecture that learns beside the student where both begin together.
        stages: Stages of student and teacher that are compared.
    """

    title: str
    student: Recipe
    teacher: str
    second: str
    larger: str
    stages: tuple[str, ...] = ("stage1", "stage2", "stage3")


@dataclasses.dataclass(frozen=True)
class Point:
    """One training, as a line of the table of points.

    Args:
        setting: The setting's title.
        method: What was tried.
        digest: Of the recipe, so that a point of another recipe is none of this one.
        seed: Its seed.
        per_class: Labelled images of each class, 0 for all.
        parameters: Of the student.
        accuracy: On the test split, in [0, 1].
        seconds: How long its epochs took.
    """

    setting: str
    method: str
    digest: str
    seed: int
    per_class: int
    parameters: int = 0
    accuracy: float = 0.0
    seconds: float = 0.0


def settings() -> tuple[Setting, ...]:
    """Returns what is compared."""
    clothes = registry.recipes().get("small_cnn.fashion_mnist").override({"epochs": 15})
    things = dataclasses.replace(
        registry.recipes().get("resnet20.cifar10"),
        name="resnet8.cifar10",
        architecture="resnet8",
        method={"name": "supervised"},
        epochs=30,
    )
    return (
        Setting(
            "Fashion-MNIST",
            clothes,
            "speednet.fashion_mnist",
            "resnet20.fashion_mnist",
            "resnet20",
        ),
        Setting("CIFAR-10", things, "speednet.cifar10", "resnet20.cifar10", "resnet20"),
    )


def methods(setting: Setting) -> dict[str, dict[str, Any]]:
    """Returns, by what it is called, what each method changes of the plain student's recipe."""
    smoothing = {"label_smoothing": setting.student.method.get("label_smoothing", 0.0)}
    teacher = {"teacher": {"model": setting.teacher}}
    both = {**teacher, "teacher2": {"model": setting.second}}

    def of_teacher(parents: Mapping[str, Any] = teacher, **options: Any) -> dict[str, Any]:
        method = {"name": "distillation", **smoothing, **options}
        return {"method": method, "parents": dict(parents)}

    def of_layers(*terms: Mapping[str, Any]) -> dict[str, Any]:
        return of_teacher(alpha=1.0, terms=[dict(term) for term in terms])

    def at(name: str, weight: float) -> list[dict[str, Any]]:
        return [{"name": name, "student": stage, "weight": weight} for stage in setting.stages]

    flows = [
        {"name": "fsp", "student": list(pair), "weight": 1.0}
        for pair in zip(setting.stages, setting.stages[1:], strict=False)
    ]
    last = setting.stages[-1]
    responses: dict[str, Any] = {"alpha": 0.1, "temperature": 4.0}
    return {
        PLAIN: {},
        "response": of_teacher(**responses),
        "logits": of_teacher(alpha=0.1, response="mse"),
        "two teachers, average": of_teacher(both, **responses),
        "two teachers, confidence": of_teacher(both, combine="confidence", **responses),
        "two teachers, best": of_teacher(both, combine="best", **responses),
        "hint": of_layers({"name": "hint", "student": last, "weight": 5.0}),
        "attention": of_layers(*at("attention", 5.0)),
        "fsp": of_layers(*flows),
        "rkd": of_layers(
            {"name": "rkd_distance", "student": "features", "weight": 25.0},
            {"name": "rkd_angle", "student": "features", "weight": 50.0},
        ),
        "similarity": of_layers({"name": "similarity", "student": last, "weight": 3000.0}),
        "response and similarity": of_teacher(
            terms=[{"name": "similarity", "student": last, "weight": 3000.0}], **responses
        ),
        "adversarial": {
            **of_teacher(),
            "method": {"name": "adversarial_distillation", **smoothing, **responses},
            # What suits a classifier with batch normalization is too much for two dense layers.
            "players": {"discriminator": {"learning_rate": 0.01, "weight_decay": 0.0}},
        },
        "mutual": {"method": {"name": "mutual", **smoothing}},
        "online": {
            "method": {
                "name": "online",
                "peers": [{"architecture": setting.larger}],
                **smoothing,
            }
        },
        "self": {"method": {"name": "self_distillation", **smoothing}},
        # Their teacher is the student of the same seed before them (Furlanello et al. 2018).
        BORN_AGAIN[0]: of_teacher({}, **responses),
        BORN_AGAIN[1]: of_teacher({}, **responses),
    }


def rows(quick: bool) -> list[Row]:
    """Mean accuracy of each method over the seeds; tables with the rest are written beside."""
    name = "distillation-quick" if quick else "distillation"
    table = paths.home() / "benchmarks" / f"{name}.csv"
    seeds = SEEDS[:1] if quick else SEEDS
    chosen = settings()[:1] if quick else settings()
    for setting in chosen:
        for needed in (setting.teacher, setting.second):
            store.find(needed)
        data.require(setting.student.data.name)
    found: list[Row] = []
    text = []
    for setting in chosen:
        for per_class in (0, tenth(setting.student)):
            points = measured(table, setting, per_class, seeds, quick)
            found += summary(points)
            text.append(as_table(setting, points))
    files.write_text(table.with_suffix(".md"), "\n\n".join(text) + "\n")
    print(f"points in {table}, tables in {table.with_suffix('.md')}", file=sys.stderr)
    return found


def tenth(recipe: Recipe) -> int:
    """Returns a tenth of the training images of a class."""
    return data.get(recipe.data.name).splits["train"] // (10 * len(data.labels(recipe.data)))


def recipe_of(
    setting: Setting, method: str, per_class: int, seed: int, quick: bool = False
) -> Recipe:
    """Returns the recipe of a point; all of a setting have as many steps."""
    recipe = setting.student.override(methods(setting)[method])
    if method in BORN_AGAIN:
        before = ((PLAIN, *BORN_AGAIN)[BORN_AGAIN.index(method)], per_class, seed)
        recipe = recipe.override(
            {"parents": {"teacher": {"model": _stored_name(setting.student, *before, quick)}}}
        )
    changed: dict[str, Any] = {
        "name": _stored_name(setting.student, method, per_class, seed, quick),
        "seed": seed,
    }
    if per_class:
        changed |= {"data.per_class": per_class, "data.repeat": 10}
    return recipe.override({**changed, **(_QUICK if quick else {})})


def _stored_name(student: Recipe, method: str, per_class: int, seed: int, quick: bool) -> str:
    words = method.replace(",", "").replace(" ", "_")
    part = f"{per_class}_each" if per_class else "all"
    made_of = f"{student.architecture}.{student.data.name}"
    return f"{made_of}-benchmark{'_quick' if quick else ''}-{words}-{part}-seed{seed}"


def measured(
    table: Path, setting: Setting, per_class: int, seeds: Sequence[int], quick: bool = False
) -> list[Point]:
    """Returns the points of a setting: those in the table as they are, the others made and added.

    Args:
        table: Where points are kept.
        setting: Student and teachers.
        per_class: Labelled images of each class, 0 for all.
        seeds: Each is a student of every method.
        quick: Whether to train as little as will do.

    Raises:
        UnknownModelError: for a student that is born again, when the one before it was stored once
            and is no longer.
    """
    done = {key_of(point): point for point in read_points(table, Point)}
    found = []
    for seed in seeds:
        for method in methods(setting):
            recipe = recipe_of(setting, method, per_class, seed, quick)
            point = Point(setting.title, method, digest_of(recipe), seed, per_class)
            if key_of(point) not in done:
                run = trained(recipe, table.with_suffix(""))
                keep = method in (PLAIN, BORN_AGAIN[0])
                parameters, accuracy = tested(run, stored=keep)
                shutil.rmtree(run.folder.parent)
                point = dataclasses.replace(
                    point,
                    parameters=parameters,
                    accuracy=round(accuracy, 6),
                    seconds=round(sum(epoch["seconds"] for epoch in run.history), 1),
                )
                done[key_of(point)] = point
                write_points(table, done.values())
                print(_said(point), file=sys.stderr)
            found.append(done[key_of(point)])
    return found


def _said(point: Point) -> str:
    labels = f"{point.per_class} a class" if point.per_class else "all labels"
    return (
        f"{point.setting}, {labels}, {point.method}, seed {point.seed}: "
        f"{100 * point.accuracy:.2f}% ({point.seconds:.0f} s)"
    )


def tested(run: Run, stored: bool = False) -> tuple[int, float]:
    """Returns a student's number of parameters and its accuracy on the test split.

    Args:
        run: A run that is trained.
        stored: Whether to store the student, to be the teacher of another.
    """
    assert run.model is not None
    network = run.model.published_networks()["network"]
    split = data.get(run.recipe.data.name).tests[0]
    test = data.examples(run.recipe.data, split)
    scores = compile_network(with_scores(network))(test["image"].astype(np.float32))
    accuracy = classification.accuracy(scores, test["label"])
    if stored:
        card = make_card(run, {"network": network})
        command = f"zoo evaluate {card.name}"
        metric = Metric("accuracy", accuracy, split, len(test["label"]), command)
        store.save(dataclasses.replace(card, metrics=(metric,)), {"network": network})
    return network.count_params(), accuracy


def summary(points: Iterable[Point]) -> list[Row]:
    """Rows of accuracies in percent: means over the seeds, sample deviations as their spread."""
    return [
        Row(f"{setting}, {_labels(per_class)}", method, mean, "% of test", spread)
        for (setting, per_class, method), (mean, spread, _) in _groups(points).items()
    ]


def _labels(per_class: int) -> str:
    return f"{per_class:,} labels a class" if per_class else "all labels"


def _groups(
    points: Iterable[Point],
) -> dict[tuple[str, int, str], tuple[float, float, list[float]]]:
    """Returns mean, sample deviation and the values of each method, in percent."""
    values: dict[tuple[str, int, str], list[float]] = {}
    for point in points:
        group = values.setdefault((point.setting, point.per_class, point.method), [])
        group.append(100 * point.accuracy)
    return {
        key: (statistics.fmean(found), deviation(found), found) for key, found in values.items()
    }


def significance(points: Sequence[Point]) -> dict[str, float]:
    """Returns for each method how likely so large a gap to the plain student is by chance.

    Args:
        points: Of one setting and one number of labels.

    Returns:
        As `benchmarks.significance.against`.
    """
    values = {method: found for (_, _, method), (_, _, found) in _groups(points).items()}
    return against(values.pop(PLAIN), values)


def as_table(setting: Setting, points: Sequence[Point]) -> str:
    """Returns a setting's points as a Markdown table, the teacher first."""
    header = ["method", "parameters", "ms", "accuracy, %", "to plain", "p", "seconds"]
    card, networks = store.load(setting.teacher)
    known = card.metric("accuracy")
    shape = (1, *networks["network"].input_shape[1:])
    lines = [
        [
            f"teacher, {card.name}",
            f"{sum(card.parameters.values()):,}",
            f"{_milliseconds(networks['network'], shape):.2f}",
            f"{100 * known.value:.2f}" if known else "",
            "",
            "",
            f"{card.training['seconds']:,}",
        ]
    ]
    chances = significance(points)
    groups = _groups(points)
    plain = next(mean for (_, _, method), (mean, _, _) in groups.items() if method == PLAIN)
    one = zoo.create(
        setting.student.architecture,
        shape[1:],
        len(data.labels(setting.student.data)),
        **setting.student.network,
    )
    latency = f"{_milliseconds(one, shape):.2f}"
    for (_, _, method), (mean, spread, _) in groups.items():
        own = [point for point in points if point.method == method]
        chance = chances.get(method)
        significant = chance is not None and chance < LEVEL
        lines.append(
            [
                method,
                f"{own[0].parameters:,}",
                latency,
                f"{mean:.2f} ± {spread:.2f}",
                "" if method == PLAIN else f"{mean - plain:+.2f}{' *' if significant else ''}",
                "" if chance is None else f"{chance:.2g}",
                f"{statistics.fmean(point.seconds for point in own):,.0f}",
            ]
        )
    title = f"{setting.title}, {_labels(points[0].per_class)}, {len(lines) - 1} methods"
    return f"{title}; * is a difference at {LEVEL:.0%}\n\n{markdown_table(header, lines)}"


def _milliseconds(network: keras.Model, shape: tuple[int, ...]) -> float:
    """Returns how long the answer to one image takes, in the function that serves."""
    answer, image = compile_network(network), np.zeros(shape, np.float32)
    return 1000 * median_seconds(lambda: answer(image))
