"""zoo tune"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from zoo.cli import tune_words

if TYPE_CHECKING:
    from tuning.plan import Plan

HELP = "Search for better hyperparameters of a recipe on its validation split."
EXAMPLES = """\
  zoo tune mlp.fashion_mnist --algorithm hyperband --trials 8
  zoo tune mlp.fashion_mnist --algorithm hyperband --trials 8     again: resumes where it stopped
  zoo tune resnet20.fashion_mnist --algorithm random --trials 4 --epochs 3 --executions 3
  zoo tune mlp.fashion_mnist --space optimizer.learning_rate=log:1e-4:1e-1 \\
                             --space network.dropout=float:0:0.5 --fresh
  zoo tune mlp.fashion_mnist --algorithm tpe --trials 40 --hours 2 --workers 2
  zoo tune mlp.fashion_mnist --objective val_accuracy --objective parameters
  zoo tune mlp.fashion_mnist --trials 8 --promote     retrain the winner; store it if it is better

how a search stands, and what becomes of it:
  zoo tune status                       every search; `zoo tune status NAME` one
  zoo tune report mlp.fashion_mnist     one HTML file with everything found
  zoo tune promote mlp.fashion_mnist    as --promote, later

on many machines:
  zoo tune chief mlp.fashion_mnist --trials 40 --host 10.0.0.1 --port 7077
  zoo tune worker mlp.fashion_mnist --chief 10.0.0.1:7077     on each of the others

`zoo tune WORD --help` explains status, report, promote, chief and worker.
"""
ALGORITHMS = ("hyperband", "asha", "random", "bayesian", "tpe", "grid")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_search(parser)
    parser.add_argument(
        "--workers",
        type=int,
        default=1,
        metavar="N",
        help="train N trials at the same time on this machine. Default: %(default)s",
    )
    parser.add_argument(
        "--promote",
        action="store_true",
        help="after the search retrain the winner and store it as a version if it is better",
    )
    parser.add_argument(
        "--json", action="store_true", help="print the leaderboard as JSON at the end"
    )
    _add_words(parser)


def add_search(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments that say what is searched; also those of a chief."""
    parser.add_argument("name", help="a recipe, as `zoo list` shows it")
    parser.add_argument(
        "--algorithm", choices=ALGORITHMS, default="hyperband", help="default: %(default)s"
    )
    parser.add_argument(
        "--trials",
        type=int,
        default=8,
        metavar="N",
        help="train at most N times; hyperband and asha give most of them few epochs and count "
        "going on with a good one as a trial of its own. Other algorithms take a larger N later "
        "and go on. Default: %(default)s",
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
        "--objective",
        action="append",
        default=[],
        metavar="NAME",
        help="what trials are judged by, such as val_accuracy, val_loss, parameters; repeatable: "
        "the first leads, the report shows which trials no other beats in all. By default the "
        "task's own",
    )
    parser.add_argument(
        "--executions",
        type=int,
        default=1,
        metavar="N",
        help="train each trial N times, with other seeds; its value is the mean",
    )
    parser.add_argument(
        "--folds", type=int, default=0, metavar="K", help="cross-validate each trial instead"
    )
    parser.add_argument(
        "--stopping",
        default="auto",
        metavar="RULE",
        help="how bad trials are stopped early: median, none, or auto, which is median for "
        "algorithms that do not do it themselves. Default: %(default)s",
    )
    budget = parser.add_argument_group("budget; once it is used up, a larger one goes on")
    budget.add_argument("--hours", type=float, metavar="H", help="wall-clock in all")
    budget.add_argument("--total-epochs", type=int, metavar="N", help="epochs of all trials")
    budget.add_argument(
        "--max-parameters", type=int, metavar="N", help="skip models with more parameters"
    )
    parser.add_argument(
        "--tensorboard", action="store_true", help="write every epoch for TensorBoard too"
    )
    parser.add_argument(
        "--fresh", action="store_true", help="delete what this search has found and start anew"
    )


def _add_words(parser: argparse.ArgumentParser) -> None:
    """Has a word in the name's place be read by a parser of its own. No recipe is called so."""
    own = parser.parse_known_args

    def parse(args: Sequence[str] | None = None, namespace: Any = None) -> Any:
        if not args or args[0] not in tune_words.WORDS:
            return own(args, namespace)
        other = tune_words.parser_of(args[0], f"{parser.prog} {args[0]}", add_search)
        other.set_defaults(run=run)
        return other.parse_known_args(args[1:], namespace)

    parser.parse_known_args = parse  # type: ignore[method-assign, assignment]


def run(arguments: argparse.Namespace) -> int:
    if getattr(arguments, "word", None):
        return tune_words.run(arguments)
    plan = plan_of(arguments)

    from tuning import promote
    from tuning.results import leaderboard_text
    from tuning.search import run as search_for

    # With --json standard output is for the JSON alone.
    say = teller(arguments.json)
    try:
        search = search_for(
            plan,
            workers=arguments.workers,
            fresh=arguments.fresh,
            tensorboard=arguments.tensorboard,
            command=command_of(arguments),
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
        promoted = f"{search.name}@{stored.name}" if stored else None
        print(json.dumps({**search.to_dict(), "promoted": promoted}, indent=2))
    return 0


def plan_of(arguments: argparse.Namespace) -> Plan:
    """Returns the search that the arguments of `add_search` ask for.

    Raises:
        RecipeError: for what cannot be searched.
        DataUnavailableError: when the data are not prepared.
    """
    from tuning.plan import make_plan
    from zoo import data, registry
    from zoo.backend import import_backend

    recipe = registry.recipes().get(arguments.name).override(arguments.set)
    for name in data.sets_of(recipe.data.name):
        data.require(name)
    plan = make_plan(
        recipe,
        arguments.algorithm,
        arguments.trials,
        epochs=arguments.epochs,
        seed=arguments.seed,
        space=arguments.space or None,
        objectives=arguments.objective,
        executions=arguments.executions,
        folds=arguments.folds,
        stopping=arguments.stopping,
        hours=arguments.hours,
        total_epochs=arguments.total_epochs,
        max_parameters=arguments.max_parameters,
    )
    import_backend(plan.recipe.backend)
    return plan


def command_of(arguments: argparse.Namespace) -> str:
    """Returns the command that goes on with what these arguments begin."""
    words = [word for word in getattr(arguments, "given", []) if word != "--fresh"]
    return shlex.join(["zoo", *words])


def teller(as_json: bool) -> Callable[[str], None]:
    """Returns what prints lines of progress: beside the JSON, where there is some."""
    stream = sys.stderr if as_json else sys.stdout

    def say(line: str) -> None:
        print(line, file=stream, flush=True)

    return say
