"""Diffusion models in use: against closed forms, step by step, and whatever shares the batch."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from PIL import Image

from tests.denoisers import DEVIATION, LABELS, MEANS, autoencoder, card_of, generator_of, untrained
from tests.denoisers import exact as exact_denoiser
from tests.marks import fast_of
from zoo import store
from zoo.cli import main
from zoo.diffusion import DiffusionGenerator
from zoo.errors import CancelledError, InvalidInputError, UnknownModelError, ZooError
from zoo.latents import draw_rows, to_pixels
from zoo.models.diffusion.predictions import denoised
from zoo.models.diffusion.samplers import SAMPLERS, sampler_of
from zoo.models.diffusion.schedules import NoiseSchedule
from zoo.pipelines import make_pipeline
from zoo.runtime import KerasSamplingLoop
from zoo.sampling import further_noise, pieces

SHAPE = (8, 8, 1)


@pytest.fixture(scope="module")
def gaussian() -> DiffusionGenerator:
    """Every class is a normal distribution, and its denoiser is right."""
    return generator_of({"denoiser": exact_denoiser()})


@pytest.fixture(scope="module")
def painter() -> DiffusionGenerator:
    return generator_of({"denoiser": untrained()}).with_sampling(num_inference_steps=4)


@pytest.fixture(scope="module")
def latent() -> DiffusionGenerator:
    networks = {"denoiser": untrained((4, 4, 1)), **autoencoder()}
    return generator_of(networks, name="ldm.patches").with_sampling(num_inference_steps=4)


@pytest.fixture(scope="module")
def plain() -> DiffusionGenerator:
    """One without classes."""
    return generator_of({"denoiser": untrained(classes=0)}, ())


def noise_of(rows: np.ndarray, shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    return rows[:, : int(np.prod(shape))].reshape(-1, *shape)


def pictures(n: int) -> np.ndarray:
    return np.random.default_rng(n).integers(0, 256, (n, *SHAPE), dtype=np.uint8)


def test_a_row_is_noise_with_its_label(
    painter: DiffusionGenerator, latent: DiffusionGenerator, plain: DiffusionGenerator
) -> None:
    assert painter.card.input["shape"] == [64 + 3] and painter.latent_dim == 64
    assert latent.card.input["shape"] == [16 + 3] and plain.card.input["shape"] == [64]
    assert {g.card.output["shape"][0] for g in (painter, latent, plain)} == {8}
    assert painter.card.labels == list(LABELS) and plain.card.labels == []
    np.testing.assert_array_equal(painter.rows(4, seed=2), draw_rows(range(2, 6), 64, 3))
    assert painter.rows(1, label="a t-shirt")[0, 64:].tolist() == [0, 0, 1]


@pytest.mark.parametrize(
    ("options", "mean"),
    [
        ({"guidance_scale": 1.0}, MEANS[2]),
        ({"guidance_scale": 0.0}, 0.0),
        ({"guidance_scale": 1.5}, 1.5 * MEANS[2]),
        ({"guidance_scale": 2.0, "negative_label": "a dog"}, 2 * MEANS[2] - MEANS[1]),
        ({"guidance_scale": 1.0, "sampler": "heun"}, MEANS[2]),
        ({"guidance_scale": 1.0, "sampler": "euler", "num_inference_steps": 300}, MEANS[2]),
    ],
)
def test_images_are_where_the_formula_has_them(
    gaussian: DiffusionGenerator, options: dict[str, Any], mean: float
) -> None:
    """The probability flow carries noise z to mean + DEVIATION z, and guidance moves the mean."""
    rows = gaussian.rows(12, seed=3, label=2)
    expected = to_pixels(mean + DEVIATION * noise_of(rows))
    drawn = gaussian.run(rows, **{"num_inference_steps": 60, **options})
    gap = np.abs(drawn.astype(float) - expected)
    assert gap.max() <= 4 and gap.mean() < 1


def test_noise_on_the_way_leaves_the_distribution_as_it_is(gaussian: DiffusionGenerator) -> None:
    many: dict[str, Any] = {"sampler": "ddpm", "num_inference_steps": 1000, "guidance_scale": 1.0}
    drawn = gaussian.generate(100, seed=0, label="cat", **many).astype(float) / 127.5 - 1.0
    assert drawn.mean() == pytest.approx(MEANS[0], abs=0.01)
    assert drawn.std() == pytest.approx(DEVIATION, rel=0.05)
    again = gaussian.generate(2, seed=[7, 50], label="cat", **many)
    np.testing.assert_array_equal(again, to_pixels(drawn[[7, 50]]))


@pytest.fixture(scope="module")
def looped() -> tuple[keras.Model, KerasSamplingLoop]:
    """A network and a loop over it, which compiles each kind of conditions once."""
    network = untrained()
    return network, KerasSamplingLoop(network, functools.partial(denoised, "v"))


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("scale", fast_of([2.0], [1.0, 2.0]))
def test_the_loop_does_what_the_sampler_does_step_by_step(
    looped: tuple[keras.Model, KerasSamplingLoop], name: str, scale: float
) -> None:
    network, loop = looped
    schedule = NoiseSchedule("cosine")
    sampler = sampler_of(name, schedule, "v", clip=True)
    table = sampler.table(5)
    rng = np.random.default_rng(1)
    x = start = rng.standard_normal((3, *SHAPE), np.float32)
    noise = rng.standard_normal((len(table), 3, *SHAPE), np.float32)
    label, other = np.eye(3, dtype=np.float32), np.zeros((3, 3), np.float32)
    sampler.set_timesteps(5)
    for index, timestep in enumerate(sampler.timesteps):
        given = {"sample": x, "timestep": np.full(3, timestep, np.float32)}
        wanted, free = (
            np.asarray(network({**given, "label": one}, training=False)) for one in (label, other)
        )
        output = free + scale * (wanted - free)
        x = sampler.step(output, index, x, noise[index]).astype(np.float32)
    conditions: dict[str, Any] = {"label": label}
    if scale != 1:
        conditions |= {"other": other, "scale": scale}
    if table.is_stochastic:
        conditions["noise"] = noise
    done = loop(table, loop.begin(start), conditions)
    np.testing.assert_allclose(done[0], x, atol=2e-3)
    state = loop.begin(start)
    for index, row in enumerate(pieces(table, start.nbytes, watched=True)):
        piece = {k: v[index : index + 1] if k == "noise" else v for k, v in conditions.items()}
        state = loop(row, state, piece)
    np.testing.assert_allclose(state[0], done[0], atol=1e-4)


@pytest.mark.parametrize("options", [{}, {"sampler": "ddpm"}, {"guidance_scale": 1.0}])
def test_a_seed_names_an_image_whatever_else_is_drawn(
    painter: DiffusionGenerator, options: dict[str, Any]
) -> None:
    together = painter.generate(20, seed=100, **options)
    assert together.dtype == np.uint8 and together.shape == (20, *SHAPE)
    for size in (1, 3, 8, 13):
        for start in range(0, 20 - size, size):
            part = painter.generate(size, seed=100 + start, **options)
            np.testing.assert_array_equal(part, together[start : start + size])
    assert not np.array_equal(together[0], together[3])


def test_many_rows_and_much_noise_are_run_in_parts(
    painter: DiffusionGenerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert painter.generate(300, num_inference_steps=1).shape == (300, *SHAPE)
    whole = painter.generate(3, sampler="ddpm")
    monkeypatch.setattr("zoo.sampling._NOISE", 2 * 3 * 64 * 4)
    table = sampler_of("ddpm", NoiseSchedule("cosine"), "v").table(5)
    assert [len(piece) for piece in pieces(table, 3 * 64 * 4, watched=False)] == [2, 2, 1]
    np.testing.assert_array_equal(painter.generate(3, sampler="ddpm"), whole)


def test_further_noise_is_another_for_each_image() -> None:
    start = draw_rows([0, 1], 64)
    drawn = [further_noise(row).standard_normal(1000) for row in (start[0], start[1], start[0])]
    np.testing.assert_array_equal(drawn[0], drawn[2])
    assert abs(np.corrcoef(drawn[0], drawn[1])[0, 1]) < 0.15
    assert abs(np.corrcoef(drawn[0][:64], start[0])[0, 1]) < 0.5


def test_other_values_trace_nothing_anew(painter: DiffusionGenerator) -> None:
    loop = painter._loop
    assert isinstance(loop, KerasSamplingLoop)
    picture = pictures(1)
    asked: tuple[dict[str, Any], ...] = (
        {"guidance_scale": 3.0, "num_inference_steps": 2},
        {"guidance_scale": 3.0, "image": picture, "strength": 0.4, "sampler": "heun"},
        {"guidance_scale": 1.0},
        {"guidance_scale": 2.0, "image": picture, "mask": np.ones((8, 8))},
    )
    for options in asked:
        painter.generate(2, **options)
    traced = loop.traces
    other: dict[str, Any] = {"num_inference_steps": 7, "sampler": {"name": "ddim"}}
    for options in asked:
        more = {"strength": 0.7} if "image" in options else {}
        painter.generate(2, seed=5, label="dog", **{**options, **other, **more})
    painter.generate(2, guidance_scale=5.5, negative_label="dog", label="cat")
    assert loop.traces == traced
    if keras.backend.backend() == "tensorflow":
        painter.generate(30, num_inference_steps=3)
        assert loop.traces == traced


def test_guidance_of_one_is_the_conditional_prediction(painter: DiffusionGenerator) -> None:
    rows = painter.rows(4, seed=1, label="dog")
    alone = painter.run(rows, guidance_scale=1.0)
    near = painter.run(rows, guidance_scale=1.0 + 1e-6)
    assert np.abs(alone.astype(int) - near).max() <= 1
    unlabelled = rows.copy()
    unlabelled[:, 64:] = 0.0
    free, guided = (painter.run(unlabelled, guidance_scale=scale) for scale in (1.0, 4.0))
    assert np.abs(free.astype(int) - guided).max() <= 1
    assert not np.array_equal(alone, painter.run(rows, guidance_scale=4.0))


def test_a_negative_label_leads_away_from_itself(painter: DiffusionGenerator) -> None:
    rows = painter.rows(3, seed=1, label=["cat", "dog", "cat"])
    away = painter.run(rows, guidance_scale=3.0, negative_label="dog")
    plain = painter.run(rows, guidance_scale=3.0)
    assert not np.array_equal(away[0], plain[0])
    # From itself there is nowhere to go.
    alone = painter.run(rows, guidance_scale=1.0)
    assert np.abs(away[1].astype(int) - alone[1]).max() <= 1
    each = painter.run(rows, guidance_scale=3.0, negative_label=["dog", 0, 1])
    np.testing.assert_array_equal(each[[0, 2]], away[[0, 2]])


@pytest.mark.parametrize("sampler", ["dpm_solver++", "ddpm", "heun"])
def test_a_callback_sees_every_step(painter: DiffusionGenerator, sampler: str) -> None:
    seen: list[tuple[int, int]] = []
    previews: list[np.ndarray] = []

    def watch(step: int, total: int, preview: np.ndarray) -> None:
        seen.append((step, total))
        previews.append(preview)

    drawn = painter.generate(3, seed=2, sampler=sampler, callback=watch)
    total = len(sampler_of(sampler, NoiseSchedule("cosine"), "v").table(4))
    assert total > 4 or sampler != "heun"
    assert seen == [(step, total) for step in range(1, total + 1)]
    assert all(one.shape == (3, *SHAPE) and one.dtype == np.uint8 for one in previews)
    np.testing.assert_array_equal(previews[-1], drawn)
    np.testing.assert_array_equal(painter.generate(3, seed=2, sampler=sampler), drawn)


def test_a_callback_may_cancel(latent: DiffusionGenerator) -> None:
    seen: list[int] = []

    def stop(step: int, total: int, preview: np.ndarray) -> bool:
        seen.append(step)
        return step < 3

    with pytest.raises(CancelledError, match="cancelled after step 3 of 4"):
        latent.generate(2, callback=stop)
    assert seen == [1, 2, 3]
    with pytest.raises(InvalidInputError, match="watches at most 256 images at once, got 257"):
        latent.generate(257, callback=stop)


def test_strength_says_how_much_of_an_image_goes(
    gaussian: DiffusionGenerator, latent: DiffusionGenerator
) -> None:
    given = pictures(3)
    options: dict[str, Any] = {"image": given, "guidance_scale": 1.0}
    np.testing.assert_array_equal(gaussian.generate(3, strength=0, **options), given)
    drawn = gaussian.generate(3, strength=1.0, **options)
    np.testing.assert_array_equal(drawn, gaussian.generate(3, guidance_scale=1.0))
    gaps = [
        np.abs(gaussian.generate(3, strength=strength, **options).astype(int) - given).mean()
        for strength in (0.2, 0.5, 0.8)
    ]
    assert 0 < gaps[0] < gaps[1] < gaps[2]
    # Up to the autoencoder: here each 2x2 pixels become their mean.
    means = given.reshape(3, 4, 2, 4, 2, 1).mean(axis=(2, 4))
    decoded = np.repeat(np.repeat(means, 2, axis=1), 2, axis=2)
    back = latent.generate(3, image=given, strength=0)
    assert np.abs(back - decoded).max() <= 1
    one = latent.generate(3, image=given[1], strength=0.5)
    assert one.shape == (3, *SHAPE)
    np.testing.assert_array_equal(
        one[1], latent.generate(3, image=given, strength=0.5)[1], err_msg="one image serves all"
    )


@pytest.mark.parametrize("space", ["pixels", "latents"])
@pytest.mark.parametrize("strength", [None, 0.5])
def test_what_a_mask_keeps_stays_to_the_last_bit(
    painter: DiffusionGenerator, latent: DiffusionGenerator, space: str, strength: float | None
) -> None:
    generator = painter if space == "pixels" else latent
    given = pictures(4)
    mask = np.zeros((8, 8), np.uint8)
    mask[2:5, 3:8] = 255
    options: dict[str, Any] = {"image": given, "strength": strength, "mask": mask}
    drawn = generator.generate(4, **options)
    kept = mask == 0
    np.testing.assert_array_equal(drawn[:, kept], given[:, kept])
    other = generator.generate(4, seed=9, **options)
    for one, picture in zip(drawn, given, strict=True):
        assert not np.array_equal(one[~kept], picture[~kept])
    assert not np.array_equal(drawn[:, ~kept], other[:, ~kept])
    for same in (mask > 0, mask // 255, mask / 255.0, Image.fromarray(mask), mask[None, ..., None]):
        again = generator.generate(4, **{**options, "mask": same})
        np.testing.assert_array_equal(again, drawn)
    nothing = {**options, "mask": np.zeros((8, 8))}
    np.testing.assert_array_equal(generator.generate(4, **nothing), given)


def test_what_is_painted_anew_sees_what_is_kept(gaussian: DiffusionGenerator) -> None:
    """The loop holds the known part at its level of noise, row by row."""
    given = pictures(2)
    mask = np.zeros((8, 8), bool)
    mask[:, 4:] = True
    states: list[np.ndarray] = []
    loop = gaussian._loop

    def spied(*arguments: Any) -> Any:
        state = loop(*arguments)
        states.append(state[0])
        return state

    spied.begin = loop.begin  # type: ignore[attr-defined]
    watched = gaussian.with_sampling(num_inference_steps=5)
    watched._loop = spied  # type: ignore[assignment]
    watched.generate(2, image=given, mask=mask, callback=lambda *_: None)
    table = sampler_of("dpm_solver++", watched._schedule, "sample").table(5)
    noise = noise_of(watched.rows(2))
    for index, state in enumerate(states):
        level = table.next_alpha[index], table.next_sigma[index]
        known = level[0] * (given / 127.5 - 1.0) + level[1] * noise
        np.testing.assert_allclose(state[:, :, :4], known[:, :, :4], atol=1e-5)


def test_between_two_seeds_images_change_evenly(gaussian: DiffusionGenerator) -> None:
    path = gaussian.with_sampling(guidance_scale=1.0).interpolate(3, 9, steps=9, label="dog")
    assert path.shape == (9, *SHAPE)
    ends = gaussian.generate(2, seed=[3, 9], label="dog", guidance_scale=1.0)
    np.testing.assert_array_equal(path[[0, -1]], ends)
    steps = np.abs(np.diff(path.astype(float), axis=0)).mean(axis=(1, 2, 3))
    assert steps.max() < 1.5 * steps.min()
    assert gaussian.walk([3, 9], steps=2).shape == (4, *SHAPE)
    assert gaussian.arithmetic([[1, 2]], [[3]]).shape == (1, *SHAPE)


def test_another_sampling_leaves_the_generator_as_it_is(painter: DiffusionGenerator) -> None:
    other = painter.with_sampling(sampler="ddim", num_inference_steps=9)
    assert painter.sampling.sampler == "dpm_solver++" and other.sampling.num_inference_steps == 9
    expected = painter.generate(2, sampler="ddim", num_inference_steps=9)
    np.testing.assert_array_equal(other.generate(2), expected)
    np.testing.assert_array_equal(other.grid(2, columns=2)[2:10, 12:20], expected[1])
    assert not np.array_equal(painter.generate(2), expected)


def test_a_model_draws_as_its_card_says(latent: DiffusionGenerator) -> None:
    networks = {"denoiser": untrained((4, 4, 1)), **autoencoder()}
    card = card_of(networks, LABELS, "ldm.patches")
    expected: dict[str, Any] = {
        "sampler": "dpm_solver++",
        "num_inference_steps": 20,
        "guidance_scale": 1.5,
    }
    assert card.output["sampling"] == expected
    kept: dict[str, Any] = {"sampler": {"name": "ddim", "eta": 0.5}, "num_inference_steps": 2}
    kept["guidance_scale"] = 1
    told = dataclasses.replace(card, output={**card.output, "sampling": kept})
    old = dataclasses.replace(card, output={**card.output, "sampling": {}})
    of_told, of_old = (make_pipeline(one, networks) for one in (told, old))
    assert isinstance(of_told, DiffusionGenerator) and isinstance(of_old, DiffusionGenerator)
    assert of_told.drawn_by == "ddim, 2 steps, guidance 1"
    assert of_old.drawn_by == latent.with_sampling(**expected).drawn_by
    assert of_old.drawn_by == "dpm_solver++, 20 steps, guidance 1.5"
    np.testing.assert_array_equal(of_told.generate(3), latent.generate(3, **kept))
    np.testing.assert_array_equal(of_told.generate(3, **expected), of_old.generate(3))
    few = {"name": "cosine", "steps": 5}
    free = {"denoiser": untrained(classes=0, schedule=few)}
    shown = card_of(free, (), "ddpm.patches").output["sampling"]
    assert shown == {"sampler": "dpm_solver++", "num_inference_steps": 5}
    assert generator_of(free, ()).drawn_by == "dpm_solver++, 5 steps"


def test_copies_share_the_compiled_encoder(latent: DiffusionGenerator) -> None:
    one, other = (latent.with_sampling(num_inference_steps=n) for n in (2, 3))
    encoders = [each.functions["encode"] for each in (one, other, latent)]
    assert encoders[0] is encoders[1] is encoders[2]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"num_inference_steps": 0}, "num_inference_steps must be 1 to 1000, .* got 0"),
        ({"num_inference_steps": 1001}, "1 to 1000, the steps of the noise schedule, got 1001"),
        ({"num_inference_steps": 2.5}, "got 2.5"),
        ({"num_infrence_steps": 5}, "no option 'num_infrence_steps'; did you mean num_inference_"),
        ({"guidance_scale": -1}, "guidance_scale must be a number from 0 on, got -1"),
        ({"guidance_scale": float("nan")}, "guidance_scale must be a number from 0 on, got nan"),
        ({"guidance_scale": "high"}, "guidance_scale must be a number from 0 on, got 'high'"),
        ({"negative_label": "bird"}, "has no label 'bird'"),
        ({"negative_label": ["cat"]}, "expected 2 labels, got 1"),
        ({"negative_label": "cat", "guidance_scale": 1.0}, "does nothing with a guidance_scale"),
        ({"label": "bird"}, "has no label 'bird'"),
        ({"sampler": {"name": "ddim", "eta": 2}}, "eta must be 0 to 1, got 2"),
        ({"sampler": {"name": "ddim", "eat": 1}}, "no option 'eat'; did you mean eta"),
        ({"strength": 0.5}, "strength needs an image to begin from"),
        ({"mask": np.ones((8, 8))}, "mask needs an image to begin from"),
        ({"image": np.zeros((9, 8)), "strength": 0.5}, "an image of 8x8 pixels, got 9x8"),
        ({"image": pictures(3)}, "expected one image or 2, got 3"),
        ({"image": pictures(1), "strength": 1.5}, "strength must be 0 to 1, got 1.5"),
        ({"image": pictures(1), "strength": -0.1}, "strength must be 0 to 1, got -0.1"),
        ({"image": pictures(1), "mask": np.ones((8, 9))}, "an image of 8x8 pixels, got 8x9"),
        ({"image": pictures(1), "mask": np.ones((3, 8, 8))}, "expected one mask or 2, got 3"),
    ],
)
def test_what_cannot_be_is_one_clear_line(
    painter: DiffusionGenerator, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(InvalidInputError, match=said) as refused:
        painter.generate(2, **options)
    assert "\n" not in str(refused.value)


def test_an_unknown_sampler_has_near_names(painter: DiffusionGenerator) -> None:
    with pytest.raises(UnknownModelError, match="unknown sampler 'dpm_solver'; did you mean dpm_"):
        painter.generate(1, sampler="dpm_solver")


def test_guidance_needs_classes(plain: DiffusionGenerator) -> None:
    assert plain.generate(2, num_inference_steps=2).shape == (2, *SHAPE)
    asked: tuple[dict[str, Any], ...] = ({"guidance_scale": 2.0}, {"negative_label": "cat"})
    for options in asked:
        with pytest.raises(
            InvalidInputError, match=r"needs a generator with classes; ddpm\.patches"
        ):
            plain.generate(1, **options)
    with pytest.raises(InvalidInputError, match="draws no labels on demand, got 'cat'"):
        plain.generate(1, label="cat")


@pytest.fixture
def stored(private_home: Path) -> Callable[..., int]:
    """A stored latent model, and a function that runs `zoo generate` on it in a few steps."""
    networks = {"denoiser": untrained((4, 4, 1)), **autoencoder()}
    store.save(card_of(networks, LABELS, "ldm.patches"), networks)

    def run(*arguments: str) -> int:
        return main(["generate", "ldm.patches", "-n", "2", *arguments])

    return run


def read(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


def test_the_command_line_says_the_same(stored: Callable[..., int], tmp_path: Path) -> None:
    import zoo

    generator = zoo.load("ldm.patches")
    assert isinstance(generator, DiffusionGenerator)
    folder = tmp_path / "drawn"
    asked = ["--steps", "3", "--guidance", "2.5", "--sampler", "ddim", "--label", "a dog"]
    assert stored(*asked, "--negative-label", "cats", "-o", str(folder)) == 0
    options: dict[str, Any] = {"num_inference_steps": 3, "guidance_scale": 2.5, "sampler": "ddim"}
    expected = generator.generate(2, 0, "dog", **options, negative_label="cat")
    np.testing.assert_array_equal(read(folder / "000001.png"), expected[1, ..., 0])

    picture, mask = pictures(1)[0, ..., 0], np.zeros((8, 8), np.uint8)
    mask[:4] = 255
    for name, pixels in (("picture", picture), ("mask", mask)):
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    files = ["--image", str(tmp_path / "picture.png"), "--mask", str(tmp_path / "mask.png")]
    assert stored("--steps", "3", "--strength", "0.7", *files, "-o", str(folder)) == 0
    expected = generator.generate(2, num_inference_steps=3, strength=0.7, image=picture, mask=mask)
    np.testing.assert_array_equal(read(folder / "000000.png"), expected[0, ..., 0])
    np.testing.assert_array_equal(expected[0, 4:, :, 0], picture[4:])

    walk = tmp_path / "walk.png"
    assert stored("--steps", "2", "--to-seed", "4", "-o", str(walk)) == 0
    ends = generator.generate(2, seed=[0, 4], num_inference_steps=2)
    np.testing.assert_array_equal(read(walk)[2:10, 12:20], ends[1, ..., 0])


def test_mistakes_on_the_command_line_get_one_line(
    stored: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = str(tmp_path / "x.png")
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(tmp_path / "large.png")
    for arguments, said in (
        (["--steps", "0"], "num_inference_steps must be 1 to 1000"),
        (["--sampler", "eular"], "unknown sampler 'eular'; did you mean euler"),
        (["--strength", "0.5"], "strength needs an image"),
        (["--image", str(tmp_path / "large.png")], "expected an image of 8x8 pixels, got 9x9"),
        (["--image", str(tmp_path / "none.png")], "there is no file"),
        (["--label", "a bird"], "ldm.patches has no label 'a bird'"),
    ):
        assert stored(*arguments, "-o", target) == 2
        told = capsys.readouterr().err
        assert said in told and told.count("\n") == 1
    options = {"steps": "5", "guidance": "2", "sampler": "ddim", "image": "x", "mask": "x"}
    for option, value in {**options, "strength": "1", "negative-label": "Bag"}.items():
        command = ["generate", "dcgan.fashion_mnist", f"--{option}", value, "-o", target]
        assert main(command) == 2
        told = capsys.readouterr().err
        assert f"--{option} is for diffusion models; dcgan.fashion_mnist draws without" in told
    assert main(["generate", "mlp.fashion_mnist", "--steps", "5", "-o", target]) == 2
    assert "is for classification" in capsys.readouterr().err


def test_a_stored_model_is_loaded_as_it_was(stored: Callable[..., int]) -> None:
    import zoo

    networks = {"denoiser": untrained((4, 4, 1)), **autoencoder()}
    generator = zoo.load("ldm.patches")
    assert isinstance(generator, DiffusionGenerator) and generator.slow
    before = generator_of(networks, name="ldm.patches")
    drawn, expected = (one.generate(3, num_inference_steps=3) for one in (generator, before))
    np.testing.assert_array_equal(drawn, expected)
    with pytest.raises(ZooError):
        zoo.load("ldm.patchse")
