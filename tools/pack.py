"""Packs all that training needs where there is only Python, JAX and numpy, and no network.

    python tools/pack.py --python 3.12 --data fashion_mnist -o zoo-offline.tar

The tar holds the project, its shipped models, prepared data sets, the wheels that are missing there
and `train.py`, which is `tools/train_offline.py`. docs/gpu.md tells the whole way.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from zoo import files, paths, registry, store  # noqa: E402
from zoo.data.pairs import sets_of  # noqa: E402
from zoo.errors import DataUnavailableError, InvalidInputError, ZooError  # noqa: E402

# What is trained with, and the module that each gives; pip finds what they need in turn.
NEEDED = {"keras": "keras", "pillow": "PIL", "matplotlib": "matplotlib.figure"}
# What a machine with JAX has; another jaxlib or numpy would take the place of the one for its GPU.
THERE = {"jax", "jaxlib", "ml-dtypes", "numpy", "opt-einsum", "scipy"}
TOP = "zoo-offline"
_LEGACY = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}


def main(arguments: list[str] | None = None) -> int:
    """Packs, and says what to type next; returns 2 for a mistake of the user."""
    try:
        pack(_parser().parse_args(arguments))
    except (ZooError, OSError) as error:
        print(f"pack: {error}", file=sys.stderr)
        return 2
    return 0


def pack(options: argparse.Namespace) -> None:
    """Writes the tar.

    Raises:
        InvalidInputError: for a Python or a platform that is none, and above the size limit.
        DataUnavailableError: when a data set is not prepared.
        UnknownModelError, CorruptModelError: for a model that is not stored here, or not whole.
        ZooError: when a wheel cannot be had.
    """
    if not re.fullmatch(r"3\.\d+", options.python):
        raise InvalidInputError(f"--python is a version such as 3.12, got {options.python!r}")
    data = {name: _prepared(name) for given in options.data for name in sets_of(given)}
    models = [store.find(reference) for reference in options.models]
    cards = [store.verify(folder) for folder in models]
    with tempfile.TemporaryDirectory(prefix="zoo-pack-") as temporary:
        work = Path(temporary)
        wheels = [] if options.no_wheels else _wheels(options, work / "wheels")
        record = {"python": options.python, "modules": list(NEEDED.values()), "data": list(data)}
        (work / "pack.json").write_text(json.dumps(record, indent=2), encoding="utf-8")
        with files.atomic_path(options.output.resolve()) as target:
            with tarfile.open(target, "w") as archive:
                _add(archive, ROOT / "tools" / "train_offline.py", "train.py")
                _add(archive, work / "pack.json", "pack.json")
                for part in ("LICENSE", "saved_models", "zoo"):
                    _add(archive, ROOT / part, part)
                for wheel in wheels:
                    _add(archive, wheel, f"wheels/{wheel.name}")
                for folder, card in zip(models, cards, strict=True):
                    if not folder.is_relative_to(ROOT / "saved_models"):
                        _add(archive, folder, f"home/models/{card.name}/{card.version}")
                for name, folder in data.items():
                    _add(archive, _smaller(folder, work / name), f"home/data/{name}")
            megabytes = target.stat().st_size / 1e6
            if options.size_limit is not None and megabytes > options.size_limit:
                raise InvalidInputError(
                    f"the tar has {megabytes:.1f} MB, above {options.size_limit:g}; pack fewer "
                    "data sets, or leave out with --without what is installed there"
                )
    print(
        f"{options.output}: {megabytes:.1f} MB, {len(wheels)} wheels, {len(data)} data set(s), "
        f"for Python {options.python}"
    )
    recipes = registry.recipes()
    fitting = [name for name in recipes if set(sets_of(recipes.get(name).data.name)) <= set(data)]
    print(
        f"copy it there, then: tar xf {options.output.name} && "
        f"python{options.python} {TOP}/train.py {fitting[0] if fitting else 'NAME'}"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    here = "{}.{}".format(*sys.version_info)
    parser.add_argument(
        "--python", default=here, metavar="3.N", help=f"the Python there (default: {here})"
    )
    parser.add_argument(
        "--data", nargs="+", required=True, metavar="NAME", help="data sets that are prepared here"
    )
    parser.add_argument(
        "--models",
        nargs="+",
        default=[],
        metavar="NAME",
        help="models that training needs beside the shipped ones: judges, parents of --from",
    )
    parser.add_argument("-o", "--output", type=Path, default=Path(f"{TOP}.tar"), metavar="FILE")
    parser.add_argument(
        "--platform",
        nargs="+",
        default=["manylinux_2_28_x86_64"],
        metavar="TAG",
        help="newest tags of wheels that run there (default: manylinux_2_28_x86_64)",
    )
    parser.add_argument(
        "--without", nargs="+", default=[], metavar="PACKAGE", help="packages that are there"
    )
    parser.add_argument("--no-wheels", action="store_true", help="all packages are there")
    parser.add_argument("--size-limit", type=float, metavar="MB", help="refuse a larger tar")
    return parser


def _prepared(name: str) -> Path:
    """Returns the folder of a prepared data set."""
    folder = paths.home() / "data" / name
    if Path(name).name != name or not (folder / "dataset.json").is_file():
        raise DataUnavailableError(f"{name} is not here; run `zoo data prepare {name}`")
    return folder


def _wheels(options: argparse.Namespace, folder: Path) -> list[Path]:
    """Downloads what the other machine lacks, in the versions of constraints.txt."""
    left_out = {_normal(name) for name in options.without}
    wanted = [name for name in NEEDED if name not in left_out]
    command = [sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "--quiet"]
    command += ["--only-binary=:all:", "--implementation", "cp", "--python-version", options.python]
    for platform in options.platform:
        for tag in _older(platform):
            command += ["--platform", tag]
    command += ["--constraint", str(ROOT / "constraints.txt"), "--dest", str(folder), *wanted]
    folder.mkdir()
    if wanted:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            lines = done.stderr.strip().splitlines() or ["pip says nothing"]
            line = next((line for line in lines if line.startswith("ERROR: ")), lines[-1])
            reason = line.removeprefix("ERROR: ")[:200]
            raise ZooError(f"no wheels for Python {options.python} and constraints.txt: {reason}")
    found = {_normal(path.name.partition("-")[0]): path for path in sorted(folder.glob("*.whl"))}
    unknown = left_out - set(NEEDED) - set(found)
    if unknown:
        raise InvalidInputError(f"--without {unknown.pop()}: there is no such wheel to leave out")
    return [path for name, path in found.items() if name not in THERE | left_out]


def _older(platform: str) -> list[str]:
    """Returns a tag and those that the same machine runs: pip takes each by the letter."""
    match = re.fullmatch(r"manylinux_2_(\d+)_(\w+)", platform)
    if match is None:
        return [platform]
    newest, processor = int(match[1]), match[2]
    tags = [f"manylinux_2_{minor}_{processor}" for minor in range(newest, 4, -1)]
    return tags + [f"{old}_{processor}" for minor, old in _LEGACY.items() if minor <= newest]


def _normal(name: str) -> str:
    """Returns a package's name as all of its spellings are compared."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _smaller(folder: Path, work: Path) -> Path:
    """Copies a data set's arrays compressed, which numpy reads as it reads the others."""
    work.mkdir()
    (work / "dataset.json").write_bytes((folder / "dataset.json").read_bytes())
    for path in sorted(folder.glob("*.npz")):
        try:
            with (
                zipfile.ZipFile(path) as arrays,
                zipfile.ZipFile(work / path.name, "w", zipfile.ZIP_DEFLATED) as copy,
            ):
                for name in arrays.namelist():
                    copy.writestr(name, arrays.read(name))
        except zipfile.BadZipFile as error:
            raise DataUnavailableError(
                f"the cache of {folder.name} is damaged ({error}); "
                f"run `zoo data prepare {folder.name}` again"
            ) from error
    return work


def _add(archive: tarfile.TarFile, path: Path, name: str) -> None:
    """Adds a file or a folder below the tar's one folder, without its owner."""

    def clean(info: tarfile.TarInfo) -> tarfile.TarInfo | None:
        if "__pycache__" in info.name or Path(info.name).name.startswith("."):
            return None
        info.uid = info.gid = 0
        info.uname = info.gname = ""
        return info

    archive.add(path, f"{TOP}/{name}", filter=clean)


if __name__ == "__main__":
    sys.exit(main())
