"""Real servers in processes of their own, over loopback, with every connection written down."""

from __future__ import annotations

import dataclasses
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from zoo import store
from zoo.cards import Card, Metric

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 180
CLASSIFIER, GENERATOR = "small.classifier", "small.generator"

# Python runs this file at the start of every process that finds it: it notes who is called.
_RECORDER = """
import os, socket
_connect, _resolve = socket.socket.connect, socket.getaddrinfo
def _note(kind, address):
    with open(os.environ["RECORDED_CALLS"], "a") as file:
        file.write(f"{kind} {address}\\n")
def connect(self, address):
    if self.family != socket.AF_UNIX:
        _note("connect", address[0])
    return _connect(self, address)
def resolve(host, *rest, **more):
    _note("resolve", host)
    return _resolve(host, *rest, **more)
socket.socket.connect, socket.getaddrinfo = connect, resolve
"""


@dataclasses.dataclass
class Server:
    """A process and where it answers."""

    process: subprocess.Popen[bytes]
    url: str
    output: Path
    calls: Path

    def stop(self) -> int:
        """Interrupts it, as Ctrl-C does, and returns its exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(timeout=60)

    def called(self) -> set[str]:
        """Returns every address that the server's processes connected to or looked up."""
        if not self.calls.exists():
            return set()
        return {line.split(" ", 1)[1] for line in self.calls.read_text().splitlines()}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(folder: Path) -> dict[str, str]:
    """The surrounding of a server: no telemetry setting of ours, calls written down."""
    recorder = folder / "recorder"
    recorder.mkdir(parents=True, exist_ok=True)
    (recorder / "sitecustomize.py").write_text(_RECORDER)
    kept = {name: value for name, value in os.environ.items() if name != "BENTOML_DO_NOT_TRACK"}
    return {
        **kept,
        "PYTHONPATH": os.pathsep.join([str(recorder), str(ROOT)]),
        "RECORDED_CALLS": str(folder / "calls.txt"),
        "BENTOML_HOME": str(folder / "bentoml"),
    }


def zoo_serve(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "zoo.cli", "serve", *arguments]


def start(command: list[str], port: int, folder: Path, cwd: Path) -> Server:
    """Starts a server and waits until it is ready."""
    folder.mkdir(parents=True, exist_ok=True)
    output = folder / "output.txt"
    with output.open("wb") as file:
        process = subprocess.Popen(
            command, cwd=cwd, env=environment(folder), stdout=file, stderr=subprocess.STDOUT
        )
    server = Server(process, f"http://127.0.0.1:{port}", output, folder / "calls.txt")
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{server.url}/readyz", timeout=5):
                return server
        except OSError:
            time.sleep(0.25)
    if process.poll() is None:
        server.stop()
    raise AssertionError(f"the server did not start:\n{output.read_text()[-3000:]}")


def stored_models(folder: Path) -> list[str]:
    """Returns the names of the stored models; a task without one gets a small one in `folder`."""
    tasks = {store.read_card(name).task for name in store.names()}
    if "classification" not in tasks:
        store_classifier(folder)
    if "generation" not in tasks:
        store_generator(folder)
    return store.names()


def store_classifier(folder: Path) -> None:
    import keras

    network = keras.Sequential(
        [
            keras.Input((28, 28, 1), name="images"),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Flatten(name="features"),
            keras.layers.Dense(10, kernel_initializer=keras.initializers.GlorotUniform(0)),
        ]
    )
    labels = [f"class {i}" for i in range(10)]
    _save(folder, CLASSIFIER, "classification", "mlp", {"network": network}, labels)


def store_generator(folder: Path) -> None:
    import keras

    # A dense layer alone: on one row its kernel rounds otherwise than on several.
    network = keras.Sequential(
        [
            keras.Input((16,), name="latents"),
            keras.layers.Dense(
                28 * 28, "tanh", kernel_initializer=keras.initializers.GlorotUniform(1)
            ),
            keras.layers.Reshape((28, 28, 1)),
        ]
    )
    _save(folder, GENERATOR, "generation", "gan", {"generator": network}, [])


def _save(root: Path, name: str, task: str, family: str, networks: dict, labels: list[str]) -> None:
    (network,) = networks.values()
    card = Card(
        name=name,
        task=task,
        family=family,
        paper="none, 2026",
        recipe={},
        data={},
        metrics=(Metric("accuracy", 0.1, "test", 10, "none"),),
        input={"shape": list(network.input_shape[1:]), "dtype": "float32"},
        output={"shape": list(network.output_shape[1:]), "labels": labels},
        networks={},
        parameters={key: value.count_params() for key, value in networks.items()},
        training={},
        licence="CC0-1.0",
        versions={},
    )
    store.save(card, networks, root=root)
