"""zoo list"""

from __future__ import annotations

import argparse
import json
from typing import Any

HELP = "List architectures, recipes and stored models."
EXAMPLES = """\
  zoo list                              everything
  zoo list 'resnet*' --pretrained       stored models only: what predict and serve take
  zoo list 'keras:*'                    the networks of Keras Applications
  zoo list --task generation --json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("pattern", nargs="?", default="*", help="shell wildcard (default: all)")
    parser.add_argument("--task", help="classification, generation or translation")
    parser.add_argument("--pretrained", action="store_true", help="stored models only")
    output = parser.add_mutually_exclusive_group()
    output.add_argument("--json", action="store_true", help="print JSON")
    output.add_argument(
        "--markdown", action="store_true", help="print stored models as a Markdown table"
    )


def run(arguments: argparse.Namespace) -> int:
    from zoo.api import list_models
    from zoo.report import models_table, text_table

    if arguments.markdown:
        from zoo import store

        names = list_models(arguments.pattern, task=arguments.task, pretrained=True)
        print(models_table([store.read_card(name) for name in names]))
        return 0
    names = list_models(arguments.pattern, task=arguments.task, pretrained=arguments.pretrained)
    entries = [_entry(name) for name in names]
    if arguments.json:
        print(json.dumps(entries, indent=2))
        return 0
    if not entries:
        print(f"nothing matches {arguments.pattern!r}; `zoo list` shows everything")
        return 0
    rows = [[e["name"], e["kind"], e["task"], e["about"]] for e in entries]
    print(text_table(["name", "kind", "task", "about"], rows))
    if arguments.pattern == "*" and (own := _own_data()):
        print(f"own data: {', '.join(own)}; train on them with `zoo train NAME --data {own[0]}`")
    return 0


def _own_data() -> list[str]:
    from zoo import data

    return [name for name in data.names() if name not in data.DATASETS]


def _entry(name: str) -> dict[str, Any]:
    from zoo import registry, store
    from zoo.errors import CorruptModelError
    from zoo.report import format_value

    versions = store.versions(name) if "." in name else []
    if versions:
        kind = f"stored @{versions[-1]}"
        try:
            card = store.read_card(name)
        except CorruptModelError as error:
            return _line(name, kind, "?", str(error), versions)
        about = ", ".join(f"{m.name} {format_value(m)}" for m in card.metrics[:2])
        return _line(name, kind, card.task, about, versions)
    kind = "recipe" if "." in name else "architecture"
    source = registry.recipes().get(name).architecture if kind == "recipe" else name
    architecture = registry.architectures().get(source)
    about = f"train it with `zoo train {name}`" if kind == "recipe" else architecture.summary
    return _line(name, kind, architecture.task, about, versions)


def _line(name: str, kind: str, task: str, about: str, versions: list[int]) -> dict[str, Any]:
    return {"name": name, "kind": kind, "task": task, "about": about, "versions": versions}
