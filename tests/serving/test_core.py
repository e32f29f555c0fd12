"""What the core answers, without HTTP: every task, its limits, and work that is given up."""

from __future__ import annotations

import asyncio
import base64
import io
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from serving.batching import Watch
from serving.core import Core
from serving.errors import DeadlineError, MalformedRequestError
from serving.patience import answer_in_time
from serving.requests import ClassifyInput, EditInput, ReconstructInput, TranslateInput
from serving.schemas import EditRequest, GenerateAnswer, GenerateRequest, PicturesAnswer
from serving.settings import Settings
from tests.serving.fakes import CLASSES, SHAPE, FakeSource, FakeStepper, make_card, stepper_card
from zoo.errors import InvalidInputError, UnknownModelError
from zoo.latents import draw_latents

ROOT = Path(__file__).resolve().parents[2]
WAIT = 20
STEPS = "steps.grey"


@pytest.fixture
def source() -> FakeSource:
    return FakeSource(stepper_card(), make_card("codes.grey", "reconstruction"))


@pytest.fixture
def core(source: FakeSource, tmp_path: Path) -> Iterator[Core]:
    settings = Settings(max_images=12, max_steps=50)
    made = Core(settings=settings, source=source, folder=tmp_path)
    made.start()
    yield made
    made.close()


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)


def grey(*levels: float) -> list[bytes | np.ndarray]:
    return [np.full(SHAPE[:2], level, np.uint8) for level in levels]


def png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def pixels_of(answer: GenerateAnswer | PicturesAnswer) -> np.ndarray:
    pictures = [Image.open(io.BytesIO(base64.b64decode(one.b64_json))) for one in answer.data]
    assert all(picture.format == "PNG" for picture in pictures)
    return np.stack([np.asarray(picture) for picture in pictures])


def generate(core: Core, watch: Watch | None = None, **fields: Any) -> GenerateAnswer:
    answer: GenerateAnswer = run(core.generate(GenerateRequest(**fields), watch))
    return answer


def edit(core: Core, image: Any, mask: Any = None, **fields: Any) -> np.ndarray:
    request = EditRequest(**{"image": "file", "seed": 3, **fields})
    return pixels_of(run(core.edit(EditInput(request, image, mask))))


def shades(seed: int, classes: int = 0) -> np.ndarray:
    """What the step-by-step fake draws from a seed."""
    noise = draw_latents([seed], 64)[0] * 40 + 128 + classes
    return np.clip(noise, 0, 255).astype(np.uint8).reshape(SHAPE[:2])


def assert_close(image: np.ndarray, expected: np.ndarray) -> None:
    """On a way even the ends are computed, and round otherwise."""
    np.testing.assert_allclose(image.astype(int), expected.astype(int), atol=1)


def stepper(core: Core, source: FakeSource) -> FakeStepper:
    run(core.load(STEPS))
    found: FakeStepper = source.pipelines[f"{STEPS}@1"]
    return found


def test_images_are_labelled_translated_and_reconstructed(core: Core) -> None:
    answer = run(core.classify(ClassifyInput(grey(40, 200), "levels.grey@1", 2)))
    assert answer.model == "levels.grey@1"
    assert [labels[0].label for labels in answer.predictions] == ["level 1", "level 7"]
    negative = run(core.translate(TranslateInput(grey(40, 200))))
    assert negative.model == "styles.a_b@1" and negative.direction == "a_to_b"
    assert negative.size == "8x8" and negative.output_format == "png"
    np.testing.assert_array_equal(pixels_of(negative)[:, 0, 0], [215, 55])
    back = run(core.translate(TranslateInput(grey(40), direction="b_to_a")))
    np.testing.assert_array_equal(pixels_of(back), np.full((1, 8, 8), 40))
    quarters = np.zeros((8, 8), np.uint8)
    quarters[:4, 4:] = 100
    again = run(core.reconstruct(ReconstructInput([quarters])))
    assert again.model == "codes.grey@1"
    np.testing.assert_array_equal(pixels_of(again)[0], quarters)


def test_an_unknown_direction_is_told_with_those_that_there_are(core: Core) -> None:
    with pytest.raises(InvalidInputError, match="a_to_b and b_to_a"):
        run(core.translate(TranslateInput(grey(1), direction="a_to_c")))


def test_a_model_need_not_be_named_where_one_is_able(core: Core) -> None:
    assert core.named(None, "edit") == STEPS
    with pytest.raises(MalformedRequestError, match="2 that generate") as caught:
        generate(core)
    assert set(caught.value.near) == {"patches.grey", STEPS}


