"""Students of fixed teachers: what is learned, what stays as it is, what is refused."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops
from scipy.special import softmax

import zoo
from tests.steps import evaluate_once, train_once, values
from tests.students import BATCH, CLASSES, answers, divergence, entropy, network
from zoo.errors import InvalidInputError, RecipeError, UnknownModelError, ZooError
from zoo.models.distillation.distillation import Distillation
from zoo.models.distillation.teachers import Teachers
from zoo.models.distillation.terms import KINDS
from zoo.training.build import build_method
from zoo.training.engine import MultiPlayerModel
from zoo.training.teachers import TEACHER_LOGITS


def teacher(seed: int = 1, width: int = 6, classes: int = CLASSES) -> dict[str, keras.Model]:
    """A stored model's networks: what it says is decided, and its statistics are not the first."""
    made = network(width, seed, classes)
    made.get_layer("logits").kernel.assign(
        4 * np.random.default_rng(seed).normal(size=(2 * width, classes))
    )
    made.trainable = False
    return {"network": made}


def game(
    method: str = "distillation",
    parents: Mapping[str, Any] | None = None,
    student: keras.Model | None = None,
    rate: float = 0.05,
    **options: Any,
) -> MultiPlayerModel:
    given = {"parents": {"teacher": teacher()} if parents is None else parents}
    networks = {"network": network() if student is None else student}
    model = build_method({"name": method, **options}, networks, given=given)
    model.compile({player: keras.optimizers.SGD(rate) for player in model.players})
    return model


def loss_of(model: MultiPlayerModel, training: bool = True, **batch: Any) -> float:
    prepared = {**BATCH, **batch}
    losses, _ = model.compute_losses(prepared, ("network",), training=training)
    return float(losses["network"])


def often(steps: int) -> dict[str, np.ndarray]:
    """The same batch, so many times in an epoch: an epoch of one step is slow to begin."""
    return {key: np.concatenate([value] * steps) for key, value in BATCH.items()}


# Responses.


@pytest.mark.parametrize(("alpha", "temperature"), [(0.0, 1.0), (0.1, 4.0), (0.7, 20.0)])
def test_the_loss_is_that_of_labels_and_of_the_teacher(alpha: float, temperature: float) -> None:
    parents = {"teacher": teacher()}
    model = game(parents=parents, alpha=alpha, temperature=temperature)
    own, theirs = answers(model.network, training=True), answers(parents["teacher"]["network"])
    expected = alpha * entropy(own) + (1 - alpha) * divergence(theirs, own, temperature)
    assert loss_of(model) == pytest.approx(expected, rel=1e-3)
    # What is reported is comparable with other methods, where there are labels to compare by.
    model = game(parents=parents, alpha=alpha, temperature=temperature)
    own = answers(model.network)
    expected = entropy(own) if alpha else divergence(theirs, own, temperature)
    assert loss_of(model, training=False) == pytest.approx(expected, rel=1e-3)


def test_logits_may_be_compared_as_they_are() -> None:
    parents = {"teacher": teacher()}
    model = game(parents=parents, alpha=0, response="mse")
    gap = answers(model.network, training=True) - answers(parents["teacher"]["network"])
    assert loss_of(model) == pytest.approx((gap**2).mean(), rel=1e-4)


@pytest.mark.parametrize("combine", ["average", "confidence", "best"])
def test_several_teachers_are_one(combine: str) -> None:
    parents = {"teacher": teacher(1), "teacher2": teacher(2, 5), "judge": {"other": None}}
    model = game(parents=parents, alpha=0.0, temperature=2.0, combine=combine)
    own = answers(model.network, training=True)
    both = [answers(parents[role]["network"]) for role in ("teacher", "teacher2")]
    probabilities = np.stack([softmax(one, 1) for one in both])
    greatest = probabilities.max(2)
    shares = {
        "average": np.full_like(greatest, 0.5),
        "confidence": greatest / greatest.sum(0),
        "best": (greatest == greatest.max(0)).astype(float),
    }[combine]
    target = sum(
        share[:, None] * softmax(one / 2, 1) for share, one in zip(shares, both, strict=True)
    )
    expected = divergence(2 * np.log(target), own, 2.0)
    assert loss_of(model) == pytest.approx(expected, rel=1e-3)


