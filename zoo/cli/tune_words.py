"""The words of `zoo tune`: status, report, promote, chief and worker."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

WORDS = {
    "status": "Show how searches stand: trials, what runs, the best so far, what is left.",
    "report": "Write everything that a search found as one HTML file.",
    "promote": "Retrain a search's winner and store it as a version if it is better.",
    "chief": "Lead a search whose trials are trained by workers on other machines.",
    "worker": "Train trials for a chief until the search is over.",
}
PORT = 7077


def parser_of(
    word: str, prog: str, add_search: Callable[[argparse.ArgumentParser], None]
) -> argparse.ArgumentParser:
    """Returns the parser of a word.

    Args:
        word: One of `WORDS`.
        prog: What comes before the arguments.
        add_search: Adds the arguments that say what is searched.
    """
    parser = argparse.ArgumentParser(prog=prog, description=WORDS[word])
    parser.set_defaults(word=word)
    {
        "status": _add_status,
        "report": _add_report,
        "promote": _add_promote,
        "worker": _add_worker,
    }.get(word, add_search)(parser)
    if word == "chief":
        _add_chief(parser)
    return parser


def run(arguments: argparse.Namespace) -> int:
    return {
        "status": _status,
        "report": _report,
        "promote": _promote,
        "chief": _chief,
        "worker": _worker,
    }[arguments.word](arguments)


def _add_search_of(parser: argparse.ArgumentParser, optional: bool = False) -> None:
    parser.add_argument("name", nargs="?" if optional else None, help="the recipe searched around")
    parser.add_argument("--algorithm", help="needed where it was searched by several")


def _add_status(parser: argparse.ArgumentParser) -> None:
    _add_search_of(parser, optional=True)
    parser.add_argument("--json", action="store_true", help="print JSON")


def _add_report(parser: argparse.ArgumentParser) -> None:
    _add_search_of(parser)
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help="by default report.html in the search's folder"
    )


def _add_promote(parser: argparse.ArgumentParser) -> None:
    _add_search_of(parser)
    parser.add_argument(
        "--seeds", type=int, default=3, metavar="N", help="retrain N times. Default: %(default)s"
    )
    parser.add_argument(
        "--force", action="store_true", help="store it also where the stored version is better"
    )
    parser.add_argument("--json", action="store_true", help="print the version's name as JSON")


def _add_chief(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="the address to listen on; there is no password, so let only the workers reach it. "
        "Default: %(default)s",
    )
    parser.add_argument(
        "--port", type=int, default=PORT, help="0 for any that is free. Default: %(default)s"
    )
    parser.add_argument(
        "--timeout",
        type=float,
        default=60,
        metavar="S",
        help="seconds after which a worker that is not heard of loses its trial to another. "
        "Default: %(default)s",
    )
    parser.add_argument(
        "--patience",
        type=float,
        default=3600,
        metavar="S",
        help="end when no worker was there for so many seconds. Default: %(default)s",
    )


def _add_worker(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="the recipe whose search it is")
    parser.add_argument("--chief", required=True, metavar="HOST:PORT", help="where the chief is")
    parser.add_argument(
        "--patience",
        type=float,
        default=600,
        metavar="S",
        help="give up after so many seconds without the chief. Default: %(default)s",
    )
    # For workers that a search on one machine starts for itself.
    parser.add_argument("--as", dest="worker", help=argparse.SUPPRESS)
    parser.add_argument("--with-parent", action="store_true", help=argparse.SUPPRESS)


def _status(arguments: argparse.Namespace) -> int:
    from tuning.folder import search_folder, searches
    from tuning.status import show

    if arguments.name is None or (arguments.algorithm is None and searches(arguments.name)):
        folders = [
            path for path in searches(arguments.name) if arguments.algorithm in (None, path.name)
        ]
    else:
        folders = [search_folder(arguments.name, arguments.algorithm)]
    print(show(folders, arguments.json))
    return 0


def _report(arguments: argparse.Namespace) -> int:
    from tuning.folder import search_folder
    from tuning.report import write

    print(write(search_folder(arguments.name, arguments.algorithm), arguments.output))
    return 0


def _promote(arguments: argparse.Namespace) -> int:
    from tuning.folder import search_folder
    from tuning.results import open_search
    from zoo.backend import import_backend
    from zoo.cli.tune import teller

    search = open_search(search_folder(arguments.name, arguments.algorithm))
    import_backend(search.recipe.backend)
    from tuning.promotion import promote

    stored = promote(
        search,
        seeds=arguments.seeds,
        force=arguments.force,
        say=teller(arguments.json),
        verbose=0 if arguments.json else "auto",
    )
    if arguments.json:
        print(json.dumps({"promoted": f"{search.name}@{stored.name}" if stored else None}))
    return 0


def _chief(arguments: argparse.Namespace) -> int:
    from zoo.cli.tune import command_of, plan_of, teller
    from zoo.errors import InvalidInputError

    if not 0 <= arguments.port < 2**16:
        raise InvalidInputError(f"--port must be from 0 to 65535, got {arguments.port}")
    for option in ("timeout", "patience"):
        value = getattr(arguments, option)
        if not value > 0:
            raise InvalidInputError(f"--{option} must be above 0 seconds, got {value:g}")
    plan = plan_of(arguments)

    from tuning.results import leaderboard_text
    from tuning.search import lead

    say = teller(False)
    try:
        search = lead(
            plan,
            arguments.host,
            arguments.port,
            timeout=arguments.timeout,
            patience=arguments.patience,
            say=say,
            fresh=arguments.fresh,
            tensorboard=arguments.tensorboard,
            command=command_of(arguments),
        )
    except KeyboardInterrupt:
        print(
            "\nstopped; the same command goes on, and so do the workers (without --fresh)",
            file=sys.stderr,
        )
        return 130
    say("\n" + leaderboard_text(search))
    return 0


def _worker(arguments: argparse.Namespace) -> int:
    from zoo.backend import import_backend
    from zoo.cli.tune import teller

    import_backend()
    from tuning.worker import end_with_parent, work

    if arguments.with_parent:
        end_with_parent()
    try:
        work(
            arguments.name,
            arguments.chief,
            patience=arguments.patience,
            worker=arguments.worker,
            say=teller(False),
            bar=sys.stdout.isatty(),
        )
    except KeyboardInterrupt:
        print("\nstopped; another worker goes on with its trial", file=sys.stderr)
        return 130
    return 0
