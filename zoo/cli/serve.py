"""zoo serve"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import ipaddress
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path

HELP = "Serve stored models over HTTP, with a page to try them on."
EXAMPLES = """\
  zoo serve
  zoo serve --port 8080 --models "resnet*" "dcgan.*"
  zoo serve --service classification --runtime openvino
  zoo serve --set deadline=20 --set max_loaded=512MiB
  zoo serve --host 0.0.0.0 --key-file keys.txt
"""

_IMAGES = ("generation", "reconstruction", "translation")
_SERVICES = {
    "all": ("ZooService", ("classification", *_IMAGES)),
    "classification": ("ClassificationService", ("classification",)),
    "generation": ("GenerationService", _IMAGES),
}
_START_SECONDS = 300
# Beside what running requests have: for the threads of the models, and for BentoML itself.
_STOP_SECONDS = 15
# Settings that name a file.
_FILES = ("key_file", "admin_key_file", "labels_file")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1)")
    parser.add_argument("--port", type=int, default=3000, help="port to listen on (3000)")
    parser.add_argument(
        "--models",
        nargs="+",
        metavar="GLOB",
        help="wildcards of the models to serve ($ZOO_SERVE_MODELS, or all)",
    )
    parser.add_argument("--service", choices=sorted(_SERVICES), default="all", help="what to serve")
    parser.add_argument(
        "--runtime",
        metavar="NAME",
        help="auto, keras, saved_model, onnx or openvino (auto: the fastest on this machine)",
    )
    parser.add_argument(
        "--key-file",
        type=Path,
        metavar="FILE",
        help="a file with a key a line; every request must have one of them",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="another setting, as docs/serving.md lists them; repeatable",
    )


def run(arguments: argparse.Namespace) -> int:
    folder = _folder_of_serving()
    from serving.settings import Settings

    service, tasks = _SERVICES[arguments.service]
    environment = _environment(arguments)
    settings = Settings.from_environment(environment)
    if settings.labels_file is not None:
        from serving.versions import LabelBook

        # Read here for its mistakes, which are said in one line.
        LabelBook(settings.labels_file, settings.labels_file)
    names = _served(settings.models, tasks)
    host = _address(arguments.host, arguments.port)
    if not (settings.keys or ipaddress.ip_address(host.partition("%")[0]).is_loopback):
        said = f"zoo: whoever reaches {host} may use this server; --key-file asks for a key"
        print(said, file=sys.stderr)
    command = [sys.executable, "-m", "bentoml", "serve", f"serving.service:{service}"]
    command += ["--host", host, "--port", str(arguments.port)]
    # In a session of its own the server gets each signal once, from here.
    server = subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
    with _stopping(server, settings.drain_seconds + _STOP_SECONDS):
        url = f"http://{f'[{host}]' if ':' in host else host}:{arguments.port}"
        if not _wait_until_ready(server, _reachable(url)):
            print("zoo: the server did not start; its messages are above", file=sys.stderr)
            return 1
        models = f"{len(names)} model{'s' if len(names) != 1 else ''}"
        print(f"zoo: serving {models} on {url} (Ctrl-C stops)", flush=True)
        return 0 if server.wait() == 0 else 1
    # Stopped by Ctrl-C or a signal, which is how a server ends.
    return 0


def _served(patterns: Sequence[str], tasks: tuple[str, ...]) -> list[str]:
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


def _environment(arguments: argparse.Namespace) -> dict[str, str]:
    """Returns the environment of the server; what the command says stands above what is in ours."""
    from zoo import paths

    environment = {
        **os.environ,
        "BENTOML_DO_NOT_TRACK": "true",
        "TF_CPP_MIN_LOG_LEVEL": os.environ.get("TF_CPP_MIN_LOG_LEVEL", "3"),
        "ZOO_HOME": str(paths.home()),
        **_settings(arguments.set),
    }
    if arguments.models:
        environment[_variable("models")] = " ".join(arguments.models)
    if arguments.runtime:
        environment[_variable("runtime")] = arguments.runtime
    if arguments.key_file:
        environment[_variable("key_file")] = str(arguments.key_file)
    for variable in map(_variable, _FILES):
        if environment.get(variable, "").strip():
            # The server works in another folder, where a relative path would be another place.
            environment[variable] = str(Path(environment[variable]).expanduser().resolve())
    return environment


def _settings(assignments: Sequence[str]) -> dict[str, str]:
    """Returns `NAME=VALUE` as variables of the server's environment.

    Raises:
        InvalidInputError: for what has no name, and for keys.
    """
    from zoo.errors import InvalidInputError

    found = {}
    for assignment in assignments:
        name, sign, value = assignment.partition("=")
        if not sign or not name.isidentifier():
            raise InvalidInputError(f"--set takes NAME=VALUE, got {assignment[:60]!r}")
        if name.lower() in ("keys", "admin_key"):
            file = "--key-file" if name.lower() == "keys" else "--set admin_key_file=FILE"
            raise InvalidInputError(
                f"a key in a command is there for all to see; use {file} or {_variable(name)}"
            )
        found[_variable(name)] = value
    return found


def _variable(name: str) -> str:
    return f"ZOO_SERVE_{name.upper()}"


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
def _stopping(server: subprocess.Popen[bytes], seconds: float) -> Iterator[None]:
    """Stops the server when the block is left, by Ctrl-C or a TERM signal too.

    Args:
        server: The supervisor, alone with its workers in a session of its own.
        seconds: What they have to finish.
    """

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    def end(*_: object) -> None:
        # All of its session: a worker may outlive its supervisor.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    except KeyboardInterrupt:
        print("\nzoo: stopping; what runs is finished first (Ctrl-C ends it)", file=sys.stderr)
    finally:
        # A second Ctrl-C must not leave the server running behind.
        signal.signal(signal.SIGINT, end)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if server.poll() is None:
            server.send_signal(signal.SIGINT)
            try:
                server.wait(timeout=seconds)
            except subprocess.TimeoutExpired:
                print("zoo: the server does not stop; ending it", file=sys.stderr)
        end()
        server.wait()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, before)
