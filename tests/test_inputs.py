"""Whatever is an image becomes rows; whatever is not is refused in one line."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from zoo.errors import InvalidInputError
from zoo.inputs import image_rows

GREY = (28, 28, 1)
RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (28, 28), dtype=np.uint8)


def png(picture: Image.Image, format: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format=format, **options)
    return buffer.getvalue()


EXACT = {
    "array": PIXELS,
    "with channel": PIXELS[..., None],
    "batch of one": PIXELS[None, ..., None],
    "wider integers": PIXELS.astype(np.int64),
    "float 0 to 255": PIXELS.astype(np.float32),
    "float 0 to 1": PIXELS / 255.0,
    "float -1 to 1": PIXELS / 127.5 - 1.0,
    "nested lists": PIXELS.tolist(),
    "picture": Image.fromarray(PIXELS),
    "bytes": png(Image.fromarray(PIXELS)),
    "colour picture of grey": Image.fromarray(PIXELS).convert("RGB"),
    "opaque alpha": Image.fromarray(PIXELS).convert("RGBA"),
}


@pytest.mark.parametrize("what", EXACT)
def test_the_same_picture_in_any_form_is_the_same_row(what: str) -> None:
    given = EXACT[what]
    # A nested list is a sequence of rows; several images of rows come as [image, image].
    rows = image_rows([given] if isinstance(given, list) else given, GREY)
    assert rows.shape == (1, *GREY) and rows.dtype == np.float32
    np.testing.assert_allclose(rows[0, ..., 0], PIXELS, atol=2e-4)


def test_a_path_is_read(tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    Image.fromarray(PIXELS).save(path)
    for given in (path, str(path), [path, str(path)]):
        np.testing.assert_array_equal(image_rows(given, GREY)[0, ..., 0], PIXELS)


def test_many_images_keep_their_order() -> None:
    batch = RNG.integers(0, 256, (5, 28, 28), dtype=np.uint8)
    mixed = [batch[0], Image.fromarray(batch[1]), png(Image.fromarray(batch[2])), batch[3:]]
    for given in (batch, batch[..., None], list(batch), mixed):
        np.testing.assert_array_equal(image_rows(given, GREY)[..., 0], batch)


def test_other_sizes_are_resized_without_aliasing() -> None:
    checks = (np.indices((112, 112)).sum(0) % 2 * 255).astype(np.uint8)
    rows = image_rows(checks, GREY)
    assert rows.shape == (1, *GREY)
    assert abs(rows - 127.5).max() < 5  # a one-pixel checkerboard averages to grey


def test_colour_and_grey_are_bridged() -> None:
    red = np.zeros((8, 8, 3), np.uint8)
    red[..., 0] = 255
    assert image_rows(red, (8, 8, 1))[0, 0, 0, 0] == pytest.approx(0.299 * 255, abs=0.01)
    np.testing.assert_array_equal(image_rows(PIXELS, (28, 28, 3))[0, ..., 1], PIXELS)


def test_sixteen_bits_are_scaled_not_clipped() -> None:
    deep = (PIXELS.astype(np.uint16)) * 257
    np.testing.assert_allclose(
        image_rows(png(Image.fromarray(deep)), GREY)[0, ..., 0], PIXELS, atol=1e-3
    )


def test_transparent_pixels_are_black() -> None:
    clear = Image.new("RGBA", (28, 28), (255, 255, 255, 0))
    assert image_rows(clear, GREY).max() == 0
    assert image_rows(np.asarray(clear), GREY).max() == 0


def test_photographs_are_turned_as_their_tag_says() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise
    tall = np.zeros((28, 28), np.uint8)
    tall[:14] = 255
    rows = image_rows(png(Image.fromarray(tall), "JPEG", exif=exif, quality=100), GREY)
    assert rows[0, :, 20:].mean() > 200 and rows[0, :, :8].mean() < 50


def test_other_modes_are_read() -> None:
    for mode in ("1", "P", "CMYK", "LA", "F"):
        rows = image_rows(Image.new("L", (28, 28), 255).convert(mode), GREY)
        assert rows.mean() == pytest.approx(255, abs=2), mode


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("no/such/file.png", "there is no file no/such/file.png"),
        (b"not a picture", "cannot be read as an image"),
        (png(Image.fromarray(PIXELS))[:60], "cannot be read as an image"),
        (np.zeros((2, 3, 4, 5, 6)), "got shape"),
        (np.zeros((4, 28, 28, 2)), "got shape"),
        (np.zeros(5), "got shape"),
        (np.zeros((0, 28, 28)), "empty array"),
        ([], "at least one image"),
        (np.full((28, 28), np.nan), "NaN or infinity"),
        (np.full((28, 28), np.inf), "NaN or infinity"),
        (np.full((28, 28), 300.0), "got 300 to 300"),
        (np.full((28, 28), -5), "got -5 to -5"),
        (np.array([["a", "b"]]), "expected numbers"),
        ([[[1, 2], [3]]], "nested lists need equal lengths"),
        ({"image": 1}, "got dict"),
        (None, "got NoneType"),
        (7, "got int"),
    ],
)
def test_what_is_no_image_is_refused_in_one_line(given: Any, words: str) -> None:
    with pytest.raises(InvalidInputError, match=words) as caught:
        image_rows(given, GREY)
    assert "\n" not in str(caught.value)
