"""zoo data"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

HELP = "List data sets and make them ready."
EXAMPLES = """\
  zoo data list
  zoo data prepare fashion_mnist                  download and verify
  zoo data prepare fashion_mnist --from archives  read the original archives from a folder
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="show what there is")
    listing.add_argument("--json", action="store_true", help="print JSON")
    prepare = actions.add_parser("prepare", help="make data sets ready")
    prepare.add_argument("names", nargs="+", metavar="NAME", help="a data set")
    prepare.add_argument(
        "--from", dest="source", type=Path, metavar="DIR", help="folder with the original archives"
    )


def run(arguments: argparse.Namespace) -> int:
    return _list(arguments) if arguments.action == "list" else _prepare(arguments)


def _list(arguments: argparse.Namespace) -> int:
    from zoo import data
    from zoo.report import text_table

    entries = [
        {
            "name": name,
            "prepared": data.is_prepared(name),
            "shape": list(data.get(name).shape),
            "classes": len(data.get(name).labels),
            "splits": data.get(name).splits,
            "licence": data.get(name).licence,
        }
        for name in data.DATASETS.names()
    ]
    if arguments.json:
        print(json.dumps(entries, indent=2))
        return 0
    rows = [
        [
            str(e["name"]),
            "yes" if e["prepared"] else "no",
            "x".join(map(str, data.get(str(e["name"])).shape)),
            ", ".join(f"{k} {v}" for k, v in data.get(str(e["name"])).splits.items()),
            str(e["licence"]),
        ]
        for e in entries
    ]
    print(text_table(["name", "prepared", "image", "splits", "licence"], rows))
    return 0


def _prepare(arguments: argparse.Namespace) -> int:
    from zoo import data
    from zoo.backend import import_backend

    for name in arguments.names:
        data.get(name)
    import_backend()
    for name in arguments.names:
        print(f"{name}: in {data.prepare(name, arguments.source)}")
    return 0
