"""zoo create"""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "Build an untrained model and print its layers."
EXAMPLES = """\
  zoo create resnet20 --input-shape 32 32 3 --classes 10
  zoo create vgg16 --features stage3 features      the body, up to the outputs of these layers
  zoo create keras:EfficientNetV2B0 --no-head --set weights=imagenet
  zoo create mlp --set units=[512,256] --set dropout=0.3 -o mlp.keras
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="an architecture, as `zoo list` shows it")
    parser.add_argument("--input-shape", type=int, nargs=3, metavar=("HEIGHT", "WIDTH", "CHANNELS"))
    head = parser.add_mutually_exclusive_group()
    head.add_argument("--classes", type=int, help="number of classes, for a classifier")
    head.add_argument("--no-head", action="store_true", help="a classifier's body alone")
    parser.add_argument(
        "--features",
        nargs="+",
        metavar="LAYER",
        help="layers whose outputs the model has in place of its own",
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="OPTION=VALUE", help="an option; repeatable"
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        help="save as .keras; several networks go to NAME-network.keras",
    )


def run(arguments: argparse.Namespace) -> int:
    from zoo import registry
    from zoo.backend import import_backend
    from zoo.errors import RecipeError
    from zoo.recipe import parse_setting

    architecture = registry.architectures().get(arguments.name)
    options = dict(parse_setting(setting) for setting in arguments.set)
    for option in ("input_shape", "classes", "head", "features", "name"):
        if option in options:
            raise RecipeError(f"{option} is not set by --set; see `zoo create --help`")
    import_backend()
    from zoo.training.build import create

    model = create(
        arguments.name,
        arguments.input_shape,
        "default" if arguments.classes is None else arguments.classes,
        head=None if arguments.no_head else "classifier",
        features=arguments.features,
        **options,
    )
    single = len(architecture.networks) == 1
    for name in architecture.networks:
        network = model if single else getattr(model, name)
        network.summary()
        if arguments.output:
            path = arguments.output.with_suffix(".keras")
            path = path if single else path.with_stem(f"{path.stem}-{name}")
            network.save(path)
            print(f"wrote {path}")
    return 0
