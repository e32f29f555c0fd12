"""zoo predict"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

HELP = "Label pictures with a stored classifier."
EXAMPLES = """\
  zoo predict resnet20.fashion_mnist shoe.png coat.jpg --top-k 3
  zoo predict mlp.fashion_mnist pictures/*.png --json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="a stored classifier, name or name@version")
    parser.add_argument("images", nargs="+", type=Path, help="picture files")
    parser.add_argument("--top-k", type=int, default=1, help="labels a picture (default 1)")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    from zoo.cli.common import load_as
    from zoo.pipelines import Classifier

    answers = load_as(arguments.name, Classifier).predict(arguments.images, top_k=arguments.top_k)
    if arguments.json:
        found = [
            {"image": str(path), "labels": [{"label": name, "score": s} for name, s in answer]}
            for path, answer in zip(arguments.images, answers, strict=True)
        ]
        print(json.dumps(found, indent=2))
        return 0
    for path, answer in zip(arguments.images, answers, strict=True):
        print(f"{path}: " + ", ".join(f"{name} {100 * score:.1f}%" for name, score in answer))
    return 0