def test_a_seed_names_one_image_however_it_is_asked_for(core: Core) -> None:
    answer = generate(core, model=STEPS, n=3, seed=5, label="hat")
    assert [one.seed for one in answer.data] == [5, 6, 7]
    for seed, image in zip((5, 6, 7), pixels_of(answer), strict=True):
        np.testing.assert_array_equal(image, shades(seed, 1))
    labels = pixels_of(generate(core, model=STEPS, n=3, seed=5, label=[2, "cup", 1]))
    for seed, number, image in zip((5, 6, 7), (2, 0, 1), labels, strict=True):
        np.testing.assert_array_equal(image, shades(seed, number))


@pytest.mark.parametrize(
    ("asked", "number"),
    [({"prompt": "a photo of a shoe"}, 2), ({"prompt": "shoe", "label": "cup"}, 0)],
)
def test_a_prompt_names_a_class_where_no_label_does(
    core: Core, asked: dict[str, Any], number: int
) -> None:
    image = pixels_of(generate(core, model=STEPS, seed=4, **asked))[0]
    np.testing.assert_array_equal(image, shades(4, number))


def test_without_classes_a_prompt_is_not_used_and_without_words_the_seed_decides(
    core: Core,
) -> None:
    asked: dict[str, Any] = {"model": "patches.grey", "seed": 4}
    assert generate(core, **asked, prompt="a shoe").data == generate(core, **asked).data
    image = pixels_of(generate(core, model=STEPS, seed=4, prompt="  "))[0]
    np.testing.assert_array_equal(image, shades(4, 4 % len(CLASSES)))


def test_ways_lead_from_seed_to_seed_and_from_label_to_label(core: Core) -> None:
    way = generate(
        core, model=STEPS, seed=4, label="cup", interpolate={"to_label": "shoe", "steps": 3}
    )
    assert [one.position for one in way.data] == [0, 0.5, 1]
    for number, image in enumerate(pixels_of(way)):
        assert_close(image, shades(4, number))
    both = pixels_of(
        generate(core, model=STEPS, seed=4, interpolate={"to_label": 0, "to_seed": 9, "steps": 2})
    )
    assert_close(both[0], shades(4, 4 % 3))
    assert_close(both[1], shades(9, 0))


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"n": 13}, "n must be 1 to 12, got 13"),
        ({"seed": 2**53 - 1, "n": 2}, "the seeds of n images end at"),
        ({"size": "9x9"}, "draws 8x8, got size '9x9'"),
        ({"response_format": "url"}, "response_format must be b64_json"),
        ({"output_format": "jpeg"}, "output_format must be png"),
        ({"num_inference_steps": 51}, "num_inference_steps must be 1 to 50, got 51"),
        ({"sampler": "dimm"}, "unknown sampler 'dimm'; did you mean ddim"),
        ({"label": "shoo", "n": 1}, "no label 'shoo'"),
        ({"label": ["cup"], "n": 2}, "expected 2 labels, got 1"),
        ({"prompt": "p" * 20_000}, "has no label"),
        ({"interpolate": {"to_seed": 1, "steps": 13}}, "interpolate.steps must be 2 to 12"),
        ({"interpolate": {"to_seed": 1}, "n": 2}, "leave out n"),
        ({"interpolate": {"to_label": 1}, "label": ["cup", "hat"]}, "the one to begin with"),
        ({"model": "patches.grey", "num_inference_steps": 5}, "takes no num_inference_steps"),
        ({"model": "patches.grey", "label": "cup"}, "draws no labels on demand"),
        ({"model": "patches.grey", "interpolate": {"to_label": 1}}, "draws no labels on demand"),
        ({"model": "levels.grey"}, "does not generate"),
    ],
)
def test_what_cannot_be_drawn_is_one_short_line(
    core: Core, fields: dict[str, Any], told: str
) -> None:
    with pytest.raises(InvalidInputError) as caught:
        generate(core, **{"model": STEPS, "seed": 1, **fields})
    message = str(caught.value)
    assert told in message and "\n" not in message and len(message) < 400


