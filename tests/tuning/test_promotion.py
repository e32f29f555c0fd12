"""The winner is retrained beside what is stored; the better one stays, and its card says why."""

from __future__ import annotations

import dataclasses
import json
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tuning import promotion
from tuning.objectives import Objective
from tuning.promotion import Retraining, incumbent, promote
from tuning.results import Search, open_search
from zoo import registry, store
from zoo.cards import Card
from zoo.cli import main
from zoo.errors import RecipeError, ZooError
from zoo.pipelines import Classifier
from zoo.recipe import Recipe
from zoo.runs import Run

from .helpers import QUICK, quiet
from .recorded import RATE, completed, recorded

MAX, MIN = Objective("val_accuracy", "max"), Objective("val_loss", "min")
NAME = "mlp.fashion_mnist"


def found(tmp_path: Path, **settings: Any) -> Search:
    """A recorded search whose best trial has a rate of 0.004."""
    trials = [completed(0.7, **{RATE: 0.004}), completed(0.6, **{RATE: 0.001})]
    return open_search(recorded(tmp_path / "random", trials, **settings))


def stored(root: Path, recipe: Recipe, version: int = 1) -> Path:
    """A card in the store without networks: what a promotion looks at."""
    folder = root / recipe.name / str(version)
    folder.mkdir(parents=True)
    card = Card(
        name=recipe.name,
        task="classification",
        family="mlp",
        paper="",
        recipe=recipe.to_dict(),
        data={},
        metrics=(),
        input={},
        output={},
        networks={},
        parameters={},
        training={},
        licence="",
        versions={},
        version=version,
    )
    (folder / "card.json").write_text(card.to_json(), encoding="utf-8")
    return folder


