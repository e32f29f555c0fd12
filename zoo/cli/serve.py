"""zoo serve"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

HELP = "Serve stored models over HTTP, with a page to try them on."
EXAMPLES = """\
  zoo serve
  zoo serve --port 8080 --models "resnet*" "dcgan.*"
  zoo serve --service classification
"""

_SERVICES = {
    "all": ("ZooService", ("classification", "generation")),
    "classification": ("ClassificationService", ("classification",)),
    "generation": ("GenerationService", ("generation",)),
}
_START_SECONDS = 300
_STOP_SECONDS = 15


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1)")
    parser.add_argument("--port", type=int, default=3000, help="port to listen on (3000)")
    parser.add_argument(
        "--models",
        nargs="+",
        default=["*"],
        metavar="GLOB",
        help="wildcards of the models to serve (all)",
    )
    parser.add_argument("--service", choices=sorted(_SERVICES), default="all", help="what to serve")


def run(arguments: argparse.Namespace) -> int:
    service, tasks = _SERVICES[arguments.service]
    names = _served(arguments.models, tasks)
    host = _address(arguments.host, arguments.port)
    command = [sys.executable, "-m", "bentoml", "serve", f"serving.service:{service}"]
    command += ["--host", host, "--port", str(arguments.port)]
    # In a session of its own the server gets each signal once, from here.
    server = subprocess.Popen(
        command,
        cwd=_folder_of_serving(),
        env=_environment(arguments.models),
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
    with _stopping(server):
        url = f"http://{f'[{host}]' if ':' in host else host}:{arguments.port}"
        if not _wait_until_ready(server, _reachable(url)):
            print("zoo: the server did not start; its messages are above", file=sys.stderr)
            return 1
        models = f"{len(names)} model{'s' if len(names) != 1 else ''}"
        print(f"zoo: serving {models} on {url} (Ctrl-C stops)", flush=True)
        return 0 if server.wait() == 0 else 1
    # Stopped by Ctrl-C or a signal, which is how a server ends.
    return 0


def _served(patterns: list[str], tasks: tuple[str, ...]) -> list[str]:
    """Returns the names of the models that will be served; none is a mistake worth saying early."""
    from zoo import store
    from zoo.errors import InvalidInputError, UnknownModelError, ZooError

    found: list[str] = []
    others: list[str] = []
    for name in dict.fromkeys(name for pattern in patterns for name in store.names(pattern)):
        try:
            task = store.read_card(name).task
            if task in tasks:
                found.append(name)
            else:
                others.append(f"{name} is for {task}, which is not served")
        except ZooError as error:
            print(f"zoo: {name} is left out: {error}", file=sys.stderr)
    if not found and others:
        raise InvalidInputError(f"{others[0]}; this service is for {' and '.join(tasks)}")
    if not found:
        raise UnknownModelError(
            " ".join(patterns), store.names(), kind=f"{' or '.join(tasks)} model"
        )
    return found


def _address(host: str, port: int) -> str:
    """Returns the host as an address that can be listened on.

    Raises:
        InvalidInputError: when it is none of this machine's, or the port is taken.
    """
    from zoo.errors import InvalidInputError

    if not 1 <= port <= 65535:
        raise InvalidInputError(f"a port is a number from 1 to 65535, got {port}")
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        reason = error.strerror or str(error)
        raise InvalidInputError(
            f"cannot listen on {host} port {port}: {reason}; choose another with --host or --port"
        ) from error
    return str(address[0])


def _folder_of_serving() -> Path:
    """Returns the folder that holds the package: the workers import the service from there."""
    from zoo.errors import InvalidInputError

    spec = importlib.util.find_spec("serving")
    if spec is None or spec.origin is None:
        raise InvalidInputError("the package `serving` is not installed")
    return Path(spec.origin).resolve().parent.parent


def _environment(patterns: list[str]) -> dict[str, str]:
    from zoo import paths

    return {
        **os.environ,
        "BENTOML_DO_NOT_TRACK": "true",
        "TF_CPP_MIN_LOG_LEVEL": os.environ.get("TF_CPP_MIN_LOG_LEVEL", "3"),
        "ZOO_SERVE_MODELS": " ".join(patterns),
        # The server works in another folder, where a relative path would be another place.
        "ZOO_HOME": str(paths.home()),
    }


def _reachable(url: str) -> str:
    """Returns the URL under which this machine reaches a server that listens everywhere."""
    return url.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")


def _wait_until_ready(server: subprocess.Popen[bytes], url: str) -> bool:
    # A proxy of the environment has no business between this process and its own child.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for _ in range(_START_SECONDS * 4):
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(timeout=0.25)
            return False
        # Refused, or not yet ready: both are what this loop waits out.
        with contextlib.suppress(OSError), opener.open(f"{url}/readyz", timeout=5):
            return True
    return False


@contextlib.contextmanager
def _stopping(server: subprocess.Popen[bytes]) -> Iterator[None]:
    """Stops the server when the block is left, by Ctrl-C or a TERM signal too."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    except KeyboardInterrupt:
        print("\nzoo: stopping", file=sys.stderr)
    finally:
        # A second Ctrl-C must not leave the server running behind.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        _stop(server)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, before)


def _stop(server: subprocess.Popen[bytes]) -> None:
    if server.poll() is None:
        server.send_signal(signal.SIGINT)
        try:
            server.wait(timeout=_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            print("zoo: the server does not stop; ending it", file=sys.stderr)
    # What is left of its session: a worker that outlived its supervisor.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGKILL)
    server.wait()
