"""What every sampler must do: goldens, a Gaussian whose score is known, steps, refusals."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from zoo.errors import InvalidInputError, UnknownModelError
from zoo.models.diffusion.sampler import SPACINGS, Sampler
from zoo.models.diffusion.samplers import SAMPLERS, sampler_of
from zoo.models.diffusion.schedules import NoiseSchedule
from zoo.models.diffusion.table import SamplingTable, start_index

LINEAR = NoiseSchedule()
NAMES = list(SAMPLERS)
FIRST_ORDER, SECOND_ORDER = ("ddim", "euler"), ("heun", "dpm_solver++")
# The data: each number from N(MEAN, DEVIATION^2).
MEAN, DEVIATION = 0.3, 0.4


def best_estimate(x: Any, alpha: float, sigma: float) -> Any:
    """The mean of x0 given x = alpha x0 + sigma noise."""
    gain = alpha * DEVIATION**2 / (alpha**2 * DEVIATION**2 + sigma**2)
    return MEAN + gain * (x - alpha * MEAN)


def exact(z: Any, alpha: float, sigma: float) -> Any:
    """Where the flow of probability is that passes z deviations from the mean: it keeps z."""
    return alpha * MEAN + z * np.sqrt(alpha**2 * DEVIATION**2 + sigma**2)


def flow_error(sampler: Sampler, steps: int, down_to: float) -> float:
    """How far a sampler is from the exact flow at the level of a timestep it stops at."""
    z = np.array([-1.7, -0.4, 0.6, 1.3])
    table = sampler.table(steps)
    sampler.set_timesteps(steps)
    x = exact(z, table.alpha[0], table.sigma[0])
    for index in range(len(table)):
        x = sampler.step(best_estimate(x, table.alpha[index], table.sigma[index]), index, x)
        whole = index + 1 == len(table) or table.kept_sample[index + 1] == 0
        if whole and np.isclose(table.next_alpha[index], down_to, rtol=1e-9):
            there = exact(z, table.next_alpha[index], table.next_sigma[index])
            return float(np.abs(x - there).max())
    raise AssertionError(f"no step ends at alpha {down_to}")


def loop(sampler: Sampler, steps: int, network: Callable[[Any, float], Any], x: Any) -> Any:
    sampler.set_timesteps(steps)
    noise = np.random.default_rng(0)
    for index, timestep in enumerate(sampler.timesteps):
        x = sampler.step(network(x, timestep), index, x, noise.normal(size=np.shape(x)))
    return x


# Goldens.


@pytest.mark.parametrize(
    ("prediction", "beta_start", "final_level", "golden"),
    [
        ("epsilon", 1e-4, "clean", 172.0067),
        ("v", 1e-4, "clean", 52.5302),
        ("epsilon", 0.01, "clean", 149.8295),
        ("epsilon", 0.01, "first", 149.0784),
    ],
)
def test_ddim_gives_the_published_sums(
    prediction: str, beta_start: float, final_level: str, golden: float
) -> None:
    schedule = NoiseSchedule("linear", beta_start=beta_start, beta_end=0.02)
    config = {"name": "ddim", "final_level": final_level}
    sampler = sampler_of(config, schedule, prediction, clip=True)
    start = np.arange(768).reshape(4, 3, 8, 8) / 768
    x = loop(sampler, 10, lambda x, t: x * t / (t + 1), start)
    assert np.abs(x).sum() == pytest.approx(golden, abs=5e-4)


def test_timesteps_are_as_published() -> None:
    config = {"name": "ddim", "spacing": "leading", "steps_offset": 1}
    sampler = sampler_of(config, LINEAR, "epsilon")
    sampler.set_timesteps(5)
    assert sampler.timesteps.tolist() == [801, 601, 401, 201, 1]
    # Lin et al. 2024, table 2, counted from 0.
    spaced = {one: sampler_of("ddim", LINEAR, "v", spacing=one).spaced(10) for one in SPACINGS}
    assert spaced["leading"].tolist() == list(range(900, -1, -100))
    assert spaced["trailing"].tolist() == list(range(999, 0, -100))
    assert spaced["linspace"].tolist() == list(range(999, -1, -111))


def test_the_variance_of_ddpm_is_as_published() -> None:
    table = sampler_of("ddpm", LINEAR, "epsilon").table(1000)
    row = table.timestep.tolist().index(487)
    assert table.noise[row] ** 2 == pytest.approx(0.00979, abs=5e-6)


def test_ddpm_has_the_posterior_of_the_paper() -> None:
    """Ho et al. 2020, eq. 7, from their betas alone."""
    beta, level = LINEAR.betas, LINEAR.alphas_cumprod
    before = np.append(1.0, level[:-1])
    table = sampler_of("ddpm", LINEAR, "epsilon").table(1000)
    for name, expected in {
        "denoised": np.sqrt(before) * beta / (1 - level),
        "sample": np.sqrt(1 - beta) * (1 - before) / (1 - level),
        "noise": np.sqrt((1 - before) / (1 - level) * beta),
    }.items():
        np.testing.assert_allclose(getattr(table, name)[::-1], expected, rtol=1e-7, atol=1e-9)


# The Gaussian.


@pytest.mark.parametrize("schedule", [LINEAR, NoiseSchedule(zero_terminal_snr=True)], ids=str)
@pytest.mark.parametrize("name", FIRST_ORDER + SECOND_ORDER)
def test_errors_fall_with_the_samplers_order(name: str, schedule: NoiseSchedule) -> None:
    """Half way down, where steps are small in any coordinate: as 1 / n, or as 1 / n^2."""
    sampler = sampler_of({"name": name, "spacing": "trailing"}, schedule, "sample")
    half = float(schedule.alpha(499))
    errors = [flow_error(sampler, steps, half) for steps in (50, 100, 200)]
    expected = 2 if name in FIRST_ORDER else 4
    ratios = np.array(errors[:-1]) / errors[1:]
    np.testing.assert_allclose(ratios, expected, rtol=0.07)


@pytest.mark.parametrize("name", FIRST_ORDER + SECOND_ORDER)
def test_many_steps_end_on_the_flow(name: str) -> None:
    for schedule in (LINEAR, NoiseSchedule("cosine"), NoiseSchedule(zero_terminal_snr=True)):
        sampler = sampler_of({"name": name, "spacing": "trailing"}, schedule, "sample")
        assert flow_error(sampler, 1000, 1.0) < (5e-3 if name in FIRST_ORDER else 5e-4)
    # And with few the second order is the better by far.
    if name in SECOND_ORDER:
        sampler = sampler_of({"name": name, "spacing": "trailing"}, LINEAR, "sample")
        euler = sampler_of({"name": "euler", "spacing": "trailing"}, LINEAR, "sample")
        assert flow_error(sampler, 20, 1.0) < flow_error(euler, 20, 1.0) / 2


@pytest.mark.parametrize(
    "config", ["ddpm", {"name": "ddim", "eta": 1.0}, {"name": "ddim", "eta": 0.5}], ids=str
)
def test_noise_keeps_the_variance(config: Any) -> None:
    """The samples of a linear estimate are Gaussian: mean and variance follow row by row."""
    gaps = []
    for steps in (50, 200, 1000):
        table = sampler_of(config, LINEAR, "sample", spacing="trailing").table(steps)
        mean = table.alpha[0] * MEAN
        variance = (table.alpha[0] * DEVIATION) ** 2 + table.sigma[0] ** 2
        for row in range(len(table)):
            alpha, sigma = table.alpha[row], table.sigma[row]
            gain = best_estimate(1.0, alpha, sigma) - best_estimate(0.0, alpha, sigma)
            estimate = best_estimate(mean, alpha, sigma)
            mean = table.sample[row] * mean + table.denoised[row] * estimate
            variance *= (table.sample[row] + table.denoised[row] * gain) ** 2
            variance += table.noise[row] ** 2
        assert mean == pytest.approx(MEAN, abs=1e-9)
        gaps.append(abs(np.sqrt(variance) - DEVIATION))
    assert gaps[0] > 3 * gaps[1] > 9 * gaps[2]
    assert gaps[2] < 0.004


def test_drawn_noise_reproduces_the_variance() -> None:
    sampler = sampler_of("ddpm", LINEAR, "sample")
    table = sampler.table(200)
    levels = {t: (a, s) for t, a, s in zip(table.timestep, table.alpha, table.sigma, strict=True)}
    start = np.random.default_rng(1).normal(size=20_000)
    drawn = loop(sampler, 200, lambda x, t: best_estimate(x, *levels[t]), start)
    assert drawn.mean() == pytest.approx(MEAN, abs=0.01)
    assert drawn.std() == pytest.approx(DEVIATION, rel=0.07)


# Tables.


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("spacing", SPACINGS)
def test_a_network_that_knows_the_image_leads_to_it(name: str, spacing: str) -> None:
    """x stays alpha x0 + sigma noise, with the noise it began with where none is added."""
    x0, noise = np.random.default_rng(0).normal(size=(2, 3, 4))
    for steps in (1, 2, 3, 10, 1000):
        for final_level in ("clean", "first"):
            config = {"name": name, "spacing": spacing, "final_level": final_level}
            sampler = sampler_of(config, NoiseSchedule("cosine"), "sample")
            table = sampler.table(steps)
            sampler.set_timesteps(steps)
            x = table.alpha[0] * x0 + table.sigma[0] * noise
            for index in range(len(table)):
                x = sampler.step(x0, index, x, np.zeros_like(x))
                if not table.is_stochastic:
                    there = table.next_alpha[index] * x0 + table.next_sigma[index] * noise
                    np.testing.assert_allclose(x, there, atol=1e-7)
            end = float(sampler.schedule.alpha(0)) if final_level == "first" else 1.0
            assert table.next_alpha[-1] == pytest.approx(end)
            if final_level == "clean":
                np.testing.assert_allclose(x, x0, atol=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_a_step_is_one_evaluation_and_two_of_heun(name: str) -> None:
    for schedule in (LINEAR, NoiseSchedule(zero_terminal_snr=True)):
        sampler = sampler_of(name, schedule, "v")
        for steps in (1, 2, 7, 20, 999, 1000):
            table = sampler.table(steps)
            expected = steps
            if name == "heun":
                # The last step is Euler's, and so are those from next to nothing but noise.
                levels = schedule.alpha(sampler.spaced(steps)[:-1])
                expected = 2 * steps - 1 - int((levels < 1e-3).sum())
            if name == "dpm_solver++" and steps == 1000 and sampler.spacing == "linspace":
                expected = 999
            assert len(table) == expected
            assert (np.diff(table.timestep) <= 0).all()
            assert table.timestep.min() >= 0 and table.timestep.max() <= 999
            np.testing.assert_allclose(table.alpha, schedule.alpha(table.timestep), rtol=1e-9)
            for column in table.columns().values():
                assert len(column) == len(table) and np.isfinite(column).all()
            np.testing.assert_allclose(table.alpha**2 + table.sigma**2, 1.0)
            assert (table.next_alpha[-1], table.next_sigma[-1]) == (1.0, 0.0)
            assert table.noise[-1] == 0


def test_defaults_are_what_each_is_known_for() -> None:
    known = {name: sampler_of(name, LINEAR, "v").spacing for name in NAMES}
    assert known == {
        "ddpm": "leading",
        "ddim": "leading",
        "euler": "linspace",
        "heun": "linspace",
        "dpm_solver++": "linspace",
    }
    zero = NoiseSchedule(zero_terminal_snr=True)
    for name in NAMES:
        sampler = sampler_of(name, zero, "v")
        assert sampler.spacing == "trailing"
        assert sampler.spaced(20)[0] == 999


def test_only_those_that_should_add_noise() -> None:
    stochastic = {name: sampler_of(name, LINEAR, "v").table(10).is_stochastic for name in NAMES}
    assert [name for name, adds in stochastic.items() if adds] == ["ddpm"]
    assert sampler_of({"name": "ddim", "eta": 0.1}, LINEAR, "v").table(10).is_stochastic
    one, other = (
        sampler_of(config, LINEAR, "v").table(10) for config in ("ddpm", {"name": "ddim", "eta": 1})
    )
    for name, column in one.columns().items():
        np.testing.assert_array_equal(column, other.columns()[name])


def test_estimates_are_clipped_where_that_is_asked_for() -> None:
    for clip, end in ((True, 1.0), (False, 3.0)):
        sampler = sampler_of("euler", LINEAR, "sample", clip=clip)
        assert sampler.table(4).clip is clip
        assert loop(sampler, 4, lambda x, t: 3.0 + 0 * x, np.zeros(2)) == pytest.approx(end)
    # What the configuration says comes first.
    assert not sampler_of({"name": "euler", "clip": False}, LINEAR, "v", clip=True).clip


@pytest.mark.parametrize("name", NAMES)
def test_beginning_later_needs_nothing_from_before(name: str) -> None:
    """Image to image: from the exact flow at its level a part of the table ends near the flow."""
    sampler = sampler_of({"name": name, "spacing": "trailing"}, LINEAR, "sample")
    table = sampler.table(20)
    for strength, steps in ((0.0, 0), (0.3, 6), (0.5, 10), (1.0, 20)):
        rows = table.since(start_index(table, strength))
        assert np.count_nonzero(rows.kept_sample == 0) == steps
        assert rows.clip == table.clip
        if steps:
            assert rows.last_denoised[0] == rows.kept_sample[0] == 0
    assert start_index(table, 1) == 0
    part = table.since(start_index(table, 0.5))
    z = np.array([-1.0, 1.0])
    ends = [run_rows(rows, exact(z, rows.alpha[0], rows.sigma[0])) for rows in (table, part)]
    errors = [np.abs(end - exact(z, 1.0, 0.0)).max() for end in ends]
    if name != "ddpm":
        assert errors[1] < 1.5 * errors[0] + 1e-3


def run_rows(table: SamplingTable, x: Any) -> Any:
    """The rows as the docstring of the table has them, with nothing kept to begin with."""
    kept_x = kept_d = np.zeros_like(x)
    for i in range(len(table)):
        d = best_estimate(x, table.alpha[i], table.sigma[i])
        moved = table.sample[i] * x + table.denoised[i] * d
        moved = moved + table.last_denoised[i] * kept_d + table.kept_sample[i] * kept_x
        if table.keep[i]:
            kept_x, kept_d = x, d
        x = moved
    return x


# Configuration and refusals.


@pytest.mark.parametrize("name", NAMES)
def test_configurations_survive_json(name: str) -> None:
    options: dict[str, Any] = {"spacing": "leading", "steps_offset": 1}
    options |= {"final_level": "first", "clip": True}
    if name == "ddim":
        options["eta"] = 0.25
    sampler = sampler_of({"name": name, **options}, LINEAR, "v")
    config = json.loads(json.dumps(sampler.config()))
    assert config == {"name": name, **options}
    again = sampler_of(config, LINEAR, "v")
    assert type(again) is type(sampler) and again.config() == config
    for key, column in sampler.table(7).columns().items():
        np.testing.assert_array_equal(again.table(7).columns()[key], column)
    assert sampler.add_noise(np.ones(2), np.zeros(2), 500) == pytest.approx(
        float(LINEAR.alpha(500)) * np.ones(2)
    )


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("steps", [0, -1, 1001, 2.5, True, "10"])
def test_steps_out_of_range_are_refused(name: str, steps: Any) -> None:
    with pytest.raises(InvalidInputError, match="num_inference_steps must be 1 to 1000"):
        sampler_of(name, LINEAR, "v").set_timesteps(steps)


@pytest.mark.parametrize("name", NAMES)
def test_epsilon_is_refused_with_zero_terminal_snr(name: str) -> None:
    with pytest.raises(InvalidInputError, match="alpha is 0"):
        sampler_of(name, NoiseSchedule(zero_terminal_snr=True), "epsilon")


def test_names_and_options_that_do_not_exist_are_refused() -> None:
    with pytest.raises(UnknownModelError, match="unknown sampler 'dpm_solver'; did you mean dpm"):
        sampler_of("dpm_solver", LINEAR, "v")
    for config, words in (
        ({"name": "euler", "eta": 0.5}, "the sampler euler has no option 'eta'"),
        ({"name": "ddim", "eat": 0.5}, "did you mean eta"),
        ({"name": "ddim", "eta": 1.5}, "eta must be 0 to 1, got 1.5"),
        ({"name": "ddim", "spacing": "linear"}, "spacing must be leading, trailing, linspace"),
        ({"name": "ddim", "final_level": "zero"}, "final_level must be clean, first"),
        ({"name": "ddim", "clip": "yes"}, "clip must be True, False"),
        ({"name": "ddim", "steps_offset": -1}, "steps_offset must be 0 to 999"),
    ):
        with pytest.raises(InvalidInputError, match=words):
            sampler_of(config, LINEAR, "v")


def test_steps_that_cannot_be_are_refused() -> None:
    sampler = sampler_of("ddpm", LINEAR, "v")
    x = np.zeros(3)
    with pytest.raises(InvalidInputError, match="call set_timesteps"):
        sampler.step(x, 0, x)
    sampler.set_timesteps(5)
    with pytest.raises(InvalidInputError, match="index must be 0 to 4, got 5"):
        sampler.step(x, 5, x)
    with pytest.raises(InvalidInputError, match="ddpm needs noise at row 0"):
        sampler.step(x, 0, x)


@pytest.mark.parametrize("strength", [-0.1, 1.1, np.nan, "0.5", True])
def test_a_strength_out_of_range_is_refused(strength: Any) -> None:
    table = sampler_of("ddim", LINEAR, "v").table(10)
    with pytest.raises(InvalidInputError, match="strength must be"):
        start_index(table, strength)
