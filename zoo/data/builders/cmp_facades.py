"""CMP facades: photographs of house fronts and, beside each, a map of its parts.

Tyleček and Šára: Spatial pattern templates for recognition of objects with regular structure
(2013), in the form that Isola et al. (2017) published: the 400 pictures of their training set,
512x256 pixels, the photograph left, the map right. Both halves shrink to 128x128 as 2x2 pixels
are averaged. Every eighth picture, by number, is in the test split. There are no classes.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import tensorflow_datasets as tfds

from zoo.data.builders.common import verified_files
from zoo.data.catalogue import get

HELD_OUT_EVERY = 8
_ADDRESS = "http://efrosgans.eecs.berkeley.edu/pix2pix/datasets/facades.tar.gz (its folder train)"
# Over the SHA-256 of 1.jpg, 2.jpg, …, 400.jpg.
SHA256 = "34b870e056e7294d4dddc85c300e971d02909d9a1937ac756684a79d42311b71"


class CmpFacades(tfds.core.GeneratorBasedBuilder):
    """The pictures, photograph and map side by side, as `train` and `test`."""

    VERSION = tfds.core.Version("1.0.0")
    MANUAL_DOWNLOAD_INSTRUCTIONS = "1.jpg to 400.jpg"
    url_infos: ClassVar[dict[str, Any]] = {}

    def _info(self) -> tfds.core.DatasetInfo:
        image = tfds.features.Image(shape=get("cmp_facades").shape)
        return tfds.core.DatasetInfo(
            builder=self,
            features=tfds.features.FeaturesDict({"image": image}),
            homepage="https://cmp.felk.cvut.cz/~tylecr1/facade/",
            disable_shuffling=True,
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Iterator[Any]]:
        files = get("cmp_facades").archives
        paths = verified_files(dl_manager, "cmp_facades", files, SHA256, _ADDRESS)
        held = [int(path.stem) % HELD_OUT_EVERY == 0 for path in paths]
        return {
            split: self._generate_examples([p for p, h in zip(paths, held, strict=True) if h == of])
            for split, of in (("train", False), ("test", True))
        }

    def _generate_examples(self, paths: list[Path]) -> Iterator[tuple[int, dict[str, Any]]]:
        for index, path in enumerate(paths):
            yield index, {"image": read_picture(path)}


def read_picture(path: Path) -> np.ndarray:
    """Reads a picture and halves its sides, uint8 (128, 256, 3)."""
    from PIL import Image

    with Image.open(path) as opened:
        return np.asarray(opened.convert("RGB").reduce(2))
