"""Hinton's digits: errors of 10,000, of a teacher, of students, and of one that never saw a 3.

After Hinton et al. 2015, section 3, whose errors are 67 of the teacher, 146 of the plain student
and 74 of the distilled one. The teacher is `mlp.mnist-teacher`, trained if it is not stored; of
students there are three seeds. The bias of the 3 is raised in two ways, each a line:

- until the student says 3 as often as there are threes: the mean of its probabilities over the
  training images, threes among them, is their share of these. No label of an image is looked at;
- by what makes fewest errors of the test images, as the paper has it: what that shows is that the
  student knows what a 3 is, not what it would score.

Each line is kept as it is done; the command given again goes on with the rest.
"""

from __future__ import annotations

import dataclasses
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import keras
import numpy as np

import zoo
from benchmarks.distillation import SEEDS
from benchmarks.measure import Row, over_seeds
from benchmarks.points import key_of, read_points, write_points
from benchmarks.trainings import digest_of, trained
from zoo import data, paths, registry, store
from zoo.evaluation.common import in_chunks
from zoo.recipe import Recipe
from zoo.runs import unfinished_runs
from zoo.runtime import compile_network

THREE = 3
_QUICK = {"data.limit": 1024, "epochs": 1}


@dataclasses.dataclass(frozen=True)
class Errors:
    """Errors of one network of 10,000 digits, as a line of the table.

    Args:
        what: Which network.
        digest: Of its recipe.
        seed: Its seed.
        errors: On all test images.
        of_three: On those of a 3.
        raised: By how much the bias of the 3 was raised.
    """

    what: str
    digest: str
    seed: int
    errors: int = 0
    of_three: int = 0
    raised: float = 0.0


def rows(quick: bool) -> list[Row]:
    """Mean errors over the seeds."""
    data.require("mnist")
    table = paths.home() / "benchmarks" / f"hinton{'-quick' if quick else ''}.csv"
    found = measured(table, SEEDS[:1] if quick else SEEDS, quick)
    print(f"lines in {table}", file=sys.stderr)
    return summary(found)


def recipes(seed: int, quick: bool = False) -> dict[str, Recipe]:
    """Returns the recipes of the experiment, by what the table calls them; the teacher's first."""
    few = _QUICK if quick else {}
    teacher = registry.recipes().get("mlp.mnist-teacher")
    if quick:
        teacher = teacher.override({**few, "name": f"{teacher.name}_quick"})
    base = registry.recipes().get("mlp.mnist-kd").override({"seed": seed, **few})
    base = base.override({"parents": {"teacher": {"model": teacher.name}}})
    plain = {"method": {"name": "supervised"}, "parents": {}, "name": "mlp.mnist-hinton_plain"}
    without = {"data.without": [THREE], "method.alpha": 0.0, "name": "mlp.mnist-hinton_without"}
    return {
        "teacher": teacher,
        "student, plain": base.override(plain),
        "student, distilled": base.override({"name": "mlp.mnist-hinton_kd"}),
        "student that saw no 3": base.override(without),
    }


def measured(table: Path, seeds: Sequence[int], quick: bool = False) -> list[Errors]:
    """Returns the errors of teacher and students; what is in the table is not trained again."""
    recipe = recipes(seeds[0], quick)["teacher"]
    teacher = recipe.name
    if teacher not in store.names():
        print(f"training {teacher} …", file=sys.stderr)
        zoo.train(recipe, resume=any(unfinished_runs(teacher)), verbose=0)
    _, networks = store.load(teacher)
    test = data.load("mnist", "test")
    found = [_counted(Errors("teacher", "", 0), _logits(networks["network"], test), test["label"])]
    done = {key_of(one): one for one in read_points(table, Errors)}
    for seed in seeds:
        chosen = recipes(seed, quick)
        for what in list(chosen)[1:]:
            digest = digest_of(chosen[what])
            line = Errors(what, digest, seed)
            if key_of(line) not in done:
                run = trained(chosen[what], table.with_suffix(""))
                assert run.model is not None
                network = run.model.published_networks()["network"]
                lines = lines_of(line, network, test)
                done |= {key_of(one): one for one in lines}
                shutil.rmtree(run.folder.parent)
                write_points(table, done.values())
            found += [one for one in done.values() if (one.digest, one.seed) == (digest, seed)]
    return found


def lines_of(line: Errors, network: keras.Model, test: Mapping[str, np.ndarray]) -> list[Errors]:
    """Returns a student's line and, of one that saw no 3, those with its bias raised.

    Args:
        line: What is measured.
        network: The student.
        test: The test images and their labels.
    """
    logits, label = _logits(network, test), test["label"]
    lines = [_counted(line, logits, label)]
    if "no 3" in line.what:
        train = data.load("mnist", "train")
        share = float(np.mean(train["label"] == THREE))
        by_share = raised_to_share(_logits(network, train), share)
        by_errors = fewest_errors(logits, label)
        for how, raised in (("by their share", by_share), ("by test errors", by_errors)):
            named = dataclasses.replace(line, what=f"{line.what}, bias raised {how}")
            lines.append(_counted(named, logits, label, raised))
    return lines


def raised_to_share(logits: np.ndarray, share: float) -> float:
    """Returns what makes the mean probability of a 3 this share, to a hundredth.

    Args:
        logits: Of images of all classes, (n, 10).
        share: Of threes among them, in (0, 1).
    """
    low, high = -20.0, 20.0
    while high - low > 0.01:
        middle = (low + high) / 2
        raised = logits.astype(np.float64)
        raised[:, THREE] += middle
        raised -= raised.max(axis=1, keepdims=True)
        scores = np.exp(raised)
        mean = float((scores[:, THREE] / scores.sum(axis=1)).mean())
        low, high = (middle, high) if mean < share else (low, middle)
    return (low + high) / 2


def fewest_errors(logits: np.ndarray, label: np.ndarray) -> float:
    """Returns the least of those tenths from 0 to 10 that make fewest errors."""
    line = Errors("", "", 0)
    tried = [_counted(line, logits, label, tenths / 10) for tenths in range(101)]
    return min(tried, key=lambda one: one.errors).raised


def _logits(network: keras.Model, examples: Mapping[str, np.ndarray]) -> np.ndarray:
    answer = compile_network(network)
    return in_chunks(lambda images: answer(images.astype(np.float32)), examples["image"])


def _counted(line: Errors, logits: np.ndarray, label: np.ndarray, raised: float = 0.0) -> Errors:
    bias = np.zeros(logits.shape[1], np.float32)
    bias[THREE] = raised
    wrong = (logits + bias).argmax(axis=1) != label
    return dataclasses.replace(
        line,
        errors=int(wrong.sum()),
        of_three=int(wrong[label == THREE].sum()),
        raised=round(raised, 2),
    )


def summary(lines: Iterable[Errors]) -> list[Row]:
    """Rows of errors of 10,000: means over the seeds, sample deviations as their spread."""
    groups: dict[str, list[Errors]] = {}
    for line in lines:
        groups.setdefault(line.what, []).append(line)
    found = []
    for what, members in groups.items():
        for unit, values in (
            ("errors", [one.errors for one in members]),
            ("of a 3", [one.of_three for one in members]),
        ):
            found.append(over_seeds("MNIST, Hinton's digits", what, values, unit))
    return found
