"""zoo translate"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

HELP = "Turn pictures of one domain into pictures of another with a stored translator."
EXAMPLES = """\
  zoo translate cyclegan.mnist_usps seven.png --direction mnist_to_usps --output usps/
  zoo translate cyclegan.facades maps/*.png --direction map_to_photo --output photos/ --json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="a stored translator, name or name@version")
    parser.add_argument("images", nargs="+", type=Path, help="picture files")
    parser.add_argument(
        "--direction", required=True, help="from which domain to which, such as mnist_to_usps"
    )
    parser.add_argument(
        "-o", "--output", type=Path, required=True, help="a folder for one .png a picture"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    from zoo.cli.common import load_as
    from zoo.errors import InvalidInputError
    from zoo.images import save_png
    from zoo.translation import Translator

    output: Path = arguments.output
    if output.exists() and not output.is_dir():
        raise InvalidInputError(f"the output is a folder, and {output} is a file")
    targets = [output / f"{path.stem}.png" for path in arguments.images]
    for path, target in zip(arguments.images, targets, strict=True):
        if targets.count(target) > 1:
            raise InvalidInputError(f"several pictures would become {target}, one of them {path}")
        if target.resolve() == path.resolve():
            raise InvalidInputError(f"{target} would take the place of its own original")
    translator = load_as(arguments.name, Translator)
    answers = translator.translate(arguments.images, arguments.direction)
    for target, image in zip(targets, answers, strict=True):
        save_png(target, image)
    if arguments.json:
        found = [
            {"image": str(path), "direction": arguments.direction, "output": str(target)}
            for path, target in zip(arguments.images, targets, strict=True)
        ]
        print(json.dumps(found, indent=2))
        return 0
    print(f"wrote {len(targets)} files in {output}")
    return 0
