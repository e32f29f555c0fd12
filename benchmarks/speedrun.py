"""The speed run: how long `speednet.cifar10` trains here, and how good it is, over three seeds.

The clock runs from the built process to the last step: building, tracing and every epoch count;
reading the arrays from disk and measuring do not. What is measured is the network as it is stored,
on the held-out batch of CIFAR-10. The recipe was chosen on a validation cut of the other batches.
"""

from __future__ import annotations

import statistics
import sys
import time

from benchmarks.measure import Row
from zoo import data, registry
from zoo.metrics import classification
from zoo.networks import with_scores
from zoo.runs import new_run
from zoo.runtime import compile_network
from zoo.training.run import fit_run, training_arrays

RECIPE = "speednet.cifar10"
SEEDS = (1, 2, 3)


def rows(quick: bool) -> list[Row]:
    """A training for each seed, one after another."""
    base = registry.recipes().get(RECIPE)
    few = {"data.limit": 2 * base.batch_size, "epochs": 2} if quick else {}
    held, official = (data.examples(base.data, split) for split in data.get("cifar10").tests)
    minutes: list[float] = []
    accuracies: list[float] = []
    on_official: list[float] = []
    for seed in SEEDS[:1] if quick else SEEDS:
        recipe = base.override({**few, "seed": seed})
        arrays = training_arrays(recipe)
        began = time.perf_counter()
        run = fit_run(new_run(recipe), verbose=2, arrays=arrays)
        minutes.append((time.perf_counter() - began) / 60)
        assert run.model is not None
        network = run.model.published_networks()["network"]
        scores_of = compile_network(with_scores(network))
        for split, found in ((held, accuracies), (official, on_official)):
            found.append(100 * classification.accuracy(scores_of(split["image"]), split["label"]))
        print(
            f"seed {seed}: {minutes[-1]:.2f} min, {accuracies[-1]:.2f}% of {len(held['label'])} "
            f"held out, {on_official[-1]:.1f}% of the {len(official['label'])} official ones",
            file=sys.stderr,
        )
    return [
        _row("time to train", minutes, "min"),
        _row("accuracy, 10,000 held out", accuracies, "%"),
        _row("accuracy, 1,000 official test images", on_official, "%"),
    ]


def _row(what: str, values: list[float], unit: str) -> Row:
    """The mean over the seeds, with half the range as its spread."""
    return Row(what, RECIPE, statistics.fmean(values), unit, (max(values) - min(values)) / 2)