def test_options_reach_the_sampler_and_equal_ones_share_a_call(
    core: Core, source: FakeSource
) -> None:
    fake = stepper(core, source)
    asked: dict[str, Any] = {"num_inference_steps": 7, "guidance_scale": 2.5, "sampler": "ddim"}
    generate(core, model=STEPS, seed=1, **asked, negative_label="hat")
    assert fake.asked[-1].items() >= {**asked, "negative_label": "hat"}.items()

    async def draw(**fields: Any) -> None:
        await core.generate(GenerateRequest(model=STEPS, **fields))

    async def together() -> None:
        fake.gate.clear()
        tasks = [asyncio.create_task(draw())]
        await _until(lambda: len(fake.calls) == 2)
        # To ask for what is drawn anyway is to ask for nothing.
        for fields in ({}, {"num_inference_steps": 20}, {"guidance_scale": 3.0}):
            tasks.append(asyncio.create_task(draw(**fields)))
        waiting = f'zoo_queue_rows{{model="{STEPS}@1"}} 3.0'
        await _until(lambda: waiting in core.metrics.render().decode())
        fake.gate.set()
        await asyncio.gather(*tasks)

    run(together())
    assert fake.calls[1:] == [1, 2, 1]


def test_a_watch_sees_steps_and_previews_of_its_own_images(core: Core) -> None:
    seen: list[tuple[int, int]] = []
    shown: list[np.ndarray] = []

    def note(step: int, total: int, preview: np.ndarray | None) -> None:
        seen.append((step, total))
        if preview is not None:
            shown.append(preview)

    generate(core, Watch(1, note), model=STEPS, n=2, seed=6, label="cup", num_inference_steps=10)
    assert seen == [(step, 10) for step in range(1, 11)]
    assert len(shown) == 1 and shown[0].shape == (2, *SHAPE)
    half = (np.stack([shades(6), shades(7)]) * 0.5).astype(np.uint8)
    np.testing.assert_array_equal(shown[0][..., 0], half)


def test_an_edit_begins_from_an_image_of_any_size(core: Core, source: FakeSource) -> None:
    fake = stepper(core, source)
    # Very dark, and all the same not taken for shares of white.
    dark = np.ones((16, 16), np.uint8)
    np.testing.assert_array_equal(edit(core, png(dark), n=2), np.ones((2, 8, 8)))
    assert fake.asked[-1]["image"].shape == (1, *SHAPE)
    assert "strength" not in fake.asked[-1] and "mask" not in fake.asked[-1]
    drawn = edit(core, png(dark), strength=1.0, label="cup")
    np.testing.assert_array_equal(drawn[0], shades(3))
    assert fake.asked[-1]["strength"] == 1


def masks() -> dict[str, bytes | np.ndarray]:
    """The right half is painted anew, said in every way that there is."""
    right = np.zeros((8, 8), np.uint8)
    right[:, 4:] = 255
    clear = np.dstack([np.full((8, 8, 3), 90, np.uint8), 255 - right])
    return {
        "white": png(right),
        "white in colour": png(np.dstack([right] * 3)),
        "transparent": png(clear),
        "transparent grey": png(np.dstack([right, 255 - right])),
        "numbers": right,
        "shares": (right / 255).astype(np.float32),
        "numbers with alpha": clear,
    }


@pytest.mark.parametrize("form", list(masks()))
def test_a_mask_says_what_is_painted_anew(core: Core, form: str) -> None:
    image = np.full((8, 8), 77, np.uint8)
    drawn = edit(core, png(image), masks()[form], label="cup")[0]
    np.testing.assert_array_equal(drawn[:, :4], image[:, :4])
    np.testing.assert_array_equal(drawn[:, 4:], shades(3)[:, 4:])


@pytest.mark.parametrize(
    ("image", "mask", "told"),
    [
        (b"no image", None, "no PNG"),
        (png(np.zeros((8, 8), np.uint8)), b"no mask", "mask: these bytes are no PNG"),
        (png(np.zeros((8, 8), np.uint8)), png(np.zeros((4, 8), np.uint8)), "mask: it is 8 x 4"),
    ],
)
def test_pictures_that_are_none_are_told_apart(
    core: Core, image: bytes, mask: bytes | None, told: str
) -> None:
    with pytest.raises(InvalidInputError, match=told):
        edit(core, image, mask)


def test_rows_go_in_as_they_are(core: Core) -> None:
    rows = np.linspace(0, 255, 128, dtype=np.float32).reshape(2, *SHAPE)
    found = run(core.infer("levels.grey", rows))
    assert found.card.version == 2 and found.output == "scores"
    assert found.values.shape == (2, 10) and found.values.dtype == np.float32
    whole = rows.astype(np.uint8)
    np.testing.assert_array_equal(
        run(core.infer("levels.grey", whole)).values,
        run(core.infer("levels.grey", whole.astype(np.float32))).values,
    )
    back = run(core.infer("styles.a_b", whole, "b_to_a"))
    np.testing.assert_array_equal(back.values, whole)
    drawn = run(core.infer("patches.grey", draw_latents([3], 4)))
    assert drawn.output == "images" and drawn.values.dtype == np.uint8
    expected = pixels_of(generate(core, model="patches.grey", seed=3))
    np.testing.assert_array_equal(drawn.values[..., 0], expected)


