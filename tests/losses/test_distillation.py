"""Losses of distillation against closed forms, NumPy, SciPy and Keras' own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops
from scipy.spatial.distance import cdist
from scipy.special import log_softmax, softmax

from zoo.losses import distillation, features, keras_distillation, relations

RNG = np.random.default_rng(0)
TEACHER, STUDENT = RNG.normal(0, 3, (2, 8, 5))
MAPS = RNG.normal(size=(6, 4, 4, 3))
OTHER_MAPS = RNG.normal(size=(6, 4, 4, 3))


def number(value: Any) -> np.ndarray:
    return np.asarray(ops.convert_to_numpy(value), "float64")


def on(function: Callable[..., Any], *arrays: np.ndarray, **options: Any) -> np.ndarray:
    return number(function(*map(ops.convert_to_tensor, arrays), **options))


def kl(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    return (p * (np.log(p) - np.log(q))).sum(-1)


# Responses.


@pytest.mark.parametrize("temperature", [1.0, 4.0, 20.0])
def test_the_divergence_is_that_of_softened_outputs(temperature: float) -> None:
    found = on(distillation.soft_kl, TEACHER, STUDENT, temperature=temperature)
    expected = kl(softmax(TEACHER / temperature, -1), softmax(STUDENT / temperature, -1))
    np.testing.assert_allclose(found, temperature**2 * expected, rtol=1e-4)
    # The other way round it is another number.
    other = on(distillation.soft_kl, STUDENT, TEACHER, temperature=temperature)
    assert not np.allclose(found, other, rtol=1e-2)


def test_it_is_kerass_own() -> None:
    ours = keras_distillation.SoftTargets(3.0)
    # By the name `kl_divergence` Keras 3.15 takes the divergence of logits as if they were shares.
    theirs = keras.distillation.LogitsDistillation(3.0, loss=keras.losses.KLDivergence())
    pair = [ops.convert_to_tensor(x.astype("float32")) for x in (TEACHER, STUDENT)]
    assert float(ours.compute_loss(*pair)) == pytest.approx(
        float(theirs.compute_loss(*pair)), rel=1e-3
    )


def test_who_says_the_same_has_no_loss() -> None:
    for temperature in (1.0, 7.0):
        found = on(distillation.soft_kl, TEACHER, TEACHER + 2.5, temperature=temperature)
        np.testing.assert_allclose(found, 0, atol=1e-5)
    assert on(distillation.logit_mse, TEACHER, TEACHER).max() == 0


def slope(temperature: float) -> np.ndarray:
    """d/ds of the mean divergence, by differences, in float64."""
    step, slopes = 1e-5, np.zeros(STUDENT.shape[1])
    for k in range(len(slopes)):
        moved = [STUDENT.copy() for _ in range(2)]
        for sign, one in zip((1, -1), moved, strict=True):
            one[:, k] += sign * step
        high, low = (
            temperature**2 * kl(softmax(TEACHER / temperature, -1), softmax(one / temperature, -1))
            for one in moved
        )
        slopes[k] = (high - low).mean() / (2 * step)
    return slopes


def test_the_factor_keeps_gradients_alike_at_every_temperature() -> None:
    """For large T the gradient of a logit is (s - t) / N of centred logits: T is gone from it."""
    centred = [x - x.mean(1, keepdims=True) for x in (TEACHER, STUDENT)]
    limit = ((centred[1] - centred[0]) / TEACHER.shape[1]).mean(0)
    for temperature, tolerance in ((100.0, 0.2), (1000.0, 0.02)):
        gap = np.abs(slope(temperature) - limit).max()
        assert gap < tolerance * np.abs(limit).max()
    # Half the mean squared gap of centred logits is its integral.
    found = on(distillation.soft_kl, *centred, temperature=300.0)
    halves = on(distillation.logit_mse, *centred) / 2
    # In float32 a divergence so small is the difference of almost equal numbers.
    np.testing.assert_allclose(found, halves, rtol=0.2)


def test_differences_of_logits_are_squared() -> None:
    expected = ((TEACHER - STUDENT) ** 2).mean(1)
    np.testing.assert_allclose(on(distillation.logit_mse, TEACHER, STUDENT), expected, rtol=1e-5)


@pytest.mark.parametrize("temperature", [0, -1.0, float("nan")])
def test_a_temperature_is_above_zero(temperature: float) -> None:
    with pytest.raises(ValueError, match=f"temperature must be above 0, got {temperature}"):
        keras_distillation.SoftTargets(temperature)


# Several teachers.

SEVERAL = np.stack([TEACHER, STUDENT, RNG.normal(0, 1, TEACHER.shape)])
TARGETS = np.eye(5)[RNG.integers(0, 5, 8)]


@pytest.mark.parametrize("temperature", [1.0, 5.0])
@pytest.mark.parametrize("name", distillation.COMBINATIONS)
def test_several_teachers_become_one_mixture(name: str, temperature: float) -> None:
    shares = on(distillation.COMBINATIONS[name], SEVERAL, TARGETS)
    np.testing.assert_allclose(shares.sum(0), 1, rtol=1e-5)
    together = on(distillation.mixed, SEVERAL, shares, temperature=temperature)
    expected = (shares[..., None] * softmax(SEVERAL / temperature, -1)).sum(0)
    np.testing.assert_allclose(softmax(together / temperature, -1), expected, rtol=1e-4, atol=1e-7)


def test_shares_follow_confidence_and_labels() -> None:
    greatest = softmax(SEVERAL, -1).max(-1)
    np.testing.assert_allclose(
        on(distillation.confidence, SEVERAL), greatest / greatest.sum(0), rtol=1e-5
    )
    of_label = (log_softmax(SEVERAL, -1) * TARGETS).sum(-1)
    for found, scores in (
        (on(distillation.best, SEVERAL, TARGETS), of_label),
        (on(distillation.best, SEVERAL), greatest),
    ):
        np.testing.assert_array_equal(found.argmax(0), scores.argmax(0))
        assert set(found.ravel()) == {0.0, 1.0}
    np.testing.assert_allclose(on(distillation.average, SEVERAL), 1 / 3, rtol=1e-6)


def test_one_teacher_alone_is_itself() -> None:
    for name in distillation.COMBINATIONS:
        shares = on(distillation.COMBINATIONS[name], SEVERAL[:1])
        together = on(distillation.mixed, SEVERAL[:1], shares, temperature=3.0)
        np.testing.assert_allclose(softmax(together, -1), softmax(TEACHER, -1), rtol=1e-4)


# Layers.


def unit(values: np.ndarray) -> np.ndarray:
    flat = values.reshape(len(values), -1)
    return flat / np.linalg.norm(flat, axis=1, keepdims=True)


def test_a_hint_is_the_cosine() -> None:
    found = on(features.hint, MAPS, OTHER_MAPS)
    expected = 2 - 2 * (unit(MAPS) * unit(OTHER_MAPS)).sum(1)
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    np.testing.assert_allclose(on(features.hint, TEACHER, -TEACHER), 4, rtol=1e-5)


@pytest.mark.parametrize("loss", [features.hint, features.attention_transfer])
def test_the_size_of_a_layer_does_not_matter(loss: Callable[..., Any]) -> None:
    found = on(loss, MAPS, OTHER_MAPS)
    np.testing.assert_allclose(on(loss, 7 * MAPS, 0.01 * OTHER_MAPS), found, rtol=1e-4)
    np.testing.assert_allclose(on(loss, MAPS, 3 * MAPS), 0, atol=1e-5)
    assert (found > 0.01).all()
    # What is dead is no teacher and has no direction, but is no reason to break off either.
    assert np.isfinite(on(loss, MAPS, 0 * MAPS)).all()


def test_attention_is_where_the_channels_are_strong() -> None:
    found = on(features.attention_transfer, MAPS, OTHER_MAPS[..., :2])
    strengths = [(x**2).sum(-1) for x in (MAPS, OTHER_MAPS[..., :2])]
    gap = unit(strengths[0]) - unit(strengths[1])
    np.testing.assert_allclose(found, (gap**2).sum(1), rtol=1e-4)


def test_a_larger_map_is_averaged() -> None:
    fine = RNG.normal(size=(2, 6, 6, 3))
    blocks = fine.reshape(2, 3, 2, 3, 2, 3).mean((2, 4))
    one, other = features.same_size(*map(ops.convert_to_tensor, (fine, np.zeros((2, 3, 3, 1)))))
    np.testing.assert_allclose(number(one), blocks, rtol=1e-4, atol=1e-6)
    assert other.shape == (2, 3, 3, 1)
    np.testing.assert_allclose(
        on(features.hint, fine, blocks), on(features.hint, blocks, fine), atol=1e-6
    )
    # No multiple: parts share what lies on their border, and each weighs the same.
    one, _ = features.same_size(*map(ops.convert_to_tensor, (fine, np.zeros((2, 4, 6, 1)))))
    assert one.shape == (2, 4, 6, 3)
    np.testing.assert_allclose(number(one)[:, 1], fine[:, 1:3].mean(1), rtol=1e-4, atol=1e-6)


def test_a_flow_by_hand() -> None:
    """Two layers of two channels on 2x2 pixels."""
    first = np.array([[[1, 0], [2, 1]], [[0, 3], [1, 1]]], "float64")[None]
    second = np.array([[[1, 1], [0, 2]], [[4, 0], [2, 2]]], "float64")[None]
    # G_00 = (1*1 + 2*0 + 0*4 + 1*2) / 4, and so on.
    expected = np.array([[3, 7], [14, 4]]) / 4
    np.testing.assert_allclose(on(features.fsp_matrix, first, second)[0], expected, rtol=1e-6)
    pairs = [(ops.convert_to_tensor(first), ops.convert_to_tensor(x)) for x in (second, 2 * second)]
    assert float(features.fsp(*pairs)[0]) == pytest.approx((expected**2).mean(), rel=1e-5)
    assert float(features.fsp(pairs[0], pairs[0])[0]) == 0


def test_a_flow_between_maps_of_two_sizes() -> None:
    small = RNG.normal(size=(6, 2, 2, 5))
    averaged = MAPS.reshape(6, 2, 2, 2, 2, 3).mean((2, 4))
    expected = np.einsum("bxyi,bxyj->bij", averaged, small) / 4
    np.testing.assert_allclose(on(features.fsp_matrix, MAPS, small), expected, rtol=1e-4, atol=1e-6)


# Relations.

ROWS, OTHER_ROWS = RNG.normal(size=(7, 4)), RNG.normal(2, 3, size=(7, 9))


def huber(gap: np.ndarray) -> np.ndarray:
    return np.where(np.abs(gap) <= 1, gap**2 / 2, np.abs(gap) - 0.5)


def test_distances_are_compared_in_units_of_their_mean() -> None:
    scaled = []
    for rows in (ROWS, OTHER_ROWS):
        distances = cdist(rows, rows)
        scaled.append(distances / distances[distances > 0].mean())
    expected = huber(scaled[0] - scaled[1]).mean()
    assert on(relations.rkd_distance, ROWS, OTHER_ROWS) == pytest.approx(expected, rel=1e-4)


def test_angles_are_those_at_the_middle_one() -> None:
    cosines = []
    for rows in (ROWS, OTHER_ROWS):
        n = len(rows)
        found = np.zeros((n, n, n))
        for i, j, k in np.ndindex(n, n, n):
            one, other = rows[i] - rows[j], rows[k] - rows[j]
            size = np.linalg.norm(one) * np.linalg.norm(other)
            found[i, j, k] = one @ other / size if size else 0
        cosines.append(found)
    expected = huber(cosines[0] - cosines[1]).mean()
    assert on(relations.rkd_angle, ROWS, OTHER_ROWS) == pytest.approx(expected, rel=1e-3)


def test_similarities_are_compared_row_by_row() -> None:
    rows = []
    for values in (MAPS, OTHER_ROWS[:6]):
        flat = values.reshape(len(values), -1)
        rows.append(unit(flat @ flat.T))
    expected = ((rows[0] - rows[1]) ** 2).sum() / 36
    found = on(relations.similarity_preserving, MAPS, OTHER_ROWS[:6])
    assert found == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(
    "loss", [relations.rkd_distance, relations.rkd_angle, relations.similarity_preserving]
)
def test_relations_know_neither_scale_nor_rotation(loss: Callable[..., Any]) -> None:
    turned = 5 * ROWS @ np.linalg.qr(RNG.normal(size=(4, 4)))[0]
    assert on(loss, ROWS, turned) == pytest.approx(0, abs=1e-6)
    moved = on(loss, ROWS, turned + 3)
    assert (moved < 1e-6) == (loss is not relations.similarity_preserving)
    assert on(loss, ROWS, OTHER_ROWS) > 1e-3
    # Twice the same example has no direction.
    twice = np.concatenate([ROWS[:1], ROWS[:-1]])
    assert np.isfinite(on(loss, ROWS, twice))


def test_embeddings_of_maps_are_their_means() -> None:
    for loss in (relations.rkd_distance, relations.rkd_angle):
        found = on(loss, MAPS, OTHER_MAPS)
        expected = on(loss, MAPS.mean((1, 2)), OTHER_MAPS.mean((1, 2)))
        assert found == pytest.approx(float(expected), rel=1e-4)


# Gradients.

PAIRS: dict[str, tuple[Callable[..., Any], np.ndarray, np.ndarray]] = {
    "soft_kl": (lambda t, s: distillation.soft_kl(t, s, 4.0), TEACHER, STUDENT),
    "hint": (features.hint, MAPS, OTHER_MAPS),
    "attention_transfer": (features.attention_transfer, MAPS, OTHER_MAPS),
    "rkd_distance": (relations.rkd_distance, ROWS, OTHER_ROWS),
    "rkd_angle": (relations.rkd_angle, ROWS, OTHER_ROWS),
    "similarity_preserving": (relations.similarity_preserving, ROWS, OTHER_ROWS),
}


class Trained(keras.Model):
    """Moves a variable along the gradient of a loss, on any backend."""

    def __init__(self, start: np.ndarray) -> None:
        super().__init__()
        self.value = self.add_weight(shape=start.shape, initializer="zeros")
        self.value.assign(start)

    def call(self, inputs: Any) -> Any:
        # The inputs give the batch alone.
        return ops.convert_to_tensor(self.value) + 0 * ops.sum(inputs)


@pytest.mark.parametrize("name", PAIRS)
def test_a_small_step_along_the_gradient_lessens_the_loss(name: str) -> None:
    loss, teacher, student = PAIRS[name]
    taught = ops.convert_to_tensor(teacher.astype("float32"))
    model = Trained(student.astype("float32"))
    model.compile(keras.optimizers.SGD(0.05), loss=lambda _, found: ops.mean(loss(taught, found)))
    before = float(ops.mean(loss(taught, model.value.value)))
    count = len(student)
    model.fit(np.zeros((count, 1)), np.zeros((count, 1)), batch_size=count, verbose=0)
    after = float(ops.mean(loss(taught, model.value.value)))
    assert np.isfinite(after) and after < before


# In Keras' own trainer.


def classifier(width: int, name: str) -> keras.Model:
    images = keras.Input((4, 4, 1), name="images")
    x = keras.layers.Conv2D(width, 3, padding="same", activation="relu", name="stage1")(images)
    x = keras.layers.GlobalAveragePooling2D(name="features")(x)
    return keras.Model(images, keras.layers.Dense(5, name="logits")(x), name=name)


@pytest.mark.parametrize(
    "loss",
    [
        keras_distillation.SoftTargets(2.0),
        keras_distillation.LogitMSE(),
        keras_distillation.Hint("stage1", "stage1"),
        keras_distillation.AttentionTransfer("stage1", "stage1"),
        keras_distillation.RelationalDistance("features", "features"),
        keras_distillation.RelationalAngle("features", "features"),
        keras_distillation.SimilarityPreserving("stage1", "stage1"),
    ],
    ids=lambda loss: type(loss).__name__,
)
def test_they_train_in_kerass_distiller(loss: keras.distillation.DistillationLoss) -> None:
    keras.utils.set_random_seed(0)
    teacher, student = classifier(6, "teacher"), classifier(6, "student")
    distiller = keras.distillation.Distiller(teacher, student, loss, student_loss_weight=0.2)
    entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    distiller.compile(keras.optimizers.SGD(0.1), loss=entropy)
    before = [np.array(number(v)) for v in student.trainable_variables]
    taught = [np.array(number(v)) for v in teacher.weights]
    images = RNG.random((8, 4, 4, 1)).astype("float32")
    history = distiller.fit(images, np.arange(8) % 5, batch_size=8, verbose=0).history
    assert np.isfinite(history["total_loss"][0]) and history["distillation_loss"][0] > 0
    moved = [
        not np.array_equal(old, number(new))
        for old, new in zip(before, student.trainable_variables, strict=True)
    ]
    assert moved[0]
    for old, new in zip(taught, teacher.weights, strict=True):
        np.testing.assert_array_equal(old, number(new))
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss))
    assert type(again) is type(loss) and again.get_config() == loss.get_config()
