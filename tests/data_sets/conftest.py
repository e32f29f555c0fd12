"""A user's folder of pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.data_sets.own_images import CLASSES, PER_CLASS, Pictures


@pytest.fixture
def pictures() -> Pictures:
    rng = np.random.default_rng(0)
    return {
        (label, index): rng.integers(0, 256, (9, 11, 3), dtype=np.uint8)
        for label in CLASSES
        for index in range(PER_CLASS)
    }


@pytest.fixture
def folder(tmp_path: Path, pictures: Pictures) -> Path:
    """A folder `My Pets` of class folders."""
    root = tmp_path / "My Pets"
    for (label, index), pixels in pictures.items():
        (root / label).mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(root / label / f"{index}.png")
    return root