def test_without_weight_labels_are_not_read() -> None:
    model = game(alpha=0)
    assert model.logged == ("agreement",)
    unlabelled = {"image": BATCH["image"]}
    for one in (train_once(model, unlabelled), evaluate_once(model, unlabelled)):
        assert set(one) == {"loss", "agreement"} and np.isfinite(float(one["loss"]))


def test_a_student_comes_to_say_what_its_teacher_says() -> None:
    parents = {"teacher": teacher()}
    model = game(parents=parents, alpha=0, temperature=4.0, rate=0.02)
    before = loss_of(model)
    history = model.fit(often(50), batch_size=12, epochs=2, shuffle=False, verbose=0).history
    assert loss_of(model) < 0.5 * before
    assert history["agreement"][0] < history["agreement"][1] <= 1


# The teacher.


@pytest.mark.parametrize("method", ["distillation", "adversarial_distillation"])
def test_a_teacher_stays_the_same_to_the_last_byte(method: str) -> None:
    parents = {"teacher": teacher()}
    fixed = parents["teacher"]["network"]
    before = values(fixed.weights)
    terms = [{"name": "hint", "student": "stage1"}, {"name": "similarity", "student": "features"}]
    model = game(method, parents, terms=terms)
    own = {id(variable) for variable in model.variables}
    assert not own & {id(variable) for variable in fixed.variables}
    statistics = values(model.network.non_trainable_variables)
    train_once(model, BATCH)
    evaluate_once(model, BATCH)
    assert [one.tobytes() for one in before] == [one.tobytes() for one in values(fixed.weights)]
    moved = values(model.network.non_trainable_variables)
    assert any(not np.array_equal(a, b) for a, b in zip(statistics, moved, strict=True))


def test_a_teacher_answers_as_in_inference() -> None:
    """Its logits to an image do not depend on what else is in the batch."""
    teachers = Teachers({"teacher": teacher()}, network())
    whole = ops.convert_to_numpy(teachers.logits(BATCH["image"]))
    part = ops.convert_to_numpy(teachers.logits(BATCH["image"][:2]))
    np.testing.assert_allclose(part[0], whole[0, :2], rtol=1e-4, atol=1e-5)


def test_it_may_look_at_all_of_its_views() -> None:
    from zoo.layers.test_time import with_views

    plain = teacher()["network"]
    images = BATCH["image"]
    viewed = {"teacher": {"network": with_views(plain)}}
    expected = {
        False: answers(plain),
        True: (answers(plain) + np.asarray(plain(images[:, :, ::-1], training=False))) / 2,
    }
    for views in (False, True):
        teachers = Teachers(viewed, network(), ("stage1",), views)
        logits, layers = teachers(images)
        np.testing.assert_allclose(
            ops.convert_to_numpy(logits)[0], expected[views], rtol=1e-3, atol=1e-4
        )
        assert layers["stage1"].shape == (12, 8, 8, 6)
        assert teachers.shapes() == {"stage1": (8, 8, 6)}


# Inner layers.

TERMS: dict[str, dict[str, Any]] = {
    "hint": {"student": "stage2", "teacher": "stage2", "weight": 2.0},
    "attention": {"student": "stage1"},
    "fsp": {"student": ["stage1", "stage2"]},
    "rkd_distance": {"student": "features", "weight": 25},
    "rkd_angle": {"student": "features", "weight": 50},
    "similarity": {"student": "stage2", "teacher": "features", "weight": 1000},
}


def test_every_kind_of_term_is_tried() -> None:
    assert set(TERMS) == set(KINDS)


@pytest.mark.parametrize("name", TERMS)
def test_a_term_adds_to_the_loss_and_moves_the_student(name: str) -> None:
    terms = [{"name": name, **TERMS[name]}]
    plain = loss_of(game(alpha=0.5))
    model = game(alpha=0.5, terms=terms)
    assert loss_of(model) > plain
    # Layers of other widths have projectors, which learn with the student.
    assert (model.projectors is not None) == (name in ("hint", "fsp"))
    before = values(model.player_variables("network"))
    train_once(model, BATCH)
    moved = [
        not np.array_equal(a, b)
        for a, b in zip(before, values(model.player_variables("network")), strict=True)
    ]
    assert np.mean(moved) > 0.8
    # Doubled weights double what is added.
    double = [{**terms[0], "weight": 2 * terms[0].get("weight", 1)}]
    added = loss_of(game(alpha=0.5, terms=terms)) - plain
    again = loss_of(game(alpha=0.5, terms=double)) - plain
    assert again == pytest.approx(2 * added, rel=5e-2)


