"""zoo evaluate"""

from __future__ import annotations

import argparse
import dataclasses
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zoo.cards import Card

HELP = "Measure a stored model on the test split of its data, as its card was, or on other images."
EXAMPLES = """\
  zoo evaluate resnet20.fashion_mnist
  zoo evaluate resnet20.fashion_mnist --costs        operations and time of an answer, here
  zoo evaluate mlp.fashion_mnist --data mnist        another data set with as many classes
  zoo evaluate resnet20.pets-finetune --data ~/more  a folder with a folder for each class
  zoo evaluate dcgan.fashion_mnist@1 --json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="a stored model, name or name@version")
    parser.add_argument(
        "--data",
        metavar="SOURCE",
        help="measure a classifier on another data set's test split, or on all of your images in a "
        "folder of class folders, a CSV or an npz (where it has a test split, on that)",
    )
    parser.add_argument("--costs", action="store_true", help="measure a classifier's costs instead")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    from zoo import store
    from zoo.backend import import_backend
    from zoo.errors import InvalidInputError
    from zoo.report import format_value, text_table

    if arguments.costs and arguments.data:
        raise InvalidInputError("--costs needs no --data: what an answer costs depends on no image")
    card = store.read_card(arguments.name)
    import_backend()
    if arguments.costs:
        return _costs(card, arguments)
    from zoo.evaluation import evaluate

    metrics = evaluate(arguments.name, arguments.data).metrics
    if arguments.json:
        print(json.dumps([dataclasses.asdict(metric) for metric in metrics], indent=2))
        return 0
    rows = []
    for metric in metrics:
        stored = None if arguments.data else card.metric(metric.name, metric.split)
        on_card = format_value(stored) if stored else "-"
        row = [metric.name, format_value(metric), on_card, metric.split, str(metric.n), metric.note]
        rows.append(row)
    print(text_table(["metric", "now", "card", "split", "n", "note"], rows))
    return 0


def _costs(card: Card, arguments: argparse.Namespace) -> int:
    from zoo.cli.common import load_as
    from zoo.evaluation import costs
    from zoo.pipelines import Classifier
    from zoo.report import costs_rows, text_table

    now = costs(load_as(arguments.name, Classifier))
    if arguments.json:
        print(json.dumps(now, indent=2))
        return 0
    on_card = dict(costs_rows(card.costs))
    rows = [[what, value, on_card.get(what, "-")] for what, value in costs_rows(now)]
    print(text_table(["cost", "now", "card"], rows))
    return 0
