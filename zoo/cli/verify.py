"""zoo verify"""

from __future__ import annotations

import argparse
import json
from typing import Any

HELP = (
    "Check stored models: files against sha256, parameter counts, and with --metrics the numbers."
)
EXAMPLES = """\
  zoo verify                            every stored model
  zoo verify 'resnet*' --metrics        measure again on the test split
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "pattern", nargs="?", default="*", help="shell wildcard or name@version (default: all)"
    )
    parser.add_argument("--metrics", action="store_true", help="measure again, compare with cards")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    from zoo import store
    from zoo.backend import import_backend
    from zoo.errors import UnknownModelError, ZooError

    references = [f"{n}@{v}" for n in store.names(arguments.pattern) for v in store.versions(n)]
    if "@" in arguments.pattern:
        store.find(arguments.pattern)
        references = [arguments.pattern]
    if not references:
        raise UnknownModelError(arguments.pattern, store.names())
    import_backend()
    results = []
    for reference in references:
        result: dict[str, Any] = {"model": reference, "problems": [], "metrics": []}
        try:
            _check(reference, arguments.metrics, result)
        except ZooError as error:
            result["problems"].append(str(error))
        results.append(result)
        if not arguments.json:
            _print(result)
    if arguments.json:
        print(json.dumps(results, indent=2))
    return 2 if any(result["problems"] for result in results) else 0


def _check(reference: str, metrics: bool, result: dict[str, Any]) -> None:
    from zoo import store
    from zoo.pipelines import make_pipeline

    card, networks = store.load(reference)
    for name, network in networks.items():
        if network.count_params() != card.parameters.get(name):
            result["problems"].append(
                f"{name} has {network.count_params()} parameters, "
                f"the card says {card.parameters.get(name)}"
            )
    counted = card.costs.get("flops")
    if counted is not None:
        from zoo.metrics.costs import flops

        now = flops(networks["network"])
        if now != counted:
            result["problems"].append(f"an answer takes {now} FLOPs, the card says {counted}")
    if not metrics:
        return
    from zoo.evaluation import agrees, measure

    # Costs in time are this machine's own. A card made when less was measured claims less.
    for measured in measure(make_pipeline(card, networks)).metrics:
        stored = card.metric(measured.name, measured.split)
        on_card = stored.value if stored else None
        entry = {"name": measured.name, "split": measured.split}
        result["metrics"].append({**entry, "now": measured.value, "card": on_card})
        if stored is not None and not agrees(stored, measured):
            result["problems"].append(f"{measured.name} is {measured.value:.5g}, not {on_card}")
    again = {(entry["name"], entry["split"]) for entry in result["metrics"]}
    for metric in card.metrics:
        if (metric.name, metric.split) not in again:
            result["problems"].append(f"{metric.name} on {metric.split} was not measured again")


def _print(result: dict[str, Any]) -> None:
    problems = "; ".join(result["problems"])
    print(f"{result['model']}: {problems or 'good'}")
    for metric in result["metrics"]:
        on_card = "-" if metric["card"] is None else f"{metric['card']:.5g}"
        print(f"  {metric['name']} {metric['now']:.5g} on {metric['split']}, card {on_card}")
