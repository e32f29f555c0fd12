"""Two processes on loopback train together; when one goes, the other says so and all is kept."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from zoo.cli import main

pytestmark = pytest.mark.jax
SMALL = ["--set", "data.limit=128", "--set", "data.validation=60", "--set", "batch_size=32"]
START = "import sys; from zoo.cli import main; sys.exit(main(sys.argv[1:]))"
Launch = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def launch(sample_home: Path) -> Iterator[Launch]:
    """Starts `zoo train mlp.fashion_mnist` as one of two processes."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    begun: list[subprocess.Popen[str]] = []

    def start(index: int, *arguments: str, backend: str = "jax") -> subprocess.Popen[str]:
        together = ["--coordinator", address, "--processes", "2", "--process", str(index)]
        train = ["train", "mlp.fashion_mnist", *together, "--backend", backend, *arguments]
        process = subprocess.Popen(
            [sys.executable, "-c", START, *train],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
            env={k: v for k, v in os.environ.items() if k != "KERAS_BACKEND"},
        )
        begun.append(process)
        return process

    yield start
    for process in begun:
        process.kill()
        process.communicate()


def end(process: subprocess.Popen[str], code: int) -> tuple[str, str]:
    """Waits for a process, and returns what it said in both outputs."""
    out, error = process.communicate(timeout=120)
    assert process.returncode == code, out + error
    return out, error


def refusal(process: subprocess.Popen[str]) -> str:
    """Waits for a process that ends with one line of its own, and returns that."""
    error = end(process, 2)[1]
    assert error.startswith("zoo: ") and error.count("\n") == 1, error
    return error


def arrays(path: Path) -> list[np.ndarray]:
    with np.load(path) as archive:
        return [archive[str(i)] for i in range(len(archive.files) - 1)]


def test_two_processes_train_like_one(launch: Launch, sample_home: Path) -> None:
    settings = [*SMALL, "--set", "epochs=3"]
    follower, chief = launch(1, *settings), launch(0, *settings, "--json")
    card = json.loads(end(chief, 0)[0].partition("\n{")[2].join(["{", ""]))
    assert "process 1 is done" in end(follower, 0)[0]
    assert card["training"]["devices"] == 2 and card["training"]["epochs"] == 3

    alone = ["train", "mlp.fashion_mnist", *settings, "--backend", "jax", "--json"]
    done = subprocess.run([sys.executable, "-c", START, *alone], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    runs = sample_home / "runs" / "mlp.fashion_mnist"
    assert sorted(path.name for path in runs.iterdir()) == ["1", "2"]
    together, single = (arrays(runs / number / "checkpoint.npz") for number in "12")
    for a, b in zip(together, single, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("killed", [0, pytest.param(1, marks=pytest.mark.full)])
def test_a_killed_process_ends_the_other_and_the_last_epoch_is_kept(
    launch: Launch, sample_home: Path, killed: int
) -> None:
    many = [*SMALL, "--set", "epochs=100000"]
    processes = [launch(0, *many), launch(1, *many)]
    folder = sample_home / "runs" / "mlp.fashion_mnist" / "1"
    while not (folder / "checkpoint.npz").is_file():
        assert all(process.poll() is None for process in processes)
        time.sleep(0.1)
    processes[killed].send_signal(signal.SIGKILL)
    told = refusal(processes[1 - killed])
    assert "start all processes again with --resume" in told
    assert " is gone; " in told

    kept = len((folder / "history.csv").read_text().splitlines()) - 1
    assert kept >= 1
    # Both go on from there: the chief's checkpoint is all that is needed.
    processes = [launch(0, "--resume"), launch(1, "--resume")]
    history = folder / "history.csv"
    while len(history.read_text().splitlines()) - 1 <= kept:
        assert all(process.poll() is None for process in processes)
        time.sleep(0.1)
    epochs = [int(line.split(",")[0]) for line in history.read_text().splitlines()[1:]]
    assert epochs == list(range(1, len(epochs) + 1))


def test_processes_that_differ_are_refused_alike(launch: Launch) -> None:
    settings = [*SMALL, "--set", "epochs=1"]
    processes = [launch(0, *settings), launch(1, *settings, "--set", "seed=3")]
    for process in processes:
        assert "the recipe of process 1 differs from that of process 0" in refusal(process)


def test_what_the_first_cannot_do_all_are_told(launch: Launch) -> None:
    processes = [launch(index, "--resume") for index in range(2)]
    for process in processes:
        assert "there is no unfinished run of mlp.fashion_mnist to resume" in refusal(process)


@pytest.mark.parametrize("index", [0, 1])
def test_a_process_that_never_joins_is_waited_for_in_vain(launch: Launch, index: int) -> None:
    told = refusal(launch(index, *SMALL, "--join-timeout", "2"))
    assert f"process {index} of 2 waited 2 s for the others at 127.0.0.1:" in told


def test_only_jax_trains_in_several_processes(launch: Launch) -> None:
    assert "needs the backend jax" in refusal(launch(0, *SMALL, backend="tensorflow"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--process", "0"], "--coordinator, --processes and --process together"),
        (
            ["--coordinator", "here", "--processes", "2", "--process", "0"],
            "--coordinator is host:port, got 'here'",
        ),
        (
            ["--coordinator", "h:70000", "--processes", "2", "--process", "0"],
            "--coordinator is host:port, got 'h:70000'",
        ),
        (
            ["--coordinator", "h:9911", "--processes", "2", "--process", "2"],
            "--process is 0 to 1 of --processes 2, got 2",
        ),
    ],
)
def test_arguments_that_make_no_sense_are_refused(
    sample_home: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    assert main(["train", "mlp.fashion_mnist", *arguments]) == 2
    assert words in capsys.readouterr().err
