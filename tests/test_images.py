"""Grids and PNG files, read back with Pillow."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zoo.images import encode_png, image_grid, save_animation, save_png


def pictures(count: int, channels: int = 3) -> np.ndarray:
    """Images that tell themselves apart: image i is all i."""
    shape = (count, 4, 5, channels)
    return np.broadcast_to(np.arange(count, dtype=np.uint8).reshape(-1, 1, 1, 1), shape).copy()


@pytest.mark.parametrize(
    ("count", "columns", "rows", "wide"),
    [
        (1, None, 1, 1),
        (4, None, 2, 2),
        (5, None, 2, 3),
        (10, 10, 1, 10),
        (7, 3, 3, 3),
        (2, 5, 1, 5),
    ],
)
@pytest.mark.parametrize("gap", [0, 2])
def test_images_are_laid_out_in_reading_order_on_white(
    count: int, columns: int | None, rows: int, wide: int, gap: int
) -> None:
    images = pictures(count)
    grid = image_grid(images, columns=columns, gap=gap)
    assert grid.shape == (rows * (4 + gap) + gap, wide * (5 + gap) + gap, 3)
    assert grid.dtype == np.uint8
    white = np.ones(grid.shape[:2], bool)
    for index in range(count):
        top = gap + (index // wide) * (4 + gap)
        left = gap + (index % wide) * (5 + gap)
        assert (grid[top : top + 4, left : left + 5] == index).all()
        white[top : top + 4, left : left + 5] = False
    assert (grid[white] == 255).all()


def test_no_images_are_an_empty_grid() -> None:
    grid = image_grid(pictures(0))
    assert (grid == 255).all()


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "RGB")])
def test_png_keeps_every_pixel(channels: int, mode: str, tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (7, 9, channels), dtype=np.uint8)
    with Image.open(io.BytesIO(encode_png(image))) as opened:
        assert (opened.format, opened.mode, opened.size) == ("PNG", mode, (9, 7))
        np.testing.assert_array_equal(np.asarray(opened).reshape(image.shape), image)
    save_png(tmp_path / "folder" / "x.png", image)
    assert (tmp_path / "folder" / "x.png").read_bytes() == encode_png(image)


@pytest.mark.parametrize("kind", ["gif", "webp"])
@pytest.mark.parametrize("channels", [1, 3])
def test_an_animation_has_all_its_pictures_and_begins_again(
    kind: str, channels: int, tmp_path: Path
) -> None:
    path = tmp_path / f"walk.{kind}"
    given = pictures(5, channels) * 40
    save_animation(path, given, milliseconds=80)
    with Image.open(path) as animation:
        assert animation.info["loop"] == 0
        for index, image in enumerate(given):
            animation.seek(index)
            frame = np.asarray(animation.convert("RGB"))
            np.testing.assert_array_equal(frame, np.broadcast_to(image, frame.shape))
            assert animation.info.get("duration", 80) == 80
        with pytest.raises(EOFError):
            animation.seek(5)
    assert list(tmp_path.iterdir()) == [path]
