"""Tables of points, each kept as it is measured, so that a benchmark broken off goes on."""

from __future__ import annotations

import csv
import dataclasses
import io
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar, cast

from zoo import files

Point = TypeVar("Point")
_KINDS = {"float": float, "int": int, "str": str}


def read_points(table: Path, kind: type[Point]) -> list[Point]:
    """Reads a table of points, a dataclass of numbers and texts; none where there is no table."""
    if not table.is_file():
        return []
    fields = dataclasses.fields(cast(Any, kind))
    lines = csv.DictReader(table.read_text(encoding="utf-8").splitlines())
    return [
        kind(**{field.name: _KINDS[str(field.type)](line[field.name]) for field in fields})
        for line in lines
    ]


def key_of(point: Any) -> tuple[Any, ...]:
    """Returns what says which point it is: the fields without a default; all others are measured.

    Args:
        point: A dataclass, as of `read_points`.
    """
    fields = dataclasses.fields(point)
    return tuple(getattr(point, one.name) for one in fields if one.default is dataclasses.MISSING)


def write_points(table: Path, points: Iterable[Any]) -> None:
    """Replaces a table of points, one or more; a kill leaves the old one or the new one."""
    lines = [dataclasses.asdict(point) for point in points]
    text = io.StringIO()
    writer = csv.DictWriter(text, list(lines[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    files.write_text(table, text.getvalue())


def set_aside(table: Path) -> Path:
    """Renames the table of a benchmark that is done to one with the time in its name."""
    done = table.with_stem(f"{table.stem}-{time.strftime('%Y%m%d-%H%M%S')}")
    return table.rename(done)