def test_layers_of_one_width_need_no_projector() -> None:
    model = game(student=network(6, seed=3), terms=[{"name": "hint", "student": "stage2"}])
    assert model.projectors is None and model.network_names == ("network",)


def test_terms_alone_may_teach() -> None:
    terms = [{"name": "attention", "student": "stage1"}]
    model = game(alpha=1.0, terms=terms)
    assert loss_of(model) > entropy(answers(network(), training=True)) - 1e-4


def test_what_is_published_is_the_student_alone() -> None:
    model = game(terms=[{"name": "hint", "student": "stage2"}])
    assert model.network_names == ("network", "projectors")
    train_once(model, BATCH)
    published = model.published_networks()
    assert set(published) == {"network"}
    assert published["network"].count_params() == network().count_params()
    expected = answers(model.network)
    np.testing.assert_allclose(answers(published["network"]), expected, rtol=1e-5)


@pytest.mark.parametrize("method", ["distillation", "adversarial_distillation"])
def test_a_game_that_is_loaded_again_is_without_teachers(method: str, tmp_path: Path) -> None:
    model = game(method, terms=[{"name": "hint", "student": "stage2"}], alpha=0.25)
    train_once(model, BATCH)
    model.save(tmp_path / "game.keras")
    loaded = keras.saving.load_model(tmp_path / "game.keras")
    for one, other in zip(values(model.weights), values(loaded.weights), strict=True):
        np.testing.assert_array_equal(one, other)
    assert loaded.alpha == 0.25 and loaded.terms == model.terms
    np.testing.assert_allclose(answers(loaded.network), answers(model.network), rtol=1e-5)
    with pytest.raises(ValueError, match="has no teachers"):
        loaded.compute_losses(BATCH, ("network",))


def test_options_are_the_configuration() -> None:
    config = game(alpha=0.3, combine="best", terms=[]).get_config()
    assert config["alpha"] == 0.3 and config["combine"] == "best"
    assert "parents" not in config


# Kept answers.


def test_kept_answers_are_the_teachers(private_home: Path) -> None:
    parents = {"teacher": teacher(1), "teacher2": teacher(2)}
    live = game(parents=parents, alpha=0.5)
    kept = game(parents=parents, alpha=0.5, cache=True)
    arrays = {"image": BATCH["image"].astype("uint8"), "label": BATCH["label"]}
    assert live.further_arrays(arrays) == {}
    found = kept.further_arrays(arrays)
    assert found[TEACHER_LOGITS].shape == (12, 2, CLASSES)
    for place, role in enumerate(parents):
        expected = answers(parents[role]["network"])
        np.testing.assert_allclose(found[TEACHER_LOGITS][:, place], expected, rtol=1e-3, atol=1e-4)
    assert loss_of(kept, **found) == pytest.approx(loss_of(live), rel=1e-3)
    with pytest.raises(ValueError, match="further_arrays"):
        loss_of(kept)
    # Validation images are asked about as they come.
    assert np.isfinite(loss_of(kept, training=False))


