"""Methods of adaptation against the papers: gradients by finite differences, losses by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import zoo
from tests.steps import evaluate_once, train_once, values
from zoo import data, registry, store
from zoo.data.prepare import write
from zoo.errors import InvalidInputError, RecipeError
from zoo.losses.adaptation import bandwidths, coral, dann_schedule, mmd
from zoo.models.adaptation.adda import ADDA
from zoo.models.adaptation.dann import CDAN, DANN
from zoo.models.adaptation.game import AdaptationGame, SourceOnly
from zoo.models.adaptation.matching import DAN, DeepCORAL
from zoo.pipelines import Classifier
from zoo.recipe import DataSpec, Recipe
from zoo.runs import new_run
from zoo.training.build import build_method
from zoo.training.publish import make_card
from zoo.training.run import fit_run, training_arrays

Sample = Callable[[str, str], dict[str, np.ndarray]]
CLASSES = 3
SHIFT = "mnist_to_usps"


def network(seed: int = 0, batch_norm: bool = False) -> keras.Model:
    """A classifier of two pixels: a linear layer to three features, another to the logits."""
    keras.utils.set_random_seed(seed)
    images = keras.Input((1, 2, 1), name="images")
    x = keras.layers.Flatten()(images)
    x = keras.layers.Identity(name="stage1")(keras.layers.Dense(3, name="body")(x))
    if batch_norm:
        x = keras.layers.BatchNormalization(name="norm")(x)
    x = keras.layers.Identity(name="features")(x)
    return keras.Model(images, keras.layers.Dense(CLASSES, name="logits")(x))


def batch(labelled: bool = False, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    drawn: dict[str, np.ndarray] = {}
    for stream, count, most in (("source", 6, 3), ("target", 5, 5), ("labelled", 4, 5)):
        drawn[f"{stream}/image"] = rng.integers(0, most, (count, 1, 2, 1), dtype=np.uint8)
        drawn[f"{stream}/label"] = rng.integers(0, CLASSES, count)
    unseen = {"target/label"} | (set() if labelled else {"labelled/image", "labelled/label"})
    return {key: value for key, value in drawn.items() if key not in unseen}


def game(kind: type[AdaptationGame], rate: float = 0.0, **options: Any) -> Any:
    built = options.pop("network") if "network" in options else network()
    model = kind(built, **options)
    model.compile({player: keras.optimizers.SGD(rate) for player in model.players})
    return model


def logged(model: AdaptationGame, examples: dict[str, np.ndarray]) -> dict[str, float]:
    model.reset_metrics()
    return {name: float(value) for name, value in train_once(model, examples).items()}


def softmax(logits: np.ndarray) -> np.ndarray:
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shares / shares.sum(axis=1, keepdims=True)


def entropy(logits: np.ndarray, labels: np.ndarray) -> float:
    return float(-np.mean(np.log(softmax(logits)[np.arange(len(labels)), labels])))


def made(weights: list[np.ndarray], images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Features and logits of `network`, in NumPy."""
    body, shift, head, bias = weights[:4]
    features = images.reshape(len(images), -1) @ body + shift
    return features, features @ head + bias


def domain_entropy(source: np.ndarray, target: np.ndarray) -> float:
    return float(np.mean(np.log1p(np.exp(-source))) + np.mean(np.log1p(np.exp(target))))


def both_losses(weights: list[np.ndarray], examples: dict[str, np.ndarray]) -> tuple[float, float]:
    """The labels' loss and the domain classifier's, which here is linear, of all six weights."""
    source, logits = made(weights, examples["source/image"])
    target, _ = made(weights, examples["target/image"])
    plane, bias = weights[4:]
    label_loss = entropy(logits, examples["source/label"])
    return label_loss, domain_entropy(source @ plane + bias, target @ plane + bias)


def slopes(function: Callable[[list[np.ndarray]], float], weights: list[np.ndarray]) -> Any:
    """The gradient of a function of weights, by central differences."""
    gap, found = 1e-5, []
    for number, weight in enumerate(weights):
        slope = np.zeros(weight.shape)
        for place in np.ndindex(weight.shape):
            sides = []
            for sign in (1, -1):
                moved = [one.copy() for one in weights]
                moved[number][place] += sign * gap
                sides.append(function(moved))
            slope[place] = (sides[0] - sides[1]) / (2 * gap)
        found.append(slope)
    return found


