"""zoo generate"""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "Draw images with a stored generator, as one grid or as files."
EXAMPLES = """\
  zoo generate dcgan.fashion_mnist -n 16 --seed 0 -o grid.png
  zoo generate dcgan.fashion_mnist -n 100 --seed 7 -o images/    one file a seed
  zoo generate dcgan.fashion_mnist --seed 3 --to-seed 8 -n 10 -o path.png
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="a stored generator, name or name@version")
    parser.add_argument("-n", type=int, default=16, help="number of images (default 16)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the first image (default 0)")
    parser.add_argument("--to-seed", type=int, help="walk from --seed to this seed in n images")
    parser.add_argument(
        "-o", "--output", type=Path, required=True, help="a .png for a grid, or a folder"
    )


def run(arguments: argparse.Namespace) -> int:
    from zoo.cli.common import load_as
    from zoo.errors import InvalidInputError
    from zoo.images import image_grid, save_png
    from zoo.pipelines import Generator

    output: Path = arguments.output
    if output.suffix not in ("", ".png"):
        raise InvalidInputError(f"the output is a .png file or a folder, got {output}")
    generator = load_as(arguments.name, Generator)
    if arguments.to_seed is None:
        images = generator.generate(arguments.n, arguments.seed)
    else:
        images = generator.interpolate(arguments.seed, arguments.to_seed, arguments.n)
    if output.suffix == ".png" and not output.is_dir():
        columns = len(images) if arguments.to_seed is not None else None
        save_png(output, image_grid(images, columns))
        print(f"wrote {output}")
        return 0
    for index, image in enumerate(images):
        number = arguments.seed + index if arguments.to_seed is None else index
        save_png(output / f"{number:06}.png", image)
    print(f"wrote {len(images)} files in {output}")
    return 0