@pytest.mark.parametrize(
    ("model", "rows", "function", "told"),
    [
        ("levels.grey", np.zeros((1, 8, 8), np.float32), None, "takes rows"),
        ("levels.grey", np.zeros((8, 8, 1), np.float32), None, "takes rows"),
        ("levels.grey", np.zeros((0, 8, 8, 1), np.float32), None, "1 to 12 rows, got 0"),
        ("levels.grey", np.zeros((13, 8, 8, 1), np.float32), None, "1 to 12 rows, got 13"),
        ("levels.grey", np.full((1, 8, 8, 1), np.nan, np.float32), None, "finite"),
        ("levels.grey", np.zeros((1, 8, 8, 1), np.float64), None, "takes float32 or uint8"),
        ("patches.grey", np.zeros((1, 4), np.uint8), None, "takes float32, got uint8"),
        ("levels.grey", np.zeros((1, 8, 8, 1), np.float32), "images", "has the output scores"),
    ],
)
def test_rows_that_do_not_fit_are_refused(
    core: Core, model: str, rows: np.ndarray, function: str | None, told: str
) -> None:
    with pytest.raises(InvalidInputError, match=told):
        run(core.infer(model, rows, function))


async def _until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < end
        await asyncio.sleep(0.002)


@pytest.mark.parametrize("how", ["deadline", "cancel"])
def test_work_that_is_given_up_stops_at_its_next_step(
    core: Core, source: FakeSource, how: str
) -> None:
    fake = stepper(core, source)
    fake.seconds = 0.02

    async def give_up() -> int:
        work = core.generate(GenerateRequest(model=STEPS, num_inference_steps=50))
        if how == "deadline":
            with pytest.raises(DeadlineError):
                await answer_in_time(work, 0.1)
        else:
            task = asyncio.create_task(work)
            await _until(lambda: fake.steps >= 3)
            task.cancel()
            await asyncio.wait([task])
        taken = fake.steps
        # The next one comes when the stopped one is out of the way, and takes one step.
        await core.generate(GenerateRequest(model=STEPS, num_inference_steps=1))
        return fake.steps - taken

    assert run(give_up()) <= 1 + 1 + 1
    assert fake.steps < 50


def test_a_long_generation_holds_up_no_classification(core: Core, source: FakeSource) -> None:
    fake = stepper(core, source)
    run(core.load("levels.grey"))
    fake.seconds = 0.01

    async def both() -> None:
        long = asyncio.create_task(
            core.generate(GenerateRequest(model=STEPS, num_inference_steps=50))
        )
        await _until(lambda: fake.steps >= 1)
        for level in (40, 200):
            await core.classify(ClassifyInput(grey(level), "levels.grey"))
        assert not long.done()
        await long

    run(both())


def test_models_are_listed_with_what_they_can_and_where_they_are(core: Core) -> None:
    run(core.load("levels.grey@1"))
    listed = {entry.id: entry for entry in run(core.list_models()).data}
    assert set(listed) == {
        "levels.grey",
        "levels.other",
        "patches.grey",
        "broken.grey",
        "styles.a_b",
        "codes.grey",
        STEPS,
    }
    assert listed["levels.grey"].version == 2 and listed["levels.grey"].state == "available"
    assert listed[STEPS].abilities == ["generate", "edit"] and listed[STEPS].labels == CLASSES
    shown = run(core.show_model("levels.grey@1"))
    assert shown.state == run(core.state("levels.grey@1")) == "ready"
    assert shown.card["version"] == 1 and shown.id == "levels.grey@1"
    freed = run(core.unload("levels.grey"))
    assert freed.state == "available"
    with pytest.raises(UnknownModelError):
        run(core.state("levels.gray"))


def test_starting_and_listing_imports_no_framework(tmp_path: Path) -> None:
    script = f"""
import asyncio, sys
from pathlib import Path
from serving.core import Core
from tests.serving.fakes import FakeSource
core = Core(source=FakeSource(), folder=Path({str(tmp_path)!r}))
core.start()
assert len(asyncio.run(core.list_models()).data) == 5
core.close()
print([name for name in ("keras", "tensorflow", "jax") if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "[]", done.stderr[-2000:]