@pytest.mark.parametrize(("step", "weight"), [(0, 1.0), (1, 1.0), (2, 0.5)])
def test_reversal_turns_the_gradient_of_the_features_alone(step: int, weight: float) -> None:
    """The network goes down L_y - strength · L_d, the domain classifier down L_d, in full."""
    model, examples = game(DANN, rate=1.0, units=(), weight=weight), batch()
    model.total_steps = 4
    model.step.assign(step)
    strength = weight * (2 / (1 + np.exp(-10 * step / 4)) - 1)
    variables = [*model.network.trainable_variables, *model.domain_classifier.trainable_variables]
    before = [value.astype("float64") for value in values(variables)]
    logs = logged(model, examples)
    label_loss, domain_loss = both_losses(before, examples)
    assert logs["loss"] == pytest.approx(label_loss + domain_loss, rel=1e-5)
    assert logs["domain_loss"] == pytest.approx(domain_loss, rel=1e-5)

    def of_network(weights: list[np.ndarray]) -> float:
        one, other = both_losses(weights, examples)
        return one - strength * other

    expected = slopes(of_network, before)[:4]
    expected += slopes(lambda weights: both_losses(weights, examples)[1], before)[4:]
    for old, new, slope in zip(before, values(variables), expected, strict=True):
        np.testing.assert_allclose(old - new, slope, rtol=2e-3, atol=2e-4)


def test_a_domain_classifier_of_cdan_sees_features_with_classes_and_weighs_the_sure() -> None:
    examples = batch()
    for sure in (True, False):
        model = game(CDAN, units=(), entropy=sure)
        weights = [value.astype("float64") for value in values(model.network.weights)]
        plane, bias = values(model.domain_classifier.weights)
        assert plane.shape == (3 * CLASSES, 1)
        terms = []
        for domain, sign in (("source", -1), ("target", 1)):
            features, logits = made(weights, examples[f"{domain}/image"])
            shares = softmax(logits)
            seen = np.stack([np.outer(f, g).ravel() for f, g in zip(features, shares, strict=True)])
            loss = np.log1p(np.exp(sign * (seen @ plane + bias)))[:, 0]
            certain = 1 + np.exp((shares * np.log(shares)).sum(axis=1))
            terms.append(np.average(loss, weights=certain if sure else None))
        assert logged(model, examples)["domain_loss"] == pytest.approx(sum(terms), rel=1e-5)


@pytest.mark.parametrize("weight", [1.0, 0.25])
def test_distances_are_those_of_the_layers_and_weigh_what_they_should(weight: float) -> None:
    examples = batch()
    weights = values(network().weights)
    source = made(weights, examples["source/image"])
    target = made(weights, examples["target/image"])
    plain = entropy(source[1], examples["source/label"])
    sets = [
        (one.astype("float32"), other.astype("float32"))
        for one, other in zip(source, target, strict=True)
    ]
    of_coral = float(coral(*sets[1]))
    of_dan = sum(float(mmd(one, other, bandwidths(one, other))) for one, other in sets)
    for kind, expected in ((DeepCORAL, of_coral), (DAN, of_dan)):
        logs = logged(game(kind, weight=weight), examples)
        assert logs["distance"] == pytest.approx(expected, rel=1e-4)
        assert logs["loss"] == pytest.approx(plain + weight * expected, rel=1e-4)


def test_labelled_images_of_the_target_are_learned_from_as_well() -> None:
    examples = batch(labelled=True)
    weights = values(network().weights)
    terms = {
        stream: entropy(made(weights, examples[f"{stream}/image"])[1], examples[f"{stream}/label"])
        for stream in ("source", "labelled")
    }
    both = logged(game(SourceOnly, labelled_weight=0.5), examples)["loss"]
    assert both == pytest.approx(terms["source"] + 0.5 * terms["labelled"], rel=1e-5)
    bound = logged(game(SourceOnly, source_weight=0.0), examples)["loss"]
    assert bound == pytest.approx(terms["labelled"], rel=1e-5)
    alone = logged(game(SourceOnly), batch())["loss"]
    assert alone == pytest.approx(terms["source"], rel=1e-5)
    with pytest.raises(RecipeError, match=r"nothing is left to learn from.*data\.per_class"):
        train_once(game(SourceOnly, source_weight=0.0), batch())


