"""zoo generate"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from zoo.generation import Generator

HELP = "Draw images with a stored generator, as one grid, as files or as an animation."
EXAMPLES = """\
  zoo generate dcgan.fashion_mnist -n 16 --seed 0 -o grid.png
  zoo generate dcgan.fashion_mnist -n 100 --seed 7 -o images/    one file a seed
  zoo generate dcgan.fashion_mnist --seed 3 --to-seed 8 -n 10 -o path.png
  zoo generate dcgan.fashion_mnist --walk 0 3 8 -o walk.gif
  zoo generate dcgan.fashion_mnist --plus 1,4,9 --plus 2,3,5 --minus 0,6,7 -o sum.png
"""
_ANIMATED = (".gif", ".webp")
_NUMBER, _SEED = 16, 0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="a stored generator, name or name@version")
    parser.add_argument(
        "-n", type=int, help=f"number of images, of a walk from seed to seed (default {_NUMBER})"
    )
    parser.add_argument("--seed", type=int, help=f"seed of the first image (default {_SEED})")
    parser.add_argument("--label", help="class of a conditional generator; all in turn if not set")
    parser.add_argument(
        "--truncation", type=float, metavar="T", help="draw latent numbers beyond ±T again"
    )
    parser.add_argument("--to-seed", type=int, help="walk from --seed to this seed in n images")
    parser.add_argument(
        "--walk", type=int, nargs="+", metavar="SEED", help="walk through seeds and back"
    )
    for option, does in (("--plus", "add"), ("--minus", "subtract")):
        parser.add_argument(
            option,
            type=seeds,
            action="append",
            default=[],
            metavar="SEEDS",
            help=f"{does} the mean latent vector of seeds such as 1,4,9",
        )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        help="a .png for a grid, a .gif or .webp for an animation, or a folder",
    )


def run(arguments: argparse.Namespace) -> int:
    from zoo.cli.common import load_as
    from zoo.errors import InvalidInputError
    from zoo.generation import Generator
    from zoo.images import image_grid, save_animation, save_png

    output: Path = arguments.output
    if output.suffix not in ("", ".png", *_ANIMATED):
        raise InvalidInputError(f"the output is a .png, .gif or .webp file or a folder: {output}")
    _refuse_what_is_ignored(arguments)
    images, first, columns = _draw(load_as(arguments.name, Generator), arguments)
    if output.is_dir() or not output.suffix:
        for index, image in enumerate(images):
            save_png(output / f"{first + index:06}.png", image)
        print(f"wrote {len(images)} files in {output}")
        return 0
    if output.suffix in _ANIMATED:
        save_animation(output, images)
    else:
        save_png(output, image_grid(images, columns))
    print(f"wrote {output}")
    return 0


def _refuse_what_is_ignored(arguments: argparse.Namespace) -> None:
    from zoo.errors import InvalidInputError

    walk, sums = bool(arguments.walk), bool(arguments.plus or arguments.minus)
    if sum([arguments.to_seed is not None, walk, sums]) > 1:
        raise InvalidInputError("choose one of --to-seed, --walk, and --plus with --minus")
    if arguments.seed is not None and (walk or sums):
        raise InvalidInputError(
            f"--seed does nothing beside {'--walk' if walk else '--plus and --minus'}, which name "
            "their seeds"
        )
    if arguments.n is not None and sums:
        raise InvalidInputError("-n does nothing beside --plus and --minus, which make one image")


def _draw(
    generator: Generator, arguments: argparse.Namespace
) -> tuple[np.ndarray, int, int | None]:
    """Returns images, the number of the first one's file, and how many a row of a grid has."""
    options: dict[str, Any] = {"label": arguments.label, "truncation": arguments.truncation}
    n = _NUMBER if arguments.n is None else arguments.n
    seed = _SEED if arguments.seed is None else arguments.seed
    if arguments.plus or arguments.minus:
        return generator.arithmetic(arguments.plus, arguments.minus, **options), 0, None
    if arguments.walk:
        return generator.walk(arguments.walk, n, **options), 0, None
    if arguments.to_seed is not None:
        return generator.interpolate(seed, arguments.to_seed, n, **options), 0, n
    return generator.generate(n, seed, **options), seed, generator.columns(n, arguments.label)


def seeds(text: str) -> list[int]:
    """Reads whole numbers with commas between them; argparse names this function in its error."""
    return [int(part) for part in text.split(",")]
