"""The winner is retrained and stored once, and its card says where it came from."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tuning import promote
from zoo import store
from zoo.cli import main

from .helpers import QUICK, quiet


class Stopped(Exception):
    """Stands for a kill in the middle of the retraining."""


def test_the_winner_is_stored_with_its_lineage(
    quick_tune: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, sample_home: Path
) -> None:
    import keras

    from zoo import runs
    from zoo.training.run import fit_run

    search = quick_tune("random", 2, epochs=1)
    winner = search.winner()
    # The trials had one epoch each; the winner gets the recipe's.
    assert winner.epochs == search.recipe.epochs == 2
    rate = search.best.hyperparameters["optimizer.learning_rate"]
    assert winner.optimizer["learning_rate"] == rate
    unmarked = dataclasses.replace(winner, lineage={})
    assert unmarked == search.recipe.override({"optimizer.learning_rate": rate})

    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            raise Stopped

    begun = runs.new_run(winner)
    with pytest.raises(Stopped):
        fit_run(begun, verbose=0, callbacks=[Stop()])
    # A training with other settings, begun later, is not the one to go on with.
    runs.new_run(winner.override({"seed": 5}))

    lines: list[str] = []
    folder = promote(search, say=lines.append, verbose=0)
    assert any("goes on" in line for line in lines)
    assert (begun.folder / "finished").read_text().strip() == f"mlp.fashion_mnist@{folder.name}"
    assert (begun.folder / "history.csv").read_text().count("\n") == 3

    card = store.verify(folder)
    lineage = card.recipe["lineage"]
    assert lineage["algorithm"] == "random" and lineage["trials"] == 2
    assert lineage["trial"] == search.best.trial
    assert (lineage["objective"], lineage["value"]) == ("val_accuracy", search.best.value)
    assert lineage["hyperparameters"] == search.best.hyperparameters
    accuracy = card.metric("accuracy")
    assert accuracy is not None and accuracy.split == "test"

    assert promote(search, say=quiet, verbose=0) == folder
    assert [p.name for p in folder.parent.iterdir() if p.name.isdigit()] == [folder.name]


@pytest.mark.full
def test_the_command_prints_one_json_document(
    sample_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = [
        part for key, value in QUICK.items() for part in ("--set", f"{key}={json.dumps(value)}")
    ]
    command = ["tune", "mlp.fashion_mnist", "--algorithm", "grid", "--trials", "1", *settings]
    space = ["--space", "optimizer.learning_rate=choice:0.001,0.01"]
    assert main([*command, *space, "--promote", "--json"]) == 0
    printed = capsys.readouterr()
    record = json.loads(printed.out)
    assert record["objective"] == {
        "name": "val_accuracy",
        "direction": "max",
        "split": "validation",
    }
    assert [trial["rank"] for trial in record["trials"]] == [1]
    name, _, version = record["promoted"].partition("@")
    assert int(version) in store.versions(name)
    assert "rank" in printed.err and "stored mlp.fashion_mnist@" in printed.err

    assert main([*command, "--space", "optimizer.learning_rate=log:0:1"]) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith("zoo: ") and printed.err.count("\n") == 1
    assert printed.out == ""
