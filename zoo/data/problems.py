"""What is wrong with the files of a data set, every one by its name."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Sequence
from pathlib import Path

from zoo import files

SHOWN = 20


@dataclasses.dataclass(frozen=True)
class Problem:
    """One file or class that cannot be used as it is.

    Args:
        kind: Such as `empty` or `duplicate`.
        where: The file, as the user knows it; a row of an array; or a class.
        detail: What more there is to say.
    """

    kind: str
    where: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.kind}: {self.where}" + (f" ({self.detail})" if self.detail else "")


def counted(problems: Sequence[Problem]) -> str:
    """Returns how many problems there are, in words."""
    return "1 problem" if len(problems) == 1 else f"{len(problems)} problems"


def listed(intro: str, problems: Sequence[Problem], rest: Path) -> str:
    """Returns a first line with the number of problems of each kind, then a line for each.

    Args:
        intro: The beginning of the first line.
        problems: At least one.
        rest: The file that all are written to where there are too many to show.
    """
    kinds = collections.Counter(problem.kind for problem in problems)
    counts = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
    lines = [f"  {problem}" for problem in problems]
    first = f"{intro}: {counts}"
    if len(lines) > SHOWN:
        files.write_text(rest, "\n".join([first, *lines]) + "\n")
        lines = [*lines[:SHOWN], f"  and {len(lines) - SHOWN} more; all are in {rest}"]
    return "\n".join([first, *lines])
