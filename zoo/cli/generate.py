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
  zoo generate ldm.fashion_mnist --label "a sneaker" --steps 10 --guidance 2 -o sneakers.png
  zoo generate ldm.fashion_mnist --image shoe.png --strength 0.5 --label boot -o boots.png
  zoo generate ldm.fashion_mnist --image shirt.png --mask sleeves.png -o shirts.png
"""
_ANIMATED = (".gif", ".webp")
_NUMBER, _SEED = 16, 0
# Of diffusion models alone: option and keyword of `zoo.sampling.Sampling`.
_SAMPLING = {
    "steps": "num_inference_steps",
    "guidance": "guidance_scale",
    "sampler": "sampler",
    "negative-label": "negative_label",
    "image": "image",
    "strength": "strength",
    "mask": "mask",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="a stored generator, name or name@version")
    parser.add_argument(
        "-n", type=int, help=f"number of images, of a walk from seed to seed (default {_NUMBER})"
    )
    parser.add_argument("--seed", type=int, help=f"seed of the first image (default {_SEED})")
    parser.add_argument(
        "--label", help="class of a conditional generator, as `a sneaker`; all in turn if not set"
    )
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
    diffusion = parser.add_argument_group("diffusion models")
    diffusion.add_argument(
        "--steps",
        type=int,
        metavar="N",
        help="steps of the sampler (default: as the card says, else 20)",
    )
    diffusion.add_argument(
        "--guidance",
        type=float,
        metavar="W",
        help="1 is the class alone, more is more typical (default: as the card says, else 1.5)",
    )
    diffusion.add_argument(
        "--sampler",
        help="ddpm, ddim, euler, heun or dpm_solver++ (default: as the card says, else the last)",
    )
    diffusion.add_argument(
        "--negative-label", metavar="LABEL", help="a class that guidance leads away from"
    )
    diffusion.add_argument("--image", metavar="FILE", help="begin from this picture, of their size")
    diffusion.add_argument(
        "--strength",
        type=float,
        metavar="S",
        help="how much of it goes: 0 nothing, 1 all (default 0.8, with --mask 1)",
    )
    diffusion.add_argument(
        "--mask", metavar="FILE", help="paint anew where this picture is white, keep the rest"
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
    sampling = _sampling(arguments)
    generator = load_as(arguments.name, Generator)
    if sampling:
        from zoo.diffusion import DiffusionGenerator

        assert isinstance(generator, DiffusionGenerator)
        generator = generator.with_sampling(**sampling)
    images, first, columns = _draw(generator, arguments)
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


def _sampling(arguments: argparse.Namespace) -> dict[str, Any]:
    """Returns what is asked of a diffusion model, by keyword, before anything heavy is imported."""
    from zoo.api import card
    from zoo.errors import InvalidInputError

    values = {option: getattr(arguments, option.replace("-", "_")) for option in _SAMPLING}
    given = [option for option, value in values.items() if value is not None]
    if given:
        stored = card(arguments.name)
        if stored.task == "generation" and "denoiser" not in stored.networks:
            raise InvalidInputError(
                f"--{given[0]} is for diffusion models; {arguments.name} draws without steps"
            )
    return {_SAMPLING[option]: values[option] for option in given}


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
