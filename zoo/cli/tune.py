"""zoo tune"""

from __future__ import annotations

import argparse
import json
import sys

HELP = "Search for better hyperparameters of a recipe on its validation split."
EXAMPLES = """\
  zoo tune mlp.fashion_mnist --algorithm hyperband --trials 8
  zoo tune mlp.fashion_mnist --algorithm hyperband --trials 8     again: resumes where it stopped
  zoo tune resnet20.fashion_mnist --algorithm random --trials 4 --epochs 3
  zoo tune mlp.fashion_mnist --space optimizer.learning_rate=log:1e-4:1e-1 \\
                             --space network.dropout=float:0:0.5 --fresh
  zoo tune mlp.fashion_mnist --trials 8 --promote     retrain the winner and store it as a version
"""
ALGORITHMS = ("hyperband", "random", "bayesian", "grid")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="a recipe, as `zoo list` shows it")
    parser.add_argument(
        "--algorithm", choices=ALGORITHMS, default="hyperband", help="default: %(default)s"
    )
    parser.add_argument(
        "--trials",
        type=int,
        default=8,
        metavar="N",
        help="train at most N times; hyperband gives most of them few epochs and counts going on "
        "with a good one as a trial of its own. Other algorithms take a larger N later and go on. "
        "Default: %(default)s",
    )
    parser.add_argument(
        "--epochs", type=int, metavar="N", help="most epochs of a trial; by default the recipe's"
    )
    parser.add_argument(
        "--seed", type=int, help="decides which values are tried; by default the recipe's seed"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="PATH=VALUE",
        help="a setting of the recipe that is searched around; repeatable",
    )
    parser.add_argument(
        "--space",
        action="append",
        default=[],
        metavar="PATH=RANGE",
        help="search this setting, and only those given so: log:LOW:HIGH, float:LOW:HIGH[:STEP], "
        "int:LOW:HIGH[:STEP] or choice:A,B,C; repeatable. By default a space made for the family",
    )
    parser.add_argument(
        "--fresh", action="store_true", help="delete what this search has found and start anew"
    )
    parser.add_argument(
        "--promote",
        action="store_true",
        help="after the search train the winner for the recipe's epochs and store it as a version",
    )
    parser.add_argument(
        "--json", action="store_true", help="print the leaderboard as JSON at the end"
    )


def run(arguments: argparse.Namespace) -> int:
    from zoo import data, registry
    from zoo.backend import import_backend
    from zoo.errors import RecipeError

    recipe = registry.recipes().get(arguments.name).override(arguments.set)
    if arguments.trials < 1:
        raise RecipeError(f"--trials must be at least 1, got {arguments.trials}")
    for name in data.sets_of(recipe.data.name):
        data.require(name)
    import_backend()

    from tuning import promote, tune
    from tuning.results import leaderboard_text

    # With --json standard output is for the JSON alone.
    stream = sys.stderr if arguments.json else sys.stdout

    def say(line: str) -> None:
        print(line, file=stream, flush=True)

    try:
        search = tune(
            recipe,
            algorithm=arguments.algorithm,
            trials=arguments.trials,
            epochs=arguments.epochs,
            seed=arguments.seed,
            space=arguments.space or None,
            fresh=arguments.fresh,
            say=say,
            bar=not arguments.json and sys.stdout.isatty(),
        )
        say("\n" + leaderboard_text(search))
        stored = None
        if arguments.promote:
            stored = promote(search, say=say, verbose=0 if arguments.json else "auto")
    except KeyboardInterrupt:
        print("\nstopped; the same command goes on from here (without --fresh)", file=sys.stderr)
        return 130
    if arguments.json:
        promoted = f"{recipe.name}@{stored.name}" if stored else None
        print(json.dumps({**search.to_dict(), "promoted": promoted}, indent=2))
    return 0
