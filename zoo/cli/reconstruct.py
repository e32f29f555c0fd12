"""zoo reconstruct"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from zoo.autoencoding import Coder

HELP = "Pass pictures through an autoencoder: what comes back of them, and their codes."
EXAMPLES = """\
  zoo reconstruct autoencoder.fashion_mnist shoe.png coat.jpg -o both.png
  zoo reconstruct vae.mnist digits/*.png -o both.png --codes codes.npy
  zoo reconstruct dense_autoencoder.mnist digits/*.png --codes points.csv --json
"""
_CODES = (".npy", ".csv")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="a stored autoencoder, plain or variational")
    parser.add_argument("images", nargs="+", type=Path, help="picture files")
    parser.add_argument(
        "-o", "--output", type=Path, help="a .png: the pictures, and below each what comes back"
    )
    parser.add_argument(
        "--codes", type=Path, metavar="FILE", help="an .npy, or a .csv with a line a picture"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    import numpy as np

    from zoo.errors import InvalidInputError
    from zoo.images import paired_grid, save_png
    from zoo.inputs import image_rows

    output, codes_file = arguments.output, arguments.codes
    if output is None and codes_file is None:
        raise InvalidInputError("say where the picture goes (--output), or the codes (--codes)")
    if output is not None and output.suffix != ".png":
        raise InvalidInputError(f"the output is a .png file, got {output}")
    if codes_file is not None and codes_file.suffix not in _CODES:
        raise InvalidInputError(f"codes are written to {' or '.join(_CODES)}, got {codes_file}")
    for target in (output, codes_file):
        if target is not None and target.resolve() in [p.resolve() for p in arguments.images]:
            raise InvalidInputError(f"{target} is one of the pictures, and would be lost")
    coder = _load(arguments.name)
    rows = image_rows(arguments.images, coder.input_shape)
    codes = coder.encode(arguments.images)
    images = coder.decode(codes)
    pixels = np.rint(rows).astype(np.uint8)
    if codes_file is not None:
        _write_codes(codes_file, codes, arguments.images)
    if output is not None:
        save_png(output, paired_grid(pixels, images))
    errors = np.mean(np.square((images - rows) / 255), axis=(1, 2, 3))
    if arguments.json:
        found = [
            {"image": str(path), "mse": float(error), "code": code.tolist()}
            for path, error, code in zip(arguments.images, errors, codes, strict=True)
        ]
        print(json.dumps(found, indent=2))
        return 0
    for path, error in zip(arguments.images, errors, strict=True):
        print(f"{path}: mean squared error {error:.4g}, pixels from 0 to 1")
    print(f"wrote {' and '.join(str(one) for one in (output, codes_file) if one is not None)}")
    return 0


def _load(name: str) -> Coder:
    """Loads an autoencoder; another model is refused before anything heavy is imported."""
    from zoo.api import card
    from zoo.autoencoding import Coder
    from zoo.cli.common import load_as
    from zoo.errors import InvalidInputError
    from zoo.pipelines import pipeline_of

    found = card(name)
    kind = pipeline_of(found.task, found.networks)
    if not issubclass(kind, Coder):
        raise InvalidInputError(f"{name} is for {found.task}, and no autoencoder")
    return load_as(name, kind)


def _write_codes(target: Path, codes: np.ndarray, pictures: list[Path]) -> None:
    """Writes codes as they are to an .npy, or flat to a .csv that begins with the picture."""
    import csv

    import numpy as np

    from zoo import files

    with files.atomic_path(target) as temporary:
        if target.suffix == ".npy":
            np.save(temporary, codes)
            return
        flat = codes.reshape(len(codes), -1)
        with temporary.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["image", *(f"code_{index}" for index in range(flat.shape[1]))])
            for path, row in zip(pictures, flat, strict=True):
                writer.writerow([path, *row.tolist()])
