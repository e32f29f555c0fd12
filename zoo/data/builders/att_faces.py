"""The AT&T faces: 40 people, ten pictures each, at 64x64 pixels.

Samaria and Harter: Parameterisation of a stochastic model for human face identification (1994).
The 92x112 grey pictures lose ten rows above and below, which leaves a square about the face, and
are resized with Pillow's antialiased bilinear filter.

The last two pictures of each person are the test split. So both splits show the same people, and
a held-out picture is drawn as the training pictures were: a generator that only learned what these
people look like lies as far from the training pictures as the held-out ones do, and one that copies
lies nearer. Were whole people held out, a likeness would count as a copy.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import tensorflow_datasets as tfds

from zoo.data.builders.common import labelled_images, verified_files
from zoo.data.catalogue import get

HELD_OUT = (9, 10)
_ADDRESS = "https://cam-orl.co.uk/facedatabase.html"
# Over the SHA-256 of s1/1.pgm, s1/2.pgm, …, s40/10.pgm.
SHA256 = "8d30d1aba9e0cc8746b8adfce56a0b4c35608be6808e44fd523b0c2a8dfbccca"


class AttFaces(tfds.core.GeneratorBasedBuilder):
    """The faces as `train` and `test`, person by person."""

    VERSION = tfds.core.Version("1.0.0")
    MANUAL_DOWNLOAD_INSTRUCTIONS = "s1/1.pgm to s40/10.pgm"
    url_infos: ClassVar[dict[str, Any]] = {}

    def _info(self) -> tfds.core.DatasetInfo:
        return labelled_images(self, "att_faces", _ADDRESS)

    def _split_generators(self, dl_manager: Any) -> dict[str, Iterator[Any]]:
        files = get("att_faces").archives
        paths = verified_files(dl_manager, "att_faces", files, SHA256, _ADDRESS)
        held = [int(path.stem) in HELD_OUT for path in paths]
        return {
            split: self._generate_examples([p for p, h in zip(paths, held, strict=True) if h == of])
            for split, of in (("train", False), ("test", True))
        }

    def _generate_examples(self, paths: list[Path]) -> Iterator[tuple[int, dict[str, Any]]]:
        for index, path in enumerate(paths):
            yield index, {"image": read_face(path), "label": path.parent.name}


def read_face(path: Path) -> np.ndarray:
    """Reads a picture, uint8 (64, 64, 1)."""
    from PIL import Image

    height, width, _ = get("att_faces").shape
    with Image.open(path) as opened:
        margin = (opened.height - opened.width) // 2
        square = opened.crop((0, margin, opened.width, margin + opened.width))
        return np.asarray(square.resize((width, height), Image.Resampling.BILINEAR))[..., None]
