"""zoo export"""

from __future__ import annotations

import argparse
import json
import os
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zoo.runtime.exports import Export

HELP = "Export stored models for runtimes without Keras: SavedModel, ONNX Runtime, OpenVINO."
EXAMPLES = """\
  zoo export resnet20.fashion_mnist dcgan.fashion_mnist
  zoo export '*.fashion_mnist' --measure        and find out which runtime is the fastest here
  zoo export resnet20.fashion_mnist --int8      also in 8-bit integers, with the accuracy it costs
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "names", nargs="+", metavar="NAME", help="a stored model, name@version, or shell wildcard"
    )
    parser.add_argument(
        "--int8", action="store_true", help="classifiers also in 8-bit integers, for OpenVINO"
    )
    parser.add_argument(
        "--measure", action="store_true", help='time what the runtime "auto" chooses from'
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    from zoo import store
    from zoo.errors import UnknownModelError

    references: list[str] = []
    for name in arguments.names:
        wild = any(sign in name for sign in "*?[") and os.sep not in name
        found = store.names(name) if wild else [name]
        if not found:
            raise UnknownModelError(name, store.names())
        references += found
    cards = [store.read_card(reference) for reference in references]
    # All runtimes are compared with what a processor answers: a GPU's convolutions round more.
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    from zoo.runtime.export import export

    reports = []
    for reference, card in zip(references, cards, strict=True):
        label = f"{card.name}@{card.version}"
        print(f"zoo: exporting {label}", file=sys.stderr, flush=True)
        made = export(reference, int8=arguments.int8)
        report = {"model": label, **_report(made, arguments.measure)}
        reports.append(report)
        if not arguments.json:
            _print(report)
    if arguments.json:
        print(json.dumps(reports, indent=2))
    return 0


def _report(made: Export, measure: bool) -> dict[str, Any]:
    report: dict[str, Any] = {
        "folder": str(made.folder),
        "bytes": {runtime: made.size(runtime) for runtime in made.runtimes},
        "parity": {
            name: {"tolerance": function.tolerance, **function.parity}
            for name, function in made.functions.items()
        },
        "int8": made.int8,
    }
    if measure:
        from zoo.runtime.choice import choose

        report["auto"] = choose(made)
    return report


def _print(report: dict[str, Any]) -> None:
    sizes = ", ".join(f"{name} {size / 1e6:.2g} MB" for name, size in report["bytes"].items())
    print(f"{report['model']}: {sizes} in {report['folder']}")
    for name, errors in report["parity"].items():
        found = ", ".join(f"{one} {error:.1e}" for one, error in errors.items())
        print(f"  {name}, largest difference from Keras: {found}")
    if report["int8"]:
        loss, count = 100 * report["int8"]["loss"], report["int8"]["n"]
        print(f"  int8 loses {loss:.2f} points of accuracy on {count:.0f} validation images")
    for name, sizes_of in report.get("auto", {}).items():
        chosen = ", ".join(f"{runtime} up to {size}" for size, runtime in sizes_of.items())
        print(f"  {name}, the fastest for batches: {chosen}")
