"""The `zoo` command. Each subcommand is a file with `HELP`, `EXAMPLES`, `add_arguments`, `run`."""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import sys
from collections.abc import Sequence
from types import ModuleType

from zoo.errors import ZooError

COMMANDS = (
    "list",
    "show",
    "create",
    "train",
    "evaluate",
    "predict",
    "generate",
    "reconstruct",
    "translate",
    "tune",
    "serve",
    "verify",
    "export",
    "add",
    "data",
)

_EPILOG = """\
a model's whole life:
  zoo data prepare fashion_mnist
  zoo train mlp.fashion_mnist --set epochs=5
  zoo show mlp.fashion_mnist
  zoo predict mlp.fashion_mnist shoe.png --top-k 3
  zoo serve

`zoo COMMAND --help` explains a command with examples. Models, data and runs are kept in $ZOO_HOME.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line and returns the exit code: 2 for a mistake of the user."""
    # TensorFlow's start-up lines would bury the answer; a user who set a level keeps it.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    parser = build_parser()
    given = sys.argv[1:] if argv is None else [*argv]
    arguments = parser.parse_args(given, argparse.Namespace(given=given))
    if arguments.command is None:
        parser.print_help()
        return 0
    try:
        return arguments.run(arguments)
    except ZooError as error:
        logging.getLogger("zoo").debug("the command failed", exc_info=True)
        print(f"zoo: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nzoo: stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader, such as `head`, has seen enough; nothing can be written at exit either.
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
        return 0
    except OSError as error:
        logging.getLogger("zoo").debug("the command failed", exc_info=True)
        print(f"zoo: {error}", file=sys.stderr)
        return 2


def build_parser() -> argparse.ArgumentParser:
    """Returns the parser with every subcommand."""
    parser = argparse.ArgumentParser(
        prog="zoo",
        description="Reference models for Keras 3: load, train, search and serve them.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=_version())
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND")
    for name in COMMANDS:
        module = _module(name)
        subparser = subparsers.add_parser(
            name,
            help=module.HELP,
            description=module.HELP,
            epilog=f"examples:\n{module.EXAMPLES}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(subparser)
        subparser.set_defaults(run=module.run)
    return parser


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"zoo.cli.{name}")


def _version() -> str:
    from zoo import __version__

    return f"zoo {__version__}"
