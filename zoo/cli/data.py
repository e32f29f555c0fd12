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
  zoo data prepare mnist_usps                     both data sets of a pair of domains
  zoo data prepare mnist_to_mnist_m --from archives
                                                  both of a shift between two, for adaptation
  zoo data prepare office_caltech10 --from archives
                                                  features of four domains, not images
  zoo data prepare ~/pictures/pets --size 96      your own: a folder of class folders, a CSV
                                                  with path,label[,split], an npz, or tfds:NAME
  zoo data prepare ~/pictures/clouds --size 32    pictures alone, for a generator
  zoo data prepare pair:photos:maps --size 128    two folders of images to translate between
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="show what there is")
    listing.add_argument("--json", action="store_true", help="print JSON")
    prepare = actions.add_parser("prepare", help="make data sets ready")
    prepare.add_argument(
        "sources",
        nargs="+",
        metavar="SOURCE",
        help="a data set, a pair of domains, or your images",
    )
    prepare.add_argument(
        "--from", dest="archives", type=Path, metavar="DIR", help="folder with original archives"
    )
    own = prepare.add_argument_group("your own images")
    own.add_argument("--name", help="what to call them (default: the last part of the source)")
    own.add_argument(
        "--size", type=int, metavar="PIXELS", help="resize to this height and width (default: 64)"
    )
    own.add_argument("--colour", choices=("grey", "rgb"), help="default: grey if all images are")
    own.add_argument(
        "--skip-bad", action="store_true", help="list and leave out what cannot be used"
    )


def run(arguments: argparse.Namespace) -> int:
    return _list(arguments) if arguments.action == "list" else _prepare(arguments)


def _list(arguments: argparse.Namespace) -> int:
    from zoo import data
    from zoo.report import text_table

    sets: list[data.DataSet | data.FeatureSet]
    sets = [data.get(name) for name in data.names() if name not in data.PAIRS]
    sets += [data.FEATURE_SETS.get(name) for name in data.FEATURE_SETS]
    entries = [
        {
            "name": known.name,
            "prepared": data.is_prepared(known.name),
            "shape": list(known.shape),
            "classes": len(known.labels),
            "splits": known.splits,
            "licence": known.licence,
        }
        for known in sets
    ]
    pairs = [
        {
            "name": name,
            "prepared": data.is_prepared(name),
            "domains": [domain.name for domain in data.PAIRS.get(name).domains.values()],
            "sets": data.sets_of(name),
            "licence": data.PAIRS.get(name).licence,
        }
        for name in data.PAIRS
    ]
    if arguments.json:
        print(json.dumps([*entries, *pairs], indent=2))
        return 0
    rows = [
        [
            str(e["name"]),
            "yes" if e["prepared"] else "no",
            *_size_of(str(e["name"])),
            str(e["licence"]),
        ]
        for e in entries
    ]
    print(text_table(["name", "prepared", "image", "splits", "licence"], rows))
    rows = []
    for name in data.PAIRS:
        pair = data.PAIRS.get(name)
        joint = " → " if isinstance(pair, data.Shift) else " and "
        domains = joint.join(domain.name for domain in pair.domains.values())
        prepared = "yes" if data.is_prepared(name) else "no"
        made_of = data.sets_of(name)
        # One of the user's own is its own set, which is listed here alone.
        what = "; ".join(_size_of(name)) if made_of == [name] else ", ".join(made_of)
        rows.append([name, prepared, domains, what])
    print()
    print(text_table(["pair", "prepared", "domains", "made of"], rows))
    return 0


def _size_of(name: str) -> tuple[str, str]:
    """Returns the shape of a data set's images and the number in each split, for a table."""
    from zoo import data

    known: data.DataSet | data.FeatureSet
    known = data.FEATURE_SETS.get(name) if name in data.FEATURE_SETS else data.get(name)
    counts = ", ".join(f"{split} {count}" for split, count in known.splits.items())
    return "x".join(map(str, known.shape)), counts


def _prepare(arguments: argparse.Namespace) -> int:
    from zoo import data
    from zoo.backend import import_backend
    from zoo.data import own
    from zoo.errors import InvalidInputError

    sources = [name for source in arguments.sources for name in data.sets_of(source)]
    known = [s for s in sources if s in data.DATASETS or s in data.FEATURE_SETS]
    options = {key: getattr(arguments, key) for key in ("name", "size", "colour", "skip_bad")}
    if known and any(options.values()):
        raise InvalidInputError(f"--name, --size, --colour, --skip-bad are not for {known[0]}")
    if len(sources) > 1 and options["name"]:
        raise InvalidInputError("--name is for one source")
    if arguments.archives and len(known) < len(sources):
        raise InvalidInputError("--from is for data sets that `zoo data list` shows")
    if known:
        import_backend()
    for source in dict.fromkeys(sources):
        if source in known:
            print(f"{source}: in {data.prepare(source, arguments.archives)}")
        else:
            own.prepare(source, **options)
    return 0
