"""zoo train"""

from __future__ import annotations

import argparse
import json
import shlex
from pathlib import Path

from zoo.recipe import BACKENDS, Recipe

HELP = "Train a recipe, measure the result on the test split and store it as a new version."
EXAMPLES = """\
  zoo train mlp.fashion_mnist
  zoo train resnet20.fashion_mnist --set epochs=3 --set optimizer.learning_rate=0.05
  zoo train dcgan.fashion_mnist --set players.discriminator.learning_rate=1e-4
  zoo train resnet20.fashion_mnist --resume     after Ctrl-C or a crash; equals a run never stopped
  zoo train resnet20.fashion_mnist --backend jax --set precision=mixed_bfloat16
  zoo train mlp.fashion_mnist --dry-run         print the recipe and stop
  zoo train mlp.fashion_mnist --folds 5         cross-validation: mean and deviation, nothing stored
  zoo train resnet20 --data ~/pictures/pets     a folder with a folder of images for each class
  zoo train resnet20 --data ~/pictures/pets --from resnet20.cifar10     fine-tune a stored model
  zoo train resnet20 --data ~/pictures/pets --from resnet20.cifar10 --transfer freeze
  zoo train cyclegan --data ~/photos ~/maps     two folders of images, to be turned into each other

on two hosts, the same command with --process 0 and --process 1:
  zoo train NAME --backend jax --coordinator 10.0.0.1:9911 --processes 2 --process 0
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="a recipe, or with --data an architecture; see `zoo list`")
    parser.add_argument(
        "--data",
        nargs="+",
        metavar="SOURCE",
        help="train on this: a data set, a folder of class folders, a CSV (path,label), an npz; "
        "for a generator's or an autoencoder's recipe also a folder of pictures; "
        "for a translation two folders of images; "
        "after the name",
    )
    parser.add_argument(
        "--skip-bad", action="store_true", help="list and leave out what SOURCE has of bad files"
    )
    parser.add_argument(
        "--from", dest="parent", metavar="MODEL", help="begin from a stored model's weights"
    )
    parser.add_argument(
        "--transfer",
        metavar="POLICY",
        help="what of them learns: finetune (default), freeze, hybrid:STAGE, or scratch for none",
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="PATH=VALUE", help="a setting; repeatable"
    )
    parser.add_argument("--resume", action="store_true", help="continue the last unfinished run")
    parser.add_argument("--store", type=Path, metavar="DIR", help="store here, not in $ZOO_HOME")
    parser.add_argument(
        "--folds", type=int, metavar="K", help="cross-validate on the training split instead"
    )
    parser.add_argument("--dry-run", action="store_true", help="print the recipe, train nothing")
    parser.add_argument("--json", action="store_true", help="print the card as JSON at the end")
    parser.add_argument(
        "--backend", choices=BACKENDS, help="the Keras backend, by default $KERAS_BACKEND"
    )
    parser.add_argument(
        "--devices", type=int, metavar="N", help="how many share each batch (jax; default: all)"
    )
    hosts = parser.add_argument_group("several processes (jax)")
    hosts.add_argument("--coordinator", metavar="HOST:PORT", help="of process 0")
    hosts.add_argument("--processes", type=int, metavar="N", help="how many there are")
    hosts.add_argument("--process", type=int, metavar="I", help="which one this is, from 0")
    hosts.add_argument(
        "--join-timeout",
        type=float,
        default=300,
        metavar="S",
        help="seconds to wait for others",
    )


def run(arguments: argparse.Namespace) -> int:
    from zoo import data
    from zoo.backend import import_backend
    from zoo.cli import together
    from zoo.errors import InvalidInputError
    from zoo.own_recipe import recipe_to_train

    recipe = recipe_to_train(
        arguments.name,
        arguments.data,
        arguments.parent,
        arguments.transfer,
        skip_bad=arguments.skip_bad,
        resume=arguments.resume,
    )
    recipe = recipe.override(arguments.set)
    if arguments.backend:
        recipe = recipe.override({"backend": arguments.backend})
    if arguments.dry_run:
        print(recipe.to_json())
        return 0
    for name in data.sets_of(recipe.data.name):
        data.require(name)
    parts = (arguments.coordinator, arguments.processes, arguments.process)
    if arguments.folds is not None and (arguments.store or any(p is not None for p in parts)):
        raise InvalidInputError("--folds stores no model and is done by one process")
    if parts == (None, None, None):
        return _train(arguments, recipe)
    if None in parts:
        raise InvalidInputError(
            "several processes need --coordinator, --processes and --process together"
        )
    together.check(*parts)

    def join_and_train() -> int:
        import_backend(recipe.backend)
        from zoo.training import distribution

        distribution.join(*parts, arguments.join_timeout)
        return _train(arguments, recipe)

    return together.train(join_and_train, arguments.coordinator)


def _train(arguments: argparse.Namespace, recipe: Recipe) -> int:
    from zoo import store
    from zoo.api import train
    from zoo.report import stored_lines

    said = arguments.set or arguments.data or arguments.parent
    as_begun = arguments.resume and not said
    try:
        if arguments.folds is not None:
            return _cross_validate(arguments, recipe)
        done = train(
            arguments.name if as_begun else recipe,
            resume=arguments.resume,
            root=arguments.store,
            verbose=0 if arguments.json else "auto",
            devices=arguments.devices,
            **({"backend": arguments.backend} if arguments.backend else {}),
        )
    except KeyboardInterrupt:
        words = [word for word in arguments.given if word != "--resume"]
        again = shlex.join(["zoo", *words, "--resume"])
        print(f"\nstopped; `{again}` continues after the last epoch")
        return 130
    if done.stored is None:
        print(f"process {arguments.process} is done; process 0 measures and stores the model")
        return 0
    card = store.read_card(done.stored)
    if arguments.json:
        print(json.dumps(card.to_dict(), indent=2))
        return 0
    print("\n".join(stored_lines(card, done.stored)))
    return 0


def _cross_validate(arguments: argparse.Namespace, recipe: Recipe) -> int:
    from zoo.api import cross_validate
    from zoo.report import text_table

    folds = cross_validate(
        recipe,
        arguments.folds,
        resume=arguments.resume,
        verbose=0 if arguments.json else "auto",
        devices=arguments.devices,
    )
    if arguments.json:
        print(json.dumps(folds.to_dict(), indent=2))
        return 0
    measured = zip(folds.values, folds.losses, strict=True)
    rows = [[str(i), f"{100 * a:.2f}%", f"{b:.4f}"] for i, (a, b) in enumerate(measured, start=1)]
    print(text_table(["fold", "accuracy", "cross-entropy"], rows))
    print(f"accuracy {100 * folds.mean:.2f}%, sample deviation {100 * folds.deviation:.2f}%")
    return 0
