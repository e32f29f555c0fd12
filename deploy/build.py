"""Builds a bento with chosen models of the store inside.

    python deploy/build.py "resnet20.*" dcgan.fashion_mnist@2
    bentoml containerize keras-model-zoo:latest

Of a name without a version the newest is taken. With the models go their exports, which are made
if there are none: a server that finds them needs no Keras. Plain `bentoml build` takes the shipped
models, all of them, and no exports.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from zoo import store
from zoo.errors import UnknownModelError, ZooError
from zoo.runtime.exports import ensure

ROOT = Path(__file__).resolve().parents[1]
FILES = ("bentofile.yaml", "pyproject.toml", "constraints.txt", "LICENSE")
FOLDERS = ("zoo", "serving")


def main(argv: Sequence[str] | None = None) -> int:
    """Builds, and returns the exit code: 2 for a mistake of the user."""
    parser = argparse.ArgumentParser(description="Build a bento with chosen models inside.")
    parser.add_argument("models", nargs="+", metavar="GLOB", help="wildcards, or name@version")
    parser.add_argument("--version", help="the bento's version; by default BentoML makes one")
    parser.add_argument("--no-exports", action="store_true", help="leave the exports out")
    arguments = parser.parse_args(argv)
    command = [sys.executable, "-m", "bentoml", "build"]
    if arguments.version:
        command += ["--version", arguments.version]
    with tempfile.TemporaryDirectory(prefix="bento-") as folder:
        try:
            stage(Path(folder), arguments.models, exports=not arguments.no_exports)
        except ZooError as error:
            print(f"build: {error}", file=sys.stderr)
            return 2
        environment = {**os.environ, "BENTOML_DO_NOT_TRACK": "true"}
        # BentoML reads a file of its own only below the folder that it is called in.
        return subprocess.run(command, env=environment, cwd=folder, check=False).returncode


def stage(folder: Path, patterns: Sequence[str], exports: bool = True) -> list[str]:
    """Puts everything that a bento holds into a folder.

    Args:
        folder: An empty one.
        patterns: Wildcards of names, or `name@version`.
        exports: Whether what the models are exported to goes with them.

    Returns:
        The models, as `name@version`.

    Raises:
        UnknownModelError: for a pattern that no stored model matches.
        CorruptModelError: for a model whose files are not those that were stored.
    """
    chosen = _folders(patterns)
    for name in FILES:
        shutil.copy2(ROOT / name, folder / name)
    for name in FOLDERS:
        # Compiled files are of this machine's Python; the models of a wheel lie inside `zoo`.
        ignored = shutil.ignore_patterns("__pycache__", "saved_models")
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    taken = []
    for stored in chosen:
        card = store.verify(stored)
        shutil.copytree(stored, folder / "saved_models" / card.name / str(card.version))
        if exports:
            made = ensure(stored).folder
            shutil.copytree(made, folder / "exports" / made.name)
        taken.append(f"{card.name}@{card.version}")
    return taken


def _folders(patterns: Sequence[str]) -> list[Path]:
    """Returns the folders of the models that are meant, each once."""
    found: dict[Path, None] = {}
    for pattern in patterns:
        matches = [pattern] if "@" in pattern else store.names(pattern)
        if not matches:
            raise UnknownModelError(pattern, store.names())
        found.update(dict.fromkeys(store.find(reference) for reference in matches))
    return list(found)


if __name__ == "__main__":
    sys.exit(main())
