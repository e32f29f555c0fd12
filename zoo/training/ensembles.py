"""Ensembles: members trained one after another, each on a sample of the examples, kept as one."""

from __future__ import annotations

import json
import sys
from typing import Any

import keras
import numpy as np

from zoo import data, files, registry
from zoo.backend import import_backend
from zoo.errors import RecipeError, ZooError
from zoo.layers.ensemble import averaged, voted
from zoo.metrics import classification
from zoo.recipe import Recipe
from zoo.runs import Run, locked
from zoo.training import distribution
from zoo.training.callbacks import CHECKPOINT
from zoo.training.classification import Supervised
from zoo.training.run import fit_run, training_arrays

MEMBERS = "members.json"

_BOOTSTRAP_SEED = 1618


def fit_members(
    run: Run,
    verbose: int | str = "auto",
    callbacks: Any = (),
    devices: int | None = None,
    arrays: tuple[data.Arrays, data.Arrays | None] | None = None,
) -> Run:
    """Trains the members of a run's ensemble and puts them together.

    `bagging` trains each on a bootstrap sample of the examples and averages the scores (Breiman
    1996, Bagging predictors). `samme` draws the sample of a member with the weights that the
    members before it gave the examples, and weighs votes (Zhu et al. 2009, Multi-class AdaBoost):
    boosting by resampling, which any loss and method can be trained with.

    Every member is a run of its own in a folder of this one, with a seed of its own; members that
    are done are not trained again. Each is measured on the validation examples or, where the
    recipe has none, on those its sample left out.

    Args:
        run: Of a recipe with an `ensemble`.
        verbose, callbacks, devices, arrays: As for `fit_run`.

    Raises:
        RecipeError: for a recipe that is not a classifier's, or several processes.
        ZooError: as for `fit_run`; or when the first member of SAMME is no better than chance.
    """
    recipe = run.recipe
    if registry.architectures().get(recipe.architecture).task != "classification":
        raise RecipeError(f"an ensemble has classifiers for members; {recipe.architecture} is none")
    if distribution.process_count() > 1:
        raise RecipeError("an ensemble is trained by one process")
    if recipe.data.images is not None:
        raise RecipeError("the members of an ensemble learn from labels, and data.images has none")
    import_backend(recipe.backend)
    train, validation = arrays or training_arrays(recipe)
    if "label" not in train:
        raise RecipeError(f"members of an ensemble learn from one data set, not {recipe.data.name}")
    classes = len(data.labels(recipe.data))
    boosting = recipe.ensemble["name"] == "samme"
    count = len(train["label"])
    weights = np.full(count, 1 / count)
    networks: list[keras.Model] = []
    run.history, run.members, run.compile_seconds = [], [], 0.0
    with locked(run.folder):
        for number in range(1, recipe.ensemble["members"] + 1):
            if verbose:
                print(f"member {number} of {recipe.ensemble['members']}", flush=True)
            drawn = bootstrap(weights, recipe.seed, number)
            sample = {key: value[drawn] for key, value in train.items()}
            member = _member_run(run, number)
            fit_run(member, verbose, callbacks, devices, arrays=(sample, validation))
            assert member.model is not None
            network = member.model.published_networks()["network"]
            facts: dict[str, Any] = {"member": number}
            if boosting:
                wrong = _scores(network, train["image"]).argmax(axis=1) != train["label"]
                vote, weights = samme_step(weights, wrong, classes)
                if vote <= 0:
                    _end_boosting(number)
                    break
                facts["vote"] = round(vote, 6)
            networks.append(network)
            run.members.append({**facts, **_measured(network, train, validation, drawn)})
            _gather(run, member)
        ends = [files.sha256(_folder(run, m["member"]) / CHECKPOINT) for m in run.members]
        record = {"members": run.members, "checkpoints_sha256": ends}
        files.write_text(run.folder / MEMBERS, json.dumps(record, indent=2))
    if boosting:
        together = voted(networks, [member["vote"] for member in run.members])
    else:
        together = averaged(networks)
    run.model = Supervised(together, seed=recipe.seed)
    return run


def bootstrap(weights: np.ndarray, seed: int, member: int) -> np.ndarray:
    """Draws as many examples as there are, with replacement, with these probabilities.

    Returns:
        Their indices, int64 (n,): a function of the weights, the seed and the member's number.
    """
    rng = np.random.default_rng([_BOOTSTRAP_SEED, seed, member])
    return rng.choice(len(weights), size=len(weights), p=weights / weights.sum())


def samme_step(weights: np.ndarray, wrong: np.ndarray, classes: int) -> tuple[float, np.ndarray]:
    """Weighs a member's vote and then the examples (Zhu et al. 2009, algorithm 2, steps b to e).

    alpha = log((1 - err) / err) + log(K - 1), and the weights of wrong examples grow by e^alpha.
    The error counts as half an example at least: of a finite sample no less can be told.

    Args:
        weights: Of the examples (n,), summing to 1.
        wrong: Which of them the member gets wrong, booleans (n,).
        classes: K.

    Returns:
        The member's vote alpha, not above 0 where it is no better than chance; and the new
        weights, summing to 1.
    """
    error = max(float(weights[wrong].sum() / weights.sum()), 0.5 / len(weights))
    # For an error of 1 the logarithm has no end; below chance the value does not matter.
    odds = max(1 - error, 1e-12) / error
    vote = float(np.log(odds) + np.log(classes - 1))
    grown = weights * np.exp(vote * wrong)
    return vote, grown / grown.sum()


def _end_boosting(number: int) -> None:
    """Ends boosting at a member that is no better than chance, as no later one could follow it."""
    what = f"member {number} is no better than chance on its weighted examples"
    if number == 1:
        raise ZooError(f"{what}; SAMME needs members that learn: train for more epochs")
    print(f"zoo: {what}; boosting ends with the {number - 1} before it", file=sys.stderr)


def _folder(run: Run, number: int) -> Any:
    return run.folder / f"member{number}"


def _member_run(run: Run, number: int) -> Run:
    recipe: Recipe = run.recipe.override(
        {"ensemble": {}, "seed": (run.recipe.seed + number - 1) % 2**32}
    )
    folder = _folder(run, number)
    folder.mkdir(exist_ok=True)
    files.write_text(folder / "recipe.json", recipe.to_json())
    return Run(recipe, folder)


def _scores(network: keras.Model, images: np.ndarray) -> np.ndarray:
    from zoo.networks import with_scores
    from zoo.runtime import compile_network

    return compile_network(with_scores(network))(images)


def _measured(
    network: keras.Model,
    train: data.Arrays,
    validation: data.Arrays | None,
    drawn: np.ndarray,
) -> dict[str, Any]:
    split, held = "validation", validation
    if held is None:
        left_out = np.ones(len(train["label"]), bool)
        left_out[drawn] = False
        split, held = "out of bag", {key: value[left_out] for key, value in train.items()}
    count = len(held["label"])
    if not count:
        return {"split": split, "n": 0}
    right = classification.accuracy(_scores(network, held["image"]), held["label"])
    return {"accuracy": round(right, 6), "split": split, "n": count}


def _gather(run: Run, member: Run) -> None:
    """Adds a member's history to the ensemble's, whose epochs count on over the members."""
    done = len(run.history)
    run.history += [
        {"member": len(run.members), **row, "epoch": done + row["epoch"]} for row in member.history
    ]
    run.compile_seconds += member.compile_seconds
    run.devices = member.devices