def test_they_are_computed_once_for_each_teacher_and_set_of_images(
    private_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import zoo.runtime

    calls = []
    compile_network = zoo.runtime.compile_network

    def counted(network: keras.Model, *others: Any, **options: Any) -> Any:
        calls.append(network)
        return compile_network(network, *others, **options)

    monkeypatch.setattr(zoo.runtime, "compile_network", counted)
    arrays = {"image": BATCH["image"].astype("uint8")}
    parents = {"teacher": teacher(1)}
    first = game(parents=parents, cache=True).further_arrays(arrays)
    again = game(parents={"teacher": teacher(1)}, cache=True).further_arrays(arrays)
    np.testing.assert_array_equal(first[TEACHER_LOGITS], again[TEACHER_LOGITS])
    assert len(calls) == 1
    game(parents={"teacher": teacher(2)}, cache=True).further_arrays(arrays)
    game(parents=parents, cache=True).further_arrays({"image": arrays["image"][::-1]})
    assert len(calls) == 3
    # A file that was cut off is written anew.
    files = sorted((private_home / "teachers").iterdir())
    assert len(files) == 3
    for file in files:
        file.write_bytes(file.read_bytes()[:50])
    mended = game(parents=parents, cache=True).further_arrays(arrays)
    np.testing.assert_array_equal(first[TEACHER_LOGITS], mended[TEACHER_LOGITS])


# A discriminator.


def test_rounds_move_the_discriminator_and_then_the_student() -> None:
    model = game("adversarial_distillation")
    assert model.rounds == (("discriminator",), ("network",))
    for player, other in (("discriminator", "network"), ("network", "discriminator")):
        model.rounds = ((player,),)
        moving, resting = (model.player_variables(one) for one in (player, other))
        before, still = values(moving), values(resting)
        train_once(model, BATCH)
        assert any(not np.array_equal(a, b) for a, b in zip(before, values(moving), strict=True))
        assert all(np.array_equal(a, b) for a, b in zip(still, values(resting), strict=True))


def test_a_discriminator_learns_who_is_who() -> None:
    model = game("adversarial_distillation", rate=0.05, weight=1e-6)
    history = model.fit(often(50), batch_size=12, epochs=3, shuffle=False, verbose=0).history
    assert history["teacher_score"][-1] > 0.6 > 0.4 > history["student_score"][-1]


# What is refused.


def refused(kind: type[ZooError] = RecipeError, **options: Any) -> str:
    with pytest.raises(kind) as error:
        game(**options)
    told = str(error.value)
    assert "\n" not in told
    return told


def test_teacher_and_student_must_fit() -> None:
    assert "a student needs a teacher: set parents.teacher.model" in refused(parents={})
    told = refused(parents={"teacher": teacher(classes=3)})
    assert "teacher tells 3 classes apart, the student 4" in told
    wide = zoo.create("small_cnn", (9, 8, 1), CLASSES, filters=[[4], [8]])
    told = refused(parents={"teacher": {"network": wide}})
    assert "teacher takes images of 9x8x1, the student of 8x8x1" in told
    told = refused(parents={"teacher": {"encoder": wide}})
    assert "teacher must be a classifier, got encoder" in told


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"temperature": 0}, "temperature must be above 0, got 0"),
        ({"temperature": -2.0}, "temperature must be above 0, got -2.0"),
        ({"alpha": 1.5}, "alpha must be in [0, 1], got 1.5"),
        ({"alpha": 1}, "with alpha 1 and no terms nothing is learned from the teacher"),
        ({"response": "kll"}, "response must be kl, mse, got 'kll'; did you mean kl?"),
        ({"combine": "mean"}, "combine must be average, confidence, best, got 'mean'"),
        ({"cache": True, "terms": [{"name": "hint", "student": "stage1"}]}, "cache keeps"),
        ({"terms": [{"name": "hint"}]}, "a term needs a name and a student's layer"),
        ({"terms": ["hint"]}, "a term needs a name and a student's layer, got 'hint'"),
        (
            {"terms": [{"name": "hint", "student": "stage1", "weigth": 2}]},
            "a term has no 'weigth'; did you mean weight?",
        ),
        (
            {"terms": [{"name": "hint", "student": "stage1", "weight": 0}]},
            "the weight of hint must be above 0, got 0",
        ),
        (
            {"terms": [{"name": "fsp", "student": "stage1"}]},
            "fsp compares 2 layers of each network, got 'stage1'",
        ),
        (
            {"terms": [{"name": "attention", "student": "features"}]},
            "attention compares maps (height, width, channels)",
        ),
        (
            {"terms": [{"name": "hint", "student": "stage1", "teacher": "features"}]},
            "hint compares maps with maps, vectors with vectors; the student's stage1 is (8, 8, 4)",
        ),
        ({"parents": {}}, "a student needs a teacher"),
    ],
)
def test_a_mistake_is_one_line(options: dict[str, Any], said: str) -> None:
    assert said in refused(**options)


@pytest.mark.parametrize("side", ["student", "teacher"])
def test_an_unknown_layer_is_answered_with_those_that_there_are(side: str) -> None:
    term = {"name": "hint", "student": "stage2", "teacher": "stage2", side: "stage7"}
    told = refused(InvalidInputError, terms=[term])
    assert "has no layer 'stage7'" in told
    assert "it has stage1, stage2, features, logits" in told


def test_an_unknown_term_names_near_ones() -> None:
    terms = [{"name": "hnit", "student": "stage1"}]
    assert "did you mean hint?" in refused(UnknownModelError, terms=terms)


def test_parents_are_no_option() -> None:
    with pytest.raises(RecipeError, match="method distillation has no option 'parents'"):
        build_method({"name": "distillation", "parents": {}}, {"network": network()})
    assert Distillation(network()).projectors is None