def test_batch_norm_takes_domains_apart_or_together() -> None:
    examples = batch()
    found = {}
    for treatment in ("apart", "together"):
        model = game(DANN, network=network(batch_norm=True), batch_norm=treatment)
        body = model.network.get_layer("body").get_weights()
        rows = {
            domain: examples[f"{domain}/image"].reshape(-1, 2) @ body[0] + body[1]
            for domain in ("source", "target")
        }
        train_once(model, examples)
        norm = model.network.get_layer("norm")
        found[treatment] = [values([one])[0] for one in (norm.moving_mean, norm.moving_variance)]
        counted = rows["target"] if treatment == "apart" else np.concatenate(list(rows.values()))
        expected = 0.01 * counted.mean(axis=0), 0.99 + 0.01 * counted.var(axis=0)
        for one, other in zip(found[treatment], expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
    assert not np.allclose(found["apart"][0], found["together"][0])
    apart, together = (logged(game(DANN, batch_norm=b), examples) for b in ("apart", "together"))
    assert apart == pytest.approx(together, rel=1e-5), "there is no batch norm"


def test_evaluating_changes_nothing_and_needs_no_labelled_images() -> None:
    for kind in (SourceOnly, DANN, CDAN, DeepCORAL, DAN):
        model = game(kind, rate=1.0, network=network(batch_norm=True))
        before = values(model.variables)
        logs = evaluate_once(model, batch())
        assert all(np.isfinite(float(value)) for value in logs.values())
        assert all(map(np.array_equal, before, values(model.variables)))


def parents(seed: int = 1, **options: Any) -> dict[str, dict[str, keras.Model]]:
    return {"source": {"network": network(seed, **options)}}


def test_adda_teaches_a_copy_and_leaves_its_parent_and_the_logits_alone() -> None:
    examples, parent = batch(), parents(batch_norm=True)
    started = values(parent["source"]["network"].weights)
    model = game(ADDA, rate=0.1, network=network(batch_norm=True), units=(), parents=parent)
    assert all(map(np.array_equal, started, values(model.network.weights)))
    head = values(model.network.get_layer("logits").weights)
    for seed in range(3):
        train_once(model, batch(seed=seed))
    assert all(map(np.array_equal, started, values(model.reference.weights)))
    assert all(map(np.array_equal, started, values(parent["source"]["network"].weights)))
    assert all(map(np.array_equal, head, values(model.network.get_layer("logits").weights)))
    moved = values(model.network.weights)
    assert not np.array_equal(moved[0], started[0])
    norm = model.network.get_layer("norm")
    assert not np.allclose(values([norm.moving_mean])[0], 0)
    published = model.published_networks()["network"]
    images = examples["target/image"].astype("float32")
    np.testing.assert_array_equal(
        np.asarray(published(images, training=False)),
        np.asarray(model.network(images, training=False)),
    )


def test_the_losses_of_adda_are_the_papers() -> None:
    examples, parent = batch(), parents()
    model = game(ADDA, units=(), parents=parent)
    weights = values(model.network.weights)
    plane, bias = values(model.domain_classifier.weights)
    judged = [
        made(weights, examples[f"{domain}/image"])[0] @ plane + bias
        for domain in ("source", "target")
    ]
    logs = logged(model, examples)
    assert logs["domain_classifier_loss"] == pytest.approx(domain_entropy(*judged), rel=1e-5)
    inverted = float(np.mean(np.log1p(np.exp(-judged[1]))))
    assert logs["network_loss"] == pytest.approx(inverted, rel=1e-5)
    right = (np.mean(judged[0] > 0) + np.mean(judged[1] < 0)) / 2
    assert logs["domain_accuracy"] == pytest.approx(right)


@pytest.mark.parametrize(
    ("learns", "moving"),
    [
        (["stage1"], {"body"}),
        (["features"], {"norm"}),
        (["batch_norm", "logits"], {"norm", "logits"}),
        ([], {"body", "norm", "logits"}),
    ],
)
def test_only_chosen_parts_of_a_parent_learn(learns: list[str], moving: set[str]) -> None:
    parent = parents(batch_norm=True)
    model = game(DANN, rate=0.1, network=network(batch_norm=True), learns=learns, parents=parent)
    layers = {name: model.network.get_layer(name) for name in ("body", "norm", "logits")}
    before = {name: values(layer.weights) for name, layer in layers.items()}
    train_once(model, batch())
    for name, layer in layers.items():
        # Fixed batch norm keeps its statistics too.
        same = all(map(np.array_equal, before[name], values(layer.weights)))
        assert same == (name not in moving), name


def test_a_game_saves_and_reloads_with_what_it_began_from(tmp_path: Path) -> None:
    for kind in (DANN, CDAN, DeepCORAL, DAN, SourceOnly, ADDA):
        model = game(kind, rate=0.1, parents=parents(), learns=["stage1"])
        train_once(model, batch())
        path = tmp_path / "game.keras"
        model.save(path)
        loaded = keras.saving.load_model(path)
        assert all(map(np.array_equal, values(model.weights), values(loaded.weights)))
        for one in (model, loaded):
            train_once(one, batch(seed=1))
        for one, other in zip(values(model.weights), values(loaded.weights), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-7)


def test_what_a_method_refuses_is_one_line() -> None:
    def built(method: dict[str, Any], **others: Any) -> None:
        build_method(method, {"network": network()}, **others)

    for method, said in (
        ({"name": "dann", "weight": -1}, "weight must be 0 or more, got -1"),
        ({"name": "dann", "units": [0]}, r"units must be 1 or more in each layer, got \[0\]"),
        ({"name": "dann", "batch_norm": "alone"}, "batch_norm must be apart or together"),
        ({"name": "dann", "parents": {}}, "method dann has no option 'parents'"),
        ({"name": "dan", "factors": []}, "factors must be one or more numbers above 0"),
        ({"name": "deep_coral", "matched": []}, "matched must name one layer or more"),
        ({"name": "cdan", "learns": ["stage2"]}, "learns names parts .* stage1, features, logits"),
        ({"name": "cdan", "learns": ["features"]}, "nothing of features has a weight that learns"),
        ({"name": "adda"}, "it begins from a classifier of the source; name a stored one"),
    ):
        with pytest.raises(RecipeError, match=said) as caught:
            built(method)
        assert "\n" not in str(caught.value)
    with pytest.raises(InvalidInputError, match="has no layer 'fc8'; it has stage1, features"):
        built({"name": "deep_coral", "matched": ["fc8"]})
    other = {"teacher": {"network": network()}}
    with pytest.raises(RecipeError, match=r"adaptation begins from one classifier.*got teacher"):
        built({"name": "dann"}, given={"parents": other})
    with pytest.raises(RecipeError, match=r"images of 1x2x1 and has 33 parameters.* has 21: they"):
        built({"name": "dann"}, given={"parents": parents(batch_norm=True)})


# Whole runs, on real digits.


def small(method: str = "dann", **fields: Any) -> Recipe:
    return Recipe(
        f"small_cnn.{SHIFT}-{method}",
        "small_cnn",
        DataSpec(SHIFT, limit=64, per_class=fields.pop("per_class", None)),
        network={"filters": [[4], [8]]},
        method={"name": method},
        batch_size=16,
        epochs=1,
        **fields,
    )


def trained(recipe: Recipe) -> list[np.ndarray]:
    run = fit_run(new_run(recipe), verbose=0)
    assert run.model is not None
    return values(run.model.variables)


@pytest.mark.parametrize("method", ["dann", "dan"])
def test_shuffling_labels_of_the_target_changes_no_bit(
    method: str, sample_home: Path, sample: Sample
) -> None:
    first = trained(small(method))
    rng = np.random.default_rng(0)
    shuffled = {split: sample("usps", split) for split in ("train", "test")}
    for arrays in shuffled.values():
        arrays["label"] = rng.permutation(arrays["label"])
    assert not np.array_equal(shuffled["train"]["label"], sample("usps", "train")["label"])
    write("usps", shuffled, {})
    second = trained(small(method))
    assert all(map(np.array_equal, first, second))
    few = trained(small(method, per_class=3))
    assert len(few) == len(first) and not all(map(np.array_equal, first, few))


def test_an_adapted_model_is_an_ordinary_classifier_with_both_domains_on_its_card(
    sample_home: Path,
) -> None:
    parent = Recipe(
        "small_cnn.mnist",
        "small_cnn",
        DataSpec("mnist", limit=64),
        network={"filters": [[4], [8]]},
        batch_size=16,
        epochs=1,
    )
    fitted = fit_run(new_run(parent), verbose=0)
    assert fitted.model is not None
    networks = fitted.model.published_networks()
    # A shipped version 1 keeps its number.
    begun = f"small_cnn.mnist@{store.save(make_card(fitted, networks), networks).name}"
    recipe = small(
        "adda",
        parents={"source": {"model": begun}},
        augmentation=[{"name": "RandomTranslation", "height_factor": 0.1, "width_factor": 0.1}],
    )
    run = zoo.train(recipe, verbose=0)
    assert run.stored is not None
    card = store.read_card(run.stored)
    assert card.task == "classification" and set(card.networks) == {"network"}
    assert list(card.labels) == list("0123456789")
    assert card.recipe["parents"]["source"]["model"] == begun
    assert set(card.recipe["parents"]["source"]["sha256"]) == {"network"}
    target, source = card.metric("accuracy"), card.metric("source_accuracy")
    assert target is not None and source is not None
    assert (target.n, source.n) == (64, 256)
    assert source.note.startswith("of mnist") and source.is_share
    classifier = zoo.load(run.stored)
    assert isinstance(classifier, Classifier)
    test = data.load_pair(SHIFT, "test")
    for metric, prefix in ((target, "b"), (source, "a")):
        right = classifier.scores(test[f"{prefix}/image"]).argmax(1) == test[f"{prefix}/label"]
        assert metric.value == pytest.approx(right.mean())
    again = {metric.name: metric.value for metric in zoo.evaluate(run.stored)}
    assert again["source_accuracy"] == pytest.approx(source.value)
    other = {metric.name: metric.value for metric in zoo.evaluate(run.stored, data="usps")}
    assert other["accuracy"] == pytest.approx(target.value) and "source_accuracy" not in other


def test_data_of_another_kind_than_a_method_learns_from_are_one_line(sample_home: Path) -> None:
    single = Recipe("small_cnn.usps", "small_cnn", DataSpec("usps"), method={"name": "dann"})
    with pytest.raises(RecipeError, match=r"the method dann learns from a shift .*mnist_to_usps"):
        training_arrays(single)
    both = Recipe(f"small_cnn.{SHIFT}", "small_cnn", DataSpec(SHIFT))
    with pytest.raises(RecipeError, match="small_cnn learns from one data set, not mnist_to_usps"):
        training_arrays(both)
    pair = Recipe(f"cyclegan.{SHIFT}", "cyclegan", DataSpec(SHIFT))
    with pytest.raises(RecipeError, match=r"cyclegan learns from a pair .*there are facades"):
        training_arrays(pair)
    voting = small(ensemble={"name": "bagging", "members": 2})
    with pytest.raises(RecipeError, match="members of an ensemble learn from one data set"):
        fit_run(new_run(voting), verbose=0)


def test_the_strength_at_the_end_of_a_run_is_that_of_the_schedule() -> None:
    model = game(DANN)
    model.total_steps = 2
    for step, expected in ((0, 0.0), (1, 0.987), (2, 0.9999)):
        model.step.assign(step)
        assert float(dann_schedule(model.progress)) == pytest.approx(expected, abs=5e-4)


def test_the_registered_recipes_know_no_label_of_the_target(sample_home: Path) -> None:
    names = [n for n in registry.recipes() if "_to_" in registry.recipes().get(n).data.name]
    assert len(names) == 3
    for name in names:
        streams, _ = training_arrays(registry.recipes().get(name))
        assert set(streams) == {"source/image", "source/label", "target/image"}
