"""Noise schedules and predictions: published levels, closed forms, round trips."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from zoo.errors import InvalidInputError
from zoo.models.diffusion.predictions import (
    PREDICTIONS,
    denoised,
    require_prediction,
    target,
)
from zoo.models.diffusion.schedules import SCHEDULES, NoiseSchedule

CONFIGS: list[dict[str, Any]] = [
    {"name": "linear"},
    {"name": "linear", "steps": 50, "beta_start": 0.01, "beta_end": 0.3},
    {"name": "scaled_linear"},
    {"name": "cosine"},
    {"name": "linear", "zero_terminal_snr": True},
    {"name": "scaled_linear", "zero_terminal_snr": True},
    {"name": "cosine", "steps": 100, "zero_terminal_snr": True},
]
X0, NOISE = np.random.default_rng(0).normal(size=(2, 5, 4, 4, 3))


@pytest.fixture(params=CONFIGS, ids=lambda config: "-".join(map(str, config.values())))
def schedule(request: pytest.FixtureRequest) -> NoiseSchedule:
    return NoiseSchedule.from_config(request.param)


def test_levels_fall_from_image_to_noise(schedule: NoiseSchedule) -> None:
    times = np.arange(schedule.steps)
    alpha, sigma = schedule.alpha(times), schedule.sigma(times)
    assert schedule.betas.dtype == schedule.alphas_cumprod.dtype == np.float64
    np.testing.assert_allclose(alpha**2 + sigma**2, 1, atol=1e-12)
    np.testing.assert_allclose(alpha**2, schedule.alphas_cumprod, rtol=1e-9)
    assert (np.diff(alpha) < 0).all()
    assert alpha[0] > 0.9
    assert (alpha[-1] == 0) == schedule.zero_terminal_snr


def test_what_is_left_of_the_image_at_the_end_is_as_published() -> None:
    assert NoiseSchedule().alphas_cumprod[-1] == pytest.approx(4.0e-5, rel=0.01)
    assert NoiseSchedule("scaled_linear").alphas_cumprod[-1] == pytest.approx(0.00466, rel=1e-3)


def test_the_cosine_follows_its_closed_form_up_to_the_largest_beta() -> None:
    levels = NoiseSchedule("cosine").alphas_cumprod
    time = np.arange(1, 999) / 1000
    expected = np.cos((time + 0.008) / 1.008 * np.pi / 2) ** 2
    expected /= np.cos(0.008 / 1.008 * np.pi / 2) ** 2
    np.testing.assert_allclose(levels[:998], expected, rtol=1e-9)
    assert NoiseSchedule("cosine").betas.max() == 0.999


@pytest.mark.parametrize("name", SCHEDULES)
def test_zero_terminal_snr_moves_alpha_in_a_straight_line(name: str) -> None:
    """The first level stays, the last is 0, and between them alpha is shifted and scaled."""
    before, after = (
        NoiseSchedule(name, zero_terminal_snr=zero).alpha(np.arange(1000)) for zero in (False, True)
    )
    assert after[0] == pytest.approx(before[0], rel=1e-12)
    assert after[-1] == 0
    slope, offset = np.polyfit(before, after, 1)
    np.testing.assert_allclose(after, slope * before + offset, atol=1e-9)


def test_between_timesteps_the_ratio_is_a_straight_line() -> None:
    schedule = NoiseSchedule()
    ratio = schedule.ratio(np.array([10.0, 10.25, 11.0]))
    assert ratio[1] == pytest.approx(0.75 * ratio[0] + 0.25 * ratio[2])
    zero = NoiseSchedule(zero_terminal_snr=True)
    assert np.isfinite(zero.ratio(998)) and zero.ratio(999) == np.inf
    assert zero.alpha(998.5) == 0 and zero.sigma(999) == 1


def test_configurations_survive_json(schedule: NoiseSchedule) -> None:
    again = NoiseSchedule.from_config(json.loads(json.dumps(schedule.config())))
    assert again == schedule and hash(again) == hash(schedule)
    np.testing.assert_array_equal(again.betas, schedule.betas)
    assert NoiseSchedule.from_config(schedule.name) == NoiseSchedule(schedule.name)
    assert again != NoiseSchedule("linear", steps=7)


@pytest.mark.parametrize("prediction", PREDICTIONS)
@pytest.mark.parametrize("timestep", [0, 20, np.array([0, 3, 11, 30, 48])], ids=str)
def test_noise_that_is_added_is_found_again(
    schedule: NoiseSchedule, prediction: str, timestep: Any
) -> None:
    noisy = schedule.add_noise(X0, NOISE, timestep)
    shape = (-1, 1, 1, 1) if np.ndim(timestep) else ()
    alpha, sigma = (of(timestep).reshape(shape) for of in (schedule.alpha, schedule.sigma))
    np.testing.assert_allclose(noisy, alpha * X0 + sigma * NOISE, rtol=1e-6, atol=1e-6)
    noisy = alpha * X0 + sigma * NOISE
    answer = target(prediction, X0, NOISE, alpha, sigma)
    np.testing.assert_allclose(denoised(prediction, answer, noisy, alpha, sigma), X0, atol=1e-6)


@pytest.mark.parametrize("prediction", ["v", "sample"])
def test_where_there_is_only_noise_two_predictions_still_give_the_image(prediction: str) -> None:
    answer = target(prediction, X0, NOISE, 0.0, 1.0)
    np.testing.assert_array_equal(denoised(prediction, answer, NOISE, 0.0, 1.0), X0)


def test_images_keep_their_type() -> None:
    images, noise = X0.astype("float32"), NOISE.astype("float32")
    for timestep in (3, np.array([1, 2, 3, 4, 5])):
        assert NoiseSchedule().add_noise(images, noise, timestep).dtype == np.float32


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"name": "cosin"}, "did you mean cosine"),
        ({"name": "linear", "steps": 1}, "at least 2 steps, got 1"),
        ({"name": "linear", "steps": 10.5}, "at least 2 steps, got 10.5"),
        ({"name": "linear", "beta_start": 0.1}, "betas rise from above 0 to below 1"),
        ({"name": "linear", "beta_start": 0.0}, "betas rise from above 0 to below 1"),
        ({"name": "linear", "beta_end": 1.0}, "betas rise from above 0 to below 1"),
        ({"name": "cosine", "beta_end": 0.5}, "cosine has no beta_start and no beta_end"),
        ({"name": "linear", "beta_stop": 0.5}, "no 'beta_stop'; did you mean beta_start"),
    ],
)
def test_schedules_that_cannot_be_are_refused(config: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidInputError, match=words):
        NoiseSchedule.from_config(config)


@pytest.mark.parametrize("timestep", [-1, 1000, np.array([0, 1000]), np.nan])
def test_timesteps_out_of_range_are_refused(timestep: Any) -> None:
    with pytest.raises(InvalidInputError, match="timesteps are 0 to 999"):
        NoiseSchedule().alpha(timestep)


def test_epsilon_is_refused_where_only_noise_is_left() -> None:
    zero = NoiseSchedule(zero_terminal_snr=True)
    with pytest.raises(InvalidInputError, match="alpha is 0; choose prediction v or sample"):
        require_prediction("epsilon", zero)
    for prediction in ("v", "sample"):
        require_prediction(prediction, zero)
    require_prediction("epsilon", NoiseSchedule())
    with pytest.raises(InvalidInputError, match="did you mean epsilon"):
        require_prediction("epsilons", NoiseSchedule())
