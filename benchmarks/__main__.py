"""python -m benchmarks: every measurement, one table.

Run it on a machine that does nothing else. `--quick` only shows that it works.
"""

from __future__ import annotations

import argparse
import importlib
import os
import platform
import sys

from benchmarks.measure import Row

PARTS = ("startup", "inference", "training", "requests")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", default=PARTS, help=f"of {', '.join(PARTS)}")
    parser.add_argument("--quick", action="store_true", help="few repetitions")
    arguments = parser.parse_args()
    unknown = [part for part in arguments.parts if part not in PARTS]
    if unknown:
        parser.error(f"there is no part {unknown[0]!r}; there are {', '.join(PARTS)}")

    from zoo.backend import import_backend
    from zoo.report import markdown_table

    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import_backend()
    found: list[Row] = []
    for part in arguments.parts:
        print(f"measuring {part} …", file=sys.stderr)
        found += importlib.import_module(f"benchmarks.{part}").rows(arguments.quick)
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}\n")
    lines = [
        [row.what, row.side, f"{row.value:,.4g}", row.unit, f"±{row.spread:,.2g}"] for row in found
    ]
    print(markdown_table(["what", "side", "median", "unit", "quartiles"], lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
