"""How long the command line takes to answer."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

from benchmarks.measure import Row, durations, interleave


def rows(quick: bool) -> list[Row]:
    """`zoo --help` and `zoo list` beside Python's own start and the import of Keras."""
    commands = {
        "zoo --help": ["-m", "zoo.cli", "--help"],
        "zoo list": ["-m", "zoo.cli", "list"],
        "python, doing nothing": ["-c", "pass"],
        "python, import keras": ["-c", "import keras"],
    }

    def starter(arguments: list[str]) -> Callable[[], object]:
        return lambda: subprocess.run([sys.executable, *arguments], capture_output=True, check=True)

    sides = {name: starter(arguments) for name, arguments in commands.items()}
    return durations("start to end", interleave(sides, repeats=3 if quick else 7))
