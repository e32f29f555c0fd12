"""python -m benchmarks: every measurement of speed, one table; by name also the longer ones.

Run it on a machine that does nothing else. `--quick` only shows that it works.
"""

from __future__ import annotations

import argparse
import importlib
import os
import platform
import sys

from benchmarks.measure import Row

PARTS = ("startup", "inference", "training", "resnet", "requests", "diffusers", "adaptation_step")
# These take long and are run only when they are named.
LONG = (
    "transfer",
    "speedrun",
    "metrics",
    "dcgan",
    "stability",
    "diffusion",
    "runtimes",
    "serving",
    "soak",
    "digits_adaptation",
    "office",
    "adaptation_costs",
    "distillation",
    "hinton",
    "tuning",
    "tuning_overhead",
    "tuning_simulation",
)


def main() -> int:
    known = (*PARTS, *LONG)
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", default=PARTS, help=f"of {', '.join(known)}")
    parser.add_argument("--quick", action="store_true", help="few repetitions")
    arguments = parser.parse_args()
    unknown = [part for part in arguments.parts if part not in known]
    if unknown:
        parser.error(f"there is no part {unknown[0]!r}; there are {', '.join(known)}")

    from zoo.backend import import_backend
    from zoo.report import markdown_table

    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import_backend()
    below: list[Row] = []
    beside: list[Row] = []
    for part in arguments.parts:
        print(f"measuring {part} …", file=sys.stderr)
        module = importlib.import_module(f"benchmarks.{part}")
        (beside if hasattr(module, "SIDE_BY_SIDE") else below).extend(module.rows(arguments.quick))
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    if below:
        lines = [[row.what, row.side, _value(row), row.unit, _spread(row)] for row in below]
        print("\n" + markdown_table(["what", "side", "value", "unit", "spread"], lines))
    if beside:
        sides = list(dict.fromkeys(row.side for row in beside))
        cells = {(row.what, row.side): f"{_value(row)} {_spread(row)}" for row in beside}
        units = {row.what: row.unit for row in beside}
        lines = [
            [what, unit, *(cells.get((what, side), "") for side in sides)]
            for what, unit in units.items()
        ]
        print("\n" + markdown_table(["what", "unit", *sides], lines))
    return 0


def _value(row: Row) -> str:
    return f"{row.value:,.4g}"


def _spread(row: Row) -> str:
    return f"±{row.spread:,.2g}"


if __name__ == "__main__":
    sys.exit(main())
