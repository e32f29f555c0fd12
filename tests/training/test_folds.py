"""Cross-validation: whole partitions, resumed folds, no look at the test split."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import zoo
from zoo import data, registry, store
from zoo.cli import main
from zoo.errors import InvalidInputError, ZooError
from zoo.recipe import Recipe
from zoo.runs import runs_folder
from zoo.training import folds as folds_module
from zoo.training.folds import fit_folds, split_folds
from zoo.training.run import fit_run

NAME = "mlp.fashion_mnist"
SMALL = {
    "data.limit": 150,
    "data.validation": 0,
    "batch_size": 20,
    "epochs": 1,
    "network": {"units": [8]},
    "augmentation": [],
}


def recipe(**settings: Any) -> Recipe:
    return registry.recipes().get(NAME).override({**SMALL, **settings})


def test_folds_part_the_examples_in_equal_shares_of_each_class() -> None:
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(4), [40, 41, 10, 9]))
    splits = list(split_folds(labels, 5))
    assert sorted(np.concatenate([held for _, held in splits])) == list(range(100))
    for kept, held in splits:
        assert sorted([*kept, *held]) == list(range(100))
        shares = np.bincount(labels[held], minlength=4)
        assert (np.abs(shares - np.array([8, 8.2, 2, 1.8])) < 1).all()
    again = split_folds(labels, 5)
    assert all(np.array_equal(a[1], b[1]) for a, b in zip(splits, again, strict=True))


@pytest.mark.parametrize("folds", [-1, 0, 1, 4])
def test_a_number_of_folds_that_cannot_be_is_refused(folds: int) -> None:
    with pytest.raises(InvalidInputError, match=f"folds must be 2 to 3.*got {folds}"):
        list(split_folds(np.repeat([0, 1], [9, 3]), folds))


def test_every_fold_is_measured_on_what_it_did_not_see(
    sample_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The test split is poisoned: reading it fails. So is training on an example held out."""
    (sample_home / "data" / "fashion_mnist" / "test.npz").write_bytes(b"poison")
    whole = data.training_examples(recipe().data)[0]
    seen = []

    def watched(run: Any, verbose: Any, arrays: Any, devices: Any) -> Any:
        train, held = arrays
        seen.append(held)
        ours, theirs = ({image.tobytes() for image in part["image"]} for part in arrays)
        assert len(train["label"]) + len(held["label"]) == 150 and not ours & theirs
        return fit_run(run, verbose, devices=devices, arrays=arrays)

    monkeypatch.setattr(folds_module, "fit_run", watched)
    result = zoo.cross_validate(recipe(**{"data.validation": 30}), folds=3, verbose=0)
    assert len(result.values) == len(result.losses) == len(seen) == 3
    assert result.mean == pytest.approx(statistics.fmean(result.values))
    assert result.deviation == pytest.approx(np.std(result.values, ddof=1))
    held_out = np.concatenate([held["image"] for held in seen])
    assert sorted(i.tobytes() for i in held_out) == sorted(i.tobytes() for i in whole["image"])
    # What Keras logged in each fold's last epoch is the same measurement.
    for number, (value, loss) in enumerate(zip(result.values, result.losses, strict=True), start=1):
        lines = (result.folder / f"fold{number}" / "history.csv").read_text().splitlines()
        logged = dict(zip(lines[0].split(","), lines[-1].split(","), strict=True))
        assert float(logged["val_accuracy"]) == pytest.approx(value, abs=1e-5)
        assert float(logged["val_loss"]) == pytest.approx(loss, rel=1e-4)
    assert not (sample_home / "models").exists()


def test_a_finished_fold_is_not_trained_again(
    sample_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[str] = []

    def stopped(run: Any, *args: Any, **kwargs: Any) -> Any:
        trained.append(run.folder.name)
        if len(trained) == 2:
            raise KeyboardInterrupt
        return fit_run(run, *args, **kwargs)

    monkeypatch.setattr(folds_module, "fit_run", stopped)
    with pytest.raises(KeyboardInterrupt):
        fit_folds(recipe(), 2, verbose=0)
    resumed = fit_folds(recipe(), 2, resume=True, verbose=0)
    assert trained == ["fold1", "fold2", "fold2"]
    assert resumed.folder.name == "1"
    with pytest.raises(ZooError, match="no unfinished run"):
        fit_folds(recipe(), 2, resume=True, verbose=0)
    whole = fit_folds(recipe(), 2, verbose=0)
    assert whole.folder.name == "2"
    assert (whole.values, whole.losses) == (resumed.values, resumed.losses)


def test_the_command_prints_folds_mean_and_deviation(
    sample_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["train", NAME, "--folds", "2"]
    for path, value in SMALL.items():
        command += ["--set", f"{path}={json.dumps(value)}"]
    assert main(command) == 0
    shown = capsys.readouterr().out
    assert "fold 2 of 2" in shown and "sample deviation" in shown
    assert main([*command, "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["mean"] == pytest.approx(statistics.fmean(printed["values"]))
    assert f"accuracy {100 * printed['mean']:.2f}%" in shown
    assert not (store.roots()[0] / NAME).exists()
    assert main([*command, "--store", "models"]) == 2
    assert main(["train", NAME, "--folds", "1"]) == 2
    assert "folds must be 2 to" in capsys.readouterr().err
    assert sorted(p.name for p in runs_folder(NAME).iterdir()) == ["folds-2"]


def test_generators_have_no_folds(sample_home: Path) -> None:
    with pytest.raises(ZooError, match="cross-validation needs a classifier; dcgan is none"):
        zoo.cross_validate("dcgan.fashion_mnist", folds=2)
