"""zoo train"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

HELP = "Train a recipe, measure the result on the test split and store it as a new version."
EXAMPLES = """\
  zoo train mlp.fashion_mnist
  zoo train resnet20.fashion_mnist --set epochs=3 --set optimizer.learning_rate=0.05
  zoo train dcgan.fashion_mnist --set players.discriminator.learning_rate=1e-4
  zoo train resnet20.fashion_mnist --resume     after Ctrl-C or a crash; equals a run never stopped
  zoo train mlp.fashion_mnist --dry-run         print the recipe and stop
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="a recipe, as `zoo list` shows it")
    parser.add_argument(
        "--set", action="append", default=[], metavar="PATH=VALUE", help="a setting; repeatable"
    )
    parser.add_argument("--resume", action="store_true", help="continue the last unfinished run")
    parser.add_argument("--store", type=Path, metavar="DIR", help="store here, not in $ZOO_HOME")
    parser.add_argument("--dry-run", action="store_true", help="print the recipe, train nothing")
    parser.add_argument("--json", action="store_true", help="print the card as JSON at the end")


def run(arguments: argparse.Namespace) -> int:
    from zoo import data, registry, store
    from zoo.backend import import_backend

    recipe = registry.recipes().get(arguments.name).override(arguments.set)
    if arguments.dry_run:
        print(recipe.to_json())
        return 0
    data.require(recipe.data.name)
    import_backend()
    from zoo.api import train
    from zoo.report import stored_lines

    try:
        done = train(
            arguments.name if arguments.resume and not arguments.set else recipe,
            resume=arguments.resume,
            root=arguments.store,
            verbose=0 if arguments.json else "auto",
        )
    except KeyboardInterrupt:
        print(f"\nstopped; `zoo train {arguments.name} --resume` continues after the last epoch")
        return 130
    assert done.stored is not None
    card = store.read_card(done.stored)
    if arguments.json:
        print(json.dumps(card.to_dict(), indent=2))
        return 0
    print("\n".join(stored_lines(card, done.stored)))
    return 0
