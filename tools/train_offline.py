"""Trains recipes where there is only Python, JAX and numpy, and no network.

`tools/pack.py` puts this file as `train.py` into a tar, beside the project, its models, the data
and the wheels that are missing there. Nothing outside this folder is written.

    python train.py mlp.fashion_mnist
    python train.py mlp.fashion_mnist dcgan.fashion_mnist --set seed=1
    python train.py mlp.fashion_mnist --resume

What follows the names goes to `zoo train` as it is. The stored versions are gathered in
`trained.tar`, which `zoo add` takes at home.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
SITE, HOME, TRAINED = HERE / "site", HERE / "home", HERE / "trained"

# Runs in a process of its own: what JAX takes of a device is free again before training begins.
LOOK = """
import importlib, sys
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        mend = "install it first" if name in ("numpy", "jax") else "pack a wheel of it, too"
        sys.exit(f"train: {name} cannot be imported here ({reason}); {mend}")
import jax
try:
    devices = jax.devices()
except RuntimeError as error:
    sys.exit(f"train: jax finds no device ({str(error).splitlines()[0]})")
kinds = sorted({device.device_kind for device in devices})
print(f"jax {jax.__version__} sees {len(devices)} x {', '.join(kinds)}", flush=True)
if devices[0].platform == "cpu":
    print("this is only a CPU: training works and is slow; is the jax for your GPU installed?")
"""


def main(arguments: list[str]) -> int:
    """Trains the named recipes one after the other; returns the first exit code that is not 0."""
    first_option = next((i for i, a in enumerate(arguments) if a.startswith("-")), len(arguments))
    names, options = arguments[:first_option], arguments[first_option:]
    if not names:
        print(__doc__)
        return 0 if {"-h", "--help"} & set(options) else 2
    packed = json.loads((HERE / "pack.json").read_text(encoding="utf-8"))
    running = "{}.{}".format(*sys.version_info)
    if running != packed["python"]:
        print(
            f"train: this was packed for Python {packed['python']}, not {running}; start it with "
            f"python{packed['python']}, or pack it with --python {running}",
            file=sys.stderr,
        )
        return 2
    unpack_wheels()
    environment = surroundings()
    look = [sys.executable, "-c", LOOK, "numpy", "jax", *packed["modules"]]
    if subprocess.run(look, env=environment, check=False).returncode:
        return 2
    for name in names:
        code = train(name, options, environment)
        gather()
        if code:
            if code != 2:  # A mistake, of which `zoo train` has told.
                again = arguments if "--resume" in options else [*arguments, "--resume"]
                print(
                    f"train: {name} ended with {code}; to go on: python train.py {' '.join(again)}",
                    file=sys.stderr,
                )
            return code
    versions = [path.parent for path in TRAINED.glob("*/*/card.json")]
    if versions:
        megabytes = (HERE / "trained.tar").stat().st_size / 1e6
        print(f"\n{HERE / 'trained.tar'} holds {len(versions)} version(s), {megabytes:.1f} MB")
        print("bring it home, and there: zoo add trained.tar")
    return 0


def unpack_wheels() -> None:
    """Unpacks the wheels once, for a wheel is a zip: neither pip nor a network is needed."""
    if SITE.is_dir():
        return
    work = HERE / f"site.{os.getpid()}"
    for wheel in sorted((HERE / "wheels").glob("*.whl")):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(work)
    work.mkdir(exist_ok=True)
    # What a wheel wants beside the package folders is under NAME.data; the libraries belong here.
    for libraries in [*work.glob("*.data/purelib"), *work.glob("*.data/platlib")]:
        shutil.copytree(libraries, work, dirs_exist_ok=True)
    try:
        work.rename(SITE)
    except OSError:  # Another process on this folder was faster.
        shutil.rmtree(work)


def surroundings() -> dict[str, str]:
    """Returns the environment of the trainings: all that is read or written is in this folder."""
    paths = [str(HERE), str(SITE), os.environ.get("PYTHONPATH", "")]
    return {
        **os.environ,
        "KERAS_BACKEND": "jax",
        "KERAS_HOME": str(HOME / "keras"),
        "MPLCONFIGDIR": str(HOME / "matplotlib"),
        "PYTHONPATH": os.pathsep.join(path for path in paths if path),
        "PYTHONUNBUFFERED": "1",
        "ZOO_HOME": str(HOME),
    }


def train(name: str, options: list[str], environment: dict[str, str]) -> int:
    """Runs `zoo train` for one recipe, or goes on with it, and returns its exit code."""
    alone = not any(option.startswith("--coordinator") for option in options)
    if alone and "--resume" in options:  # Of several names, each may be at another point.
        given = [re.fullmatch(r"(?:--set=)?name=(.+)", option) for option in options]
        run_name = next((match[1] for match in given if match), name)
        runs = [path for path in (HOME / "runs" / run_name).glob("*") if path.is_dir()]
        if runs and all((run / "finished").is_file() for run in runs):
            print(f"{run_name} is trained")
            return 0
        if not runs:
            options = [option for option in options if option != "--resume"]
    command = [sys.executable, "-m", "zoo.cli", "train", name, *options, "--store", str(TRAINED)]
    if "--resume" not in options:  # A run knows its backend, and all else it was begun with.
        command += ["--backend", "jax"]
    print(f"\n{name}", flush=True)
    process = subprocess.Popen(command, env=environment, cwd=HERE)
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue  # The training got the signal as well and ends by itself.


def gather() -> None:
    """Writes every version that is stored into trained.tar, which is whole or the older one."""
    if not TRAINED.is_dir():
        return
    work = HERE / f"trained.tar.{os.getpid()}"
    with tarfile.open(work, "w") as archive:
        for card in sorted(TRAINED.glob("*/*/card.json")):
            archive.add(card.parent, card.parent.relative_to(TRAINED).as_posix())
    work.replace(HERE / "trained.tar")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