class Fake:
    """Trainings and the store: values are functions of a recipe, nothing is trained."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        self.root = tmp_path / "models"
        self.trained: list[tuple[float, int]] = []
        self.published: list[Run] = []
        monkeypatch.setattr(store, "roots", lambda: [self.root])
        monkeypatch.setattr(promotion, "_trained", self.train)
        monkeypatch.setattr("zoo.training.publish.publish", self.publish)

    def train(self, recipe: Recipe, folder: Path, verbose: Any) -> Run:
        rate = recipe.optimizer["learning_rate"]
        self.trained.append((rate, recipe.seed))
        # The rate of 0.004 is better than the registered one; of its seeds the second is the best.
        value = 0.8 + 10 * rate + {1: 0.0, 2: 0.01, 3: -0.01}[recipe.seed]
        (folder / "1").mkdir(parents=True, exist_ok=True)
        return Run(recipe, folder / "1", [{"epoch": 1, "val_accuracy": value, "seconds": 1.0}])

    def publish(self, run: Run, root: Path | None = None) -> Run:
        self.published.append(run)
        version = len(store.versions(NAME)) + 1
        run.stored = stored(root or self.root, run.recipe, version)
        return run


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Fake:
    return Fake(monkeypatch, tmp_path)


def registered() -> Recipe:
    return registry.recipes().get(NAME)


def test_where_nothing_is_stored_the_best_seed_of_the_winner_is(fake: Fake, tmp_path: Path) -> None:
    search = found(tmp_path, overrides={"epochs": 7})
    folder = promote(search, say=quiet)
    assert folder == fake.root / NAME / "1"
    assert fake.trained == [(0.004, 1), (0.004, 2), (0.004, 3), (0.004, 2)]
    recipe = fake.published[0].recipe
    assert (recipe.seed, recipe.epochs) == (2, 7)
    record = recipe.lineage["promotion"]
    assert record["seeds"] == [1, 2, 3] and record["chosen"] == 2 and record["incumbent"] is None
    assert record["values"] == pytest.approx([0.84, 0.85, 0.83])
    assert record["mean"] == pytest.approx(0.84) and record["deviation"] == pytest.approx(0.01)
    assert recipe.lineage["trial"] == "0000" and recipe.lineage["value"] == 0.7
    assert not (search.folder / "promotion").exists()


def test_a_better_winner_takes_the_place_of_what_is_stored(fake: Fake, tmp_path: Path) -> None:
    # On another split, for another number of epochs, by another search.
    old = registered().override({"data.validation": 100, "epochs": 2, RATE: 0.002, "seed": 9})
    stored(fake.root, dataclasses.replace(old, lineage={"search": "older"}))
    lines: list[str] = []
    folder = promote(found(tmp_path), seeds=2, say=lines.append)
    assert folder == fake.root / NAME / "2"
    assert fake.trained == [(0.004, 1), (0.004, 2), (0.002, 1), (0.002, 2), (0.004, 2)]
    rival = fake.published[0].recipe.lineage["promotion"]["incumbent"]
    assert rival["model"] == f"{NAME}@1" and rival["mean"] == pytest.approx(0.825)
    assert any("trial 0000 is the better one" in line for line in lines)
    assert any("0.8450 ±0.0071" in line for line in lines)


def test_a_stored_version_that_is_as_good_stays(fake: Fake, tmp_path: Path) -> None:
    stored(fake.root, registered().override({RATE: 0.004, "epochs": 5}))
    lines: list[str] = []
    search = found(tmp_path)
    assert promote(search, say=lines.append) is None
    assert fake.published == [] and store.versions(NAME) == [1]
    assert any(f"{NAME}@1 is the better one" in line for line in lines)
    assert "--force" in lines[-1]
    # What was trained for the comparison is there for whoever insists.
    assert (search.folder / "promotion").is_dir()
    assert promote(search, force=True, say=quiet) == fake.root / NAME / "2"
    assert fake.published[0].recipe.lineage["promotion"]["forced"] is True


def test_what_is_stored_already_is_not_made_twice(fake: Fake, tmp_path: Path) -> None:
    search = found(tmp_path)
    folder = promote(search, seeds=2, say=quiet)
    count = len(fake.trained)
    lines: list[str] = []
    assert promote(search, seeds=2, say=lines.append) == folder
    assert len(fake.trained) == count and "is stored already" in lines[0]
    # The same values as a plain training of somebody are no promotion.
    assert folder is not None
    record = json.loads((folder / "card.json").read_text())
    record["recipe"]["lineage"] = {}
    (folder / "card.json").write_text(json.dumps(record))
    assert promote(search, seeds=2, say=quiet) is None


def test_the_incumbent_is_trained_as_the_winner_is(fake: Fake) -> None:
    winner = registered().override({"data.validation": 700, "seed": 4, "backend": "tensorflow"})
    assert incumbent(winner) is None
    old = registered().override({"data.repeat": 2, "backend": "jax", "epochs": 3, RATE: 0.5})
    stored(fake.root, old)
    found = incumbent(winner)
    assert found is not None
    name, recipe = found
    assert name == f"{NAME}@1"
    assert (recipe.data.validation, recipe.data.repeat, recipe.seed) == (700, 2, 4)
    assert (recipe.backend, recipe.epochs) == ("tensorflow", 3)
    assert recipe.optimizer["learning_rate"] == 0.5


def test_an_ensemble_is_no_rival(fake: Fake, tmp_path: Path) -> None:
    stored(fake.root, registered().override({"ensemble": {"name": "bagging", "members": 2}}))
    with pytest.raises(ZooError, match=f"{NAME}@1 is an ensemble") as raised:
        promote(found(tmp_path), say=quiet)
    assert "\n" not in str(raised.value) and fake.trained == []


def test_fewer_than_one_seed_is_refused(fake: Fake, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="seeds must be at least 1, got 0"):
        promote(found(tmp_path), seeds=0)


def test_means_deviations_and_the_best_seed() -> None:
    values = {4: 0.5, 5: 0.75, 6: 0.25, 7: 0.75}
    one = Retraining(values)
    assert one.mean == statistics.fmean(values.values())
    assert one.deviation == pytest.approx(statistics.stdev(values.values()))
    assert one.best_seed(MAX) == 5 and one.best_seed(MIN) == 6
    assert str(Retraining({1: 0.5})) == "0.5000" and Retraining({1: 0.5}).deviation is None


def test_with_early_stopping_the_value_is_that_of_the_epoch_that_is_stored() -> None:
    history = [
        {"epoch": n + 1, "val_accuracy": accuracy, "val_loss": loss}
        for n, (accuracy, loss) in enumerate([(0.5, 1.0), (0.6, 0.5), (0.9, 0.7)])
    ]
    recipe = registered()
    assert promotion._value(Run(recipe, Path(), history), MAX) == 0.9
    stopping = {"monitor": "val_loss", "patience": 1}
    stopped = recipe.override({"early_stopping": stopping})
    assert promotion._value(Run(stopped, Path(), history), MAX) == 0.6
    with pytest.raises(ZooError, match="logs no val_f1; it logs epoch, val_accuracy"):
        promotion._value(Run(recipe, Path(), history), Objective("val_f1", "max"))


class Stopped(Exception):
    """Stands for a kill in the middle of the retraining."""


@pytest.mark.full
def test_a_promotion_that_was_killed_goes_on_and_the_model_can_be_loaded(
    quick_tune: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, sample_home: Path
) -> None:
    import numpy as np

    import zoo
    from zoo.training import run as training

    # Nothing of what is shipped is the rival of so small a network.
    monkeypatch.setattr(store, "roots", lambda: [sample_home / "models"])
    search = quick_tune("random", 2, epochs=1)
    fit_run = training.fit_run

    def killed(run: Run, **options: Any) -> Run:
        if run.recipe.seed == search.recipe.seed:
            return fit_run(run, **options)
        raise Stopped

    with monkeypatch.context() as broken:
        broken.setattr(training, "fit_run", killed)
        with pytest.raises(Stopped):
            promote(search, seeds=2, say=quiet, verbose=0)
    first = search.folder / "promotion" / "1"
    kept = (first / "checkpoint.npz").read_bytes()

    folder = promote(search, seeds=2, say=quiet, verbose=0)
    assert folder is not None
    card = store.verify(folder)
    record = card.recipe["lineage"]["promotion"]
    assert record["seeds"] == [search.recipe.seed, search.recipe.seed + 1] and kept
    assert (
        record["chosen"]
        == max(zip(record["values"], record["seeds"], strict=True), key=lambda pair: pair[0])[1]
    )
    assert card.recipe["lineage"]["hyperparameters"] == search.best.hyperparameters
    accuracy = card.metric("accuracy")
    assert accuracy is not None and accuracy.split == "test"
    network = zoo.load(NAME)
    assert isinstance(network, Classifier)
    assert network.scores(np.zeros((2, 28, 28, 1), np.uint8)).shape == (2, 10)


@pytest.mark.full
def test_the_command_prints_one_json_document(
    sample_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = [
        part for key, value in QUICK.items() for part in ("--set", f"{key}={json.dumps(value)}")
    ]
    named = ["--set", "name=mlp.fashion_mnist-try"]
    command = ["tune", NAME, "--algorithm", "grid", "--trials", "1", *settings, *named]
    space = ["--space", "optimizer.learning_rate=choice:0.001,0.01"]
    assert main([*command, *space, "--promote", "--json"]) == 0
    printed = capsys.readouterr()
    record = json.loads(printed.out)
    assert record["objectives"] == [
        {"name": "val_accuracy", "direction": "max", "split": "validation"}
    ]
    assert [trial["rank"] for trial in record["trials"]] == [1]
    name, _, version = record["promoted"].partition("@")
    assert int(version) in store.versions(name)
    assert "rank" in printed.err and f"stored {name}@" in printed.err

    assert main([*command, "--space", "optimizer.learning_rate=log:0:1"]) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith("zoo: ") and printed.err.count("\n") == 1
    assert printed.out == ""
