"""Ensembles: samples, votes and weights; one network that is stored, reloaded and served."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from sklearn.ensemble import AdaBoostClassifier
from sklearn.tree import DecisionTreeClassifier

import zoo
from zoo import registry, store
from zoo.errors import InvalidInputError, RecipeError, ZooError
from zoo.layers.ensemble import averaged, voted
from zoo.metrics.costs import flops
from zoo.models.mlp.mlp import mlp
from zoo.pipelines import Classifier
from zoo.recipe import Recipe
from zoo.runs import last_run, new_run
from zoo.training import ensembles
from zoo.training.ensembles import bootstrap, samme_step
from zoo.training.publish import publish
from zoo.training.run import fit_run

NAME = "mlp.fashion_mnist-ensemble"


def recipe(kind: str, members: int = 3, **settings: Any) -> Recipe:
    small = {
        "name": NAME,
        "ensemble": {"name": kind, "members": members},
        "network": {"units": [8]},
        "augmentation": [],
        "data.limit": 160,
        "data.validation": 0,
        "batch_size": 16,
        "epochs": 2,
    }
    return registry.recipes().get("mlp.fashion_mnist").override({**small, **settings})


def three_mlps() -> list[keras.Model]:
    networks = []
    for seed in range(3):
        keras.utils.set_random_seed(seed)
        networks.append(mlp((6, 6, 1), 4, units=(5,)))
    return networks


def softmax(logits: np.ndarray) -> np.ndarray:
    shares = np.exp(logits - logits.max(1, keepdims=True))
    return shares / shares.sum(1, keepdims=True)


def pictures(n: int, side: int = 6) -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 255, (n, side, side, 1)).astype("float32")


def test_averaged_scores_are_the_mean_of_the_members_scores(tmp_path: Path) -> None:
    members = three_mlps()
    rows = pictures(7)
    expected = np.mean([softmax(np.asarray(member(rows))) for member in members], axis=0)
    network = averaged(members)
    np.testing.assert_allclose(softmax(np.asarray(network(rows))), expected, rtol=1e-5)
    network.save(tmp_path / "network.keras")
    loaded = keras.saving.load_model(tmp_path / "network.keras", compile=False, safe_mode=True)
    np.testing.assert_array_equal(np.asarray(loaded(rows)), np.asarray(network(rows)))
    assert flops(loaded) == 3 * 2 * (36 * 5 + 5 * 4)


def test_votes_are_counted_with_their_weights() -> None:
    members = three_mlps()
    rows = pictures(7)
    weights = [1.0, 2.0, 0.5]
    expected = np.zeros((7, 4))
    for member, weight in zip(members, weights, strict=True):
        expected[np.arange(7), np.asarray(member(rows)).argmax(1)] += weight
    np.testing.assert_allclose(np.asarray(voted(members, weights)(rows)), expected, rtol=1e-6)


def test_a_bootstrap_sample_holds_63_percent_of_the_examples() -> None:
    count = 20_000
    even = np.full(count, 1 / count)
    drawn = bootstrap(even, seed=1, member=1)
    assert len(drawn) == count
    share = len(np.unique(drawn)) / count
    # 1 - 1/e; the deviation of the share is sqrt((1/e - 2/e²) / n).
    assert share == pytest.approx(1 - np.exp(-1), abs=4 * np.sqrt((0.368 - 0.271) / count))
    np.testing.assert_array_equal(drawn, bootstrap(even, seed=1, member=1))
    for other in (bootstrap(even, seed=1, member=2), bootstrap(even, seed=2, member=1)):
        assert not np.array_equal(drawn, other)


def test_a_sample_follows_the_weights() -> None:
    weights = np.repeat([1.0, 3.0], 5000)
    drawn = bootstrap(weights / weights.sum(), seed=0, member=1)
    assert (drawn >= 5000).mean() == pytest.approx(0.75, abs=0.02)


def test_votes_and_weights_are_those_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    points, labels = rng.normal(size=(300, 4)), rng.integers(0, 3, 300)
    labels[points[:, 0] > 0.3] = 1
    boosted = AdaBoostClassifier(
        DecisionTreeClassifier(max_depth=2), n_estimators=6, random_state=0
    )
    boosted.fit(points, labels)
    weights = np.full(300, 1 / 300)
    for tree, vote, error in zip(
        boosted.estimators_, boosted.estimator_weights_, boosted.estimator_errors_, strict=True
    ):
        wrong = tree.predict(points) != labels
        assert weights[wrong].sum() == pytest.approx(error)
        ours, weights = samme_step(weights, wrong, classes=3)
        assert ours == pytest.approx(vote)
        assert weights.sum() == pytest.approx(1)


def test_a_perfect_member_has_a_finite_vote_and_chance_has_none() -> None:
    even = np.full(50, 0.02)
    vote, weights = samme_step(even, np.zeros(50, bool), classes=10)
    assert vote == pytest.approx(np.log(99) + np.log(9))
    np.testing.assert_allclose(weights, even)
    chance = np.arange(50) >= 5  # wrong on 45 of 50
    assert samme_step(even, chance, classes=10)[0] == pytest.approx(0, abs=1e-9)
    assert samme_step(even, np.ones(50, bool), classes=10)[0] < 0


@pytest.mark.parametrize("kind", ["bagging", "samme"])
def test_an_ensemble_is_stored_and_answers_as_its_members_together(
    kind: str, sample_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    members: list[keras.Model] = []
    for name, build in (("averaged", averaged), ("voted", voted)):

        def watched(networks: Any, *weights: Any, build: Any = build) -> keras.Model:
            members.extend(networks)
            return build(networks, *weights)

        monkeypatch.setattr(ensembles, name, watched)
    run = publish(fit_run(new_run(recipe(kind)), verbose=0))
    classifier = zoo.load(NAME)
    assert isinstance(classifier, Classifier) and run.stored is not None
    rows = pictures(9, 28)
    singles = [softmax(np.asarray(member(rows))) for member in members]
    facts = classifier.card.training["members"]
    assert [fact["member"] for fact in facts] == [1, 2, 3]
    if kind == "bagging":
        expected = np.mean(singles, axis=0)
    else:
        votes = np.zeros((9, 10))
        for fact, single in zip(facts, singles, strict=True):
            votes[np.arange(9), single.argmax(1)] += fact["vote"]
        expected = softmax(votes)
    np.testing.assert_allclose(classifier.scores(rows), expected, rtol=1e-4, atol=1e-6)
    for fact in facts:
        assert fact["split"] == "out of bag" and 40 < fact["n"] < 90
        assert 0 <= fact["accuracy"] <= 1
    assert classifier.card.training["epochs"] == 6
    assert classifier.card.parameters["network"] == sum(m.count_params() for m in members)
    assert "## Members" in (run.stored / "README.md").read_text(encoding="utf-8")
    with pytest.raises(InvalidInputError, match="has no layer named features"):
        classifier.features(rows)


def test_a_stopped_ensemble_goes_on_and_equals_an_unbroken_one(
    sample_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = recipe("samme", 2, **{"data.validation": 32})
    unbroken = fit_run(new_run(settings), verbose=0)
    begun: list[str] = []

    def stopped(run: Any, *args: Any, **kwargs: Any) -> Any:
        begun.append(run.folder.name)
        if len(begun) == 2:
            raise KeyboardInterrupt
        return fit_run(run, *args, **kwargs)

    broken = new_run(settings)
    monkeypatch.setattr(ensembles, "fit_run", stopped)
    with pytest.raises(KeyboardInterrupt):
        fit_run(broken, verbose=0)
    before = (broken.folder / "member1" / "checkpoint.npz").stat().st_mtime_ns
    resumed = fit_run(last_run(NAME, settings), verbose=0)
    assert resumed.folder == broken.folder
    assert (broken.folder / "member1" / "checkpoint.npz").stat().st_mtime_ns == before
    assert resumed.members == unbroken.members
    assert {member["split"] for member in resumed.members} == {"validation"}
    assert resumed.model is not None and unbroken.model is not None
    for one, other in zip(resumed.model.weights, unbroken.model.weights, strict=True):
        np.testing.assert_array_equal(np.asarray(one), np.asarray(other))
    epochs = [(row["member"], row["epoch"]) for row in resumed.history]
    assert epochs == [(1, 1), (1, 2), (2, 3), (2, 4)]


def test_boosting_ends_before_a_member_no_better_than_chance(
    sample_home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = recipe("samme", 3, epochs=1)
    votes = iter([1.5, -0.1])
    monkeypatch.setattr(ensembles, "samme_step", lambda w, *_: (next(votes), w))
    run = fit_run(new_run(settings), verbose=0)
    assert [member["member"] for member in run.members] == [1]
    assert "member 2 is no better than chance" in capsys.readouterr().err
    monkeypatch.setattr(ensembles, "samme_step", lambda w, *_: (-1.0, w))
    with pytest.raises(ZooError, match="member 1 is no better than chance"):
        fit_run(new_run(settings), verbose=0)


@pytest.mark.parametrize(
    "ensemble",
    [
        {"name": "bagging"},
        {"members": 3},
        {"name": "boosting", "members": 3},
        {"name": "bagging", "members": 1},
        {"name": "bagging", "members": 2.5},
        {"name": "bagging", "members": 3, "votes": 1},
    ],
)
def test_an_ensemble_that_cannot_be_is_refused(ensemble: dict[str, Any]) -> None:
    with pytest.raises(RecipeError, match="ensemble needs a name, bagging or samme"):
        recipe("bagging").override({"ensemble": ensemble})


def test_members_are_classifiers(sample_home: Path) -> None:
    dcgan = registry.recipes().get("dcgan.fashion_mnist")
    with pytest.raises(RecipeError, match="dcgan is none"):
        fit_run(new_run(dcgan.override({"ensemble": {"name": "bagging", "members": 2}})))
    assert store.names(NAME) == []
