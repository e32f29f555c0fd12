"""zoo evaluate"""

from __future__ import annotations

import argparse
import dataclasses
import json

HELP = "Measure a stored model on the test split of its data, as its card was measured."
EXAMPLES = """\
  zoo evaluate resnet20.fashion_mnist
  zoo evaluate dcgan.fashion_mnist@1 --json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="a stored model, name or name@version")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    from zoo import store
    from zoo.backend import import_backend
    from zoo.report import format_value, text_table

    card = store.read_card(arguments.name)
    import_backend()
    from zoo.evaluation import evaluate

    metrics = evaluate(arguments.name).metrics
    if arguments.json:
        print(json.dumps([dataclasses.asdict(metric) for metric in metrics], indent=2))
        return 0
    rows = []
    for metric in metrics:
        stored = card.metric(metric.name)
        on_card = format_value(stored) if stored else "-"
        row = [metric.name, format_value(metric), on_card, metric.split, str(metric.n), metric.note]
        rows.append(row)
    print(text_table(["metric", "now", "card", "split", "n", "note"], rows))
    return 0
