"""zoo show"""

from __future__ import annotations

import argparse
import dataclasses
import json
from typing import Any

HELP = "Show a stored model's card, a recipe, or an architecture with its options."
EXAMPLES = """\
  zoo show resnet20.fashion_mnist       the card: what it is, how good, how made
  zoo show mlp.fashion_mnist --recipe   the registered recipe
  zoo show resnet20                     the architecture and its options
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="a stored model (name or name@version), recipe, architecture")
    parser.add_argument("--recipe", action="store_true", help="show the registered recipe")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    from zoo import registry, store

    name = arguments.name
    if arguments.recipe:
        return _print(registry.recipes().get(name).to_dict())
    if "." not in name and "/" not in name:
        return _print(_architecture(name))
    known_recipe = name in registry.recipes()
    if known_recipe and not store.versions(name):
        return _print(registry.recipes().get(name).to_dict())
    folder = store.find(name)
    if arguments.json:
        return _print(store.read_card(folder).to_dict())
    from zoo.report import card_readme

    print(card_readme(store.read_card(folder), folder))
    print(f"files: {folder}")
    return 0


def _print(record: dict[str, Any]) -> int:
    print(json.dumps(record, indent=2, ensure_ascii=False))
    return 0


def _architecture(name: str) -> dict[str, Any]:
    import inspect

    from zoo import registry
    from zoo.backend import import_backend

    architecture = registry.architectures().get(name)
    import_backend()
    options = {
        network: {
            option: parameter.default
            for option, parameter in inspect.signature(
                registry.load_object(path)
            ).parameters.items()
            if parameter.default is not inspect.Parameter.empty
        }
        for network, path in architecture.networks.items()
    }
    recipes = registry.recipes()
    used = [n for n in recipes.names() if recipes.get(n).architecture == architecture.name]
    return {**dataclasses.asdict(architecture), "options": options, "recipes": used}
