"""From a trained run to a stored model: measured, and kept with its card."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import keras

from zoo import data, files, registry, store
from zoo.cards import Card
from zoo.data.feed import epoch_length
from zoo.pipelines import make_pipeline, pipeline_of
from zoo.runs import Run, locked
from zoo.training.callbacks import CHECKPOINT, history_csv
from zoo.training.engine import MultiPlayerModel
from zoo.training.run import training_arrays, versions
from zoo.training.stopping import best_epoch


def publish(run: Run, root: Path | None = None) -> Run:
    """Measures what a run trained and stores it with its card, once.

    Args:
        run: From `fit_run`.
        root: Where to store; by default `$ZOO_HOME/models`.

    Raises:
        RecipeError: when what is to judge the result is not stored; the run stays as it is.
    """
    from zoo import evaluation, report
    from zoo.evaluation.common import require_judges

    assert run.model is not None, "publish takes what fit_run returned"
    require_judges(run.recipe)
    networks = run.model.published_networks()
    card = make_card(run, networks)
    with locked(run.folder):
        # A kill may have come between storing the version and writing that down.
        run.stored = store.find_equal(card, root or store.roots()[0])
        if run.stored is None:
            pipeline = make_pipeline(card, networks)
            measured = evaluation.measure(pipeline)
            extras = {
                **measured.pictures,
                "history.csv": history_csv(run.history).encode(),
                "history.png": report.history_png(run.history),
            }
            costs = evaluation.costs(pipeline)
            card = dataclasses.replace(card, metrics=measured.metrics, costs=costs)
            run.stored = store.save(card, networks, extras, root=root)
        files.write_text(run.folder / "finished", f"{card.name}@{run.stored.name}\n")
    return run


def make_card(run: Run, networks: Mapping[str, keras.Model]) -> Card:
    """Writes down what a run made; metrics are added when they are measured.

    Args:
        run: A run that is trained to its end, with its history and its checkpoint, or
            `members.json` of an ensemble, in its folder.
        networks: What it publishes, by name; the card has their shapes and parameters.

    Returns:
        A card without metrics, costs, files and version, which `publish` and the store add.

    Raises:
        RecipeError, DataUnavailableError: as for `training_arrays`.
        OSError: when the checkpoint cannot be read.
    """
    recipe = run.recipe
    architecture = registry.architectures().get(recipe.architecture)
    dataset = data.source(recipe.data.name)
    pipeline = pipeline_of(architecture.task, networks)
    inputs, output = pipeline.describe(networks, data.labels(recipe.data))
    if "sampling" in output:
        method = recipe.method or architecture.default_method
        output["sampling"] |= method.get("sampling", {})
    count = epoch_length(training_arrays(recipe)[0])
    seconds = sum(epoch["seconds"] for epoch in run.history)
    compiling = {"compile_seconds": round(run.compile_seconds, 1)} if run.compile_seconds else {}
    steps = recipe.data.repeat * count // recipe.batch_size * len(run.history)
    stopping = recipe.early_stopping
    alone = bool(stopping) and not run.members
    best = {"best_epoch": best_epoch(run.history, stopping)} if alone else {}
    return Card(
        name=recipe.name,
        task=architecture.task,
        family=architecture.family,
        paper=architecture.paper,
        recipe=recipe.to_dict(),
        data={
            "name": dataset.name,
            "split": "train",
            "n": count,
            "sha256": data.split_checksum(dataset.name, "train"),
            **{
                field: value
                for field in ("classes", "without", "images")
                if (value := getattr(recipe.data, field)) is not None
            },
        },
        metrics=(),
        input=inputs,
        output=output,
        networks={},
        parameters={name: network.count_params() for name, network in networks.items()},
        training={
            "epochs": len(run.history),
            **best,
            "seconds": round(seconds),
            "images_per_second": round(steps * recipe.batch_size / max(seconds, 1e-9)),
            **compiling,
            "backend": keras.backend.backend(),
            "device": MultiPlayerModel.device(),
            "devices": run.devices,
            "checkpoint_sha256": files.sha256(
                run.folder / ("members.json" if run.members else CHECKPOINT)
            ),
            **({"members": run.members} if run.members else {}),
        },
        licence=dataset.licence,
        versions=versions(),
    )
