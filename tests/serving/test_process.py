"""Real servers, real models, real HTTP."""

from __future__ import annotations

import base64
import concurrent.futures
import contextlib
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import numpy as np
import pytest

from tests.serving.servers import (
    CLASSIFIER,
    GENERATOR,
    ROOT,
    Server,
    environment,
    free_port,
    start,
    store_classifier,
    store_generator,
    stored_models,
    zoo_serve,
)
from zoo import store
from zoo.cli import main
from zoo.runtime import packages
from zoo.runtime.export import export

LOOPBACK = {"127.0.0.1", "localhost", "::1", "None", ""}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A `$ZOO_HOME` for the whole module."""
    folder = tmp_path_factory.mktemp("serve-home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZOO_HOME", str(folder))
        yield folder


@pytest.fixture(autouse=True)
def same_home(home: Path, private_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Undoes the private one of each test."""
    monkeypatch.setenv("ZOO_HOME", str(home))


@pytest.fixture(scope="module")
def names(home: Path) -> list[str]:
    return stored_models(home / "models")


@pytest.fixture(scope="module")
def server(
    home: Path, names: list[str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """`zoo serve`, started in a folder that has nothing to do with it."""
    port = free_port()
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    # What is exported is another test's business, and would take a while for every model.
    command = zoo_serve("--port", str(port), "--runtime", "keras")
    running = start(command, port, tmp_path_factory.mktemp("server"), elsewhere)
    yield running
    if running.process.poll() is None:
        running.stop()


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Variables of a server of two small models that are exported: it starts without Keras."""
    folder = tmp_path_factory.mktemp("quick-home")
    runtime = "onnx" if packages.can_make("onnx") and packages.can_run("onnx") else "saved_model"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZOO_HOME", str(folder))
        store_classifier(folder / "models")
        store_generator(folder / "models")
        for name in (CLASSIFIER, GENERATOR):
            export(name)
    return {
        "ZOO_HOME": str(folder),
        "ZOO_SERVE_MODELS": f"{CLASSIFIER} {GENERATOR}",
        "ZOO_SERVE_RUNTIME": runtime,
    }


@contextlib.contextmanager
def started(command: list[str], port: int, folder: Path, cwd: Path) -> Iterator[Server]:
    running = start(command, port, folder, cwd)
    try:
        yield running
    finally:
        if running.process.poll() is None:
            running.stop()


@pytest.fixture
def client(server: Server) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=server.url, timeout=120, trust_env=False) as made:
        yield made


def of_task(client: httpx2.Client, task: str) -> list[str]:
    models = client.get("/v1/models").json()["data"]
    return [model["id"] for model in models if model["task"] == task]


def draw(client: httpx2.Client, **fields: object) -> list[str]:
    answer = client.post("/v1/images/generations", json=fields)
    assert answer.status_code == 200, answer.text
    return [item["b64_json"] for item in answer.json()["data"]]


def test_every_stored_model_answers(client: httpx2.Client, names: list[str]) -> None:
    served = {model["id"]: model for model in client.get("/v1/models").json()["data"]}
    cards = {name: store.read_card(name) for name in names}
    assert set(served) == set(names)
    for name, model in served.items():
        able = model["abilities"]
        assert able, name
        if "generate" in able:
            assert len(draw(client, model=name, n=2, seed=1)) == 2
        shape = model["output" if "generate" in able else "input"]["shape"]
        body = {"model": name, "image": np.random.default_rng(0).integers(0, 256, shape).tolist()}
        for ability in {"translate", "reconstruct"} & set(able):
            answer = client.post(f"/v1/{ability}", json=body)
            assert answer.status_code == 200, answer.text
            assert len(answer.json()["data"]) == 1
        if "classify" not in able:
            continue
        answer = client.post("/v1/classify", json={**body, "top_k": len(model["labels"])})
        assert answer.status_code == 200, answer.text
        (labels,) = answer.json()["predictions"]
        assert {label["label"] for label in labels} == set(cards[name].labels)
        assert sum(label["score"] for label in labels) == pytest.approx(1, abs=1e-4)


def test_real_samples_do_not_depend_on_their_company(client: httpx2.Client) -> None:
    models = client.get("/v1/models").json()["data"]
    # One of each family; the tests of pipelines have all of them.
    for name in {m["family"]: m["id"] for m in models if m["task"] == "generation"}.values():
        alone = [draw(client, model=name, seed=seed)[0] for seed in range(24)]

        def together(seed: int, name: str = name) -> list[str]:
            return draw(client, model=name, seed=seed, n=1 + seed % 5)

        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            for seed, images in enumerate(pool.map(together, range(19))):
                assert images == alone[seed : seed + len(images)]


def test_concurrent_images_each_get_their_own_labels(client: httpx2.Client) -> None:
    name = of_task(client, "classification")[0]
    shape = client.get(f"/v1/models/{name}").json()["input"]["shape"]
    images = [np.random.default_rng(i).integers(0, 256, shape).tolist() for i in range(24)]

    def scores(image: list) -> list[tuple[str, float]]:
        answer = client.post("/v1/classify", json={"model": name, "image": image, "top_k": 3})
        assert answer.status_code == 200, answer.text
        return [(label["label"], label["score"]) for label in answer.json()["predictions"][0]]

    alone = [scores(image) for image in images]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for found, expected in zip(pool.map(scores, images), alone, strict=True):
            assert dict(found) == pytest.approx(dict(expected), abs=1e-4)


def test_bentomls_own_client(server: Server, client: httpx2.Client) -> None:
    import bentoml

    classifier = of_task(client, "classification")[0]
    generator = of_task(client, "generation")[0]
    with bentoml.SyncHTTPClient(server.url) as bento:
        answer = bento.classify(images=[[[0, 9], [9, 0]]], model=classifier, top_k=1)
        ((best,),) = answer["predictions"]
        assert set(best) == {"label", "score"}
        item = bento.generate(model=generator, n=1, seed=5)["data"][0]
    assert item["b64_json"] == draw(client, model=generator, seed=5)[0]
    assert base64.b64decode(item["b64_json"]).startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "kind"),
    [
        ("POST", "/classify", b"{}", 400, "malformed_request"),
        ("POST", "/classify", b"{", 400, "malformed_request"),
        ("POST", "/classify", b'{"images": [[[NaN]]]}', 422, "invalid_input"),
        ("POST", "/classify", b'{"images": ["http://a/b"]}', 400, "malformed_request"),
        ("POST", "/generate", b'{"seed": -1}', 422, "invalid_input"),
        ("POST", "/generate", b'{"seed": "1"}', 400, "malformed_request"),
        ("POST", "/generate", b'{"model": "nothing"}', 404, "unknown_model"),
        ("POST", "/v1/classify", b"{", 400, "malformed_request"),
        ("PUT", "/v1/models", b"{}", 405, "method_not_allowed"),
        ("GET", "/nothing/here", b"", 404, "not_found"),
        ("GET", "/static_content/index.css", b"", 404, "not_found"),
    ],
)
def test_bentomls_paths_and_ours_refuse_in_one_shape(
    client: httpx2.Client, method: str, path: str, body: bytes, status: int, kind: str
) -> None:
    headers = {"Content-Type": "application/json", "X-Request-Id": "asked-1"}
    answer = client.request(method, path, content=body, headers=headers)
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert error["type"] == kind and error["request_id"] == "asked-1"
    assert answer.headers["x-request-id"] == "asked-1"


@pytest.mark.parametrize("path", ["/v1/classify", "/classify"])
def test_long_bodies_are_refused_on_the_wire(client: httpx2.Client, path: str) -> None:
    def stream() -> Iterator[bytes]:
        for _ in range(18):
            yield b" " * 2**20

    answer = client.post(path, content=stream(), headers={"Content-Type": "application/json"})
    assert answer.status_code == 413
    assert answer.json()["error"]["type"] == "body_too_large"


@pytest.mark.parametrize(
    "kind", ["multipart/form-data; boundary=a", "application/vnd.bentoml+pickle"]
)
def test_bentomls_readers_that_fetch_or_unpickle_are_out_of_reach(
    client: httpx2.Client, kind: str
) -> None:
    answer = client.post("/classify", content=b"--a--", headers={"Content-Type": kind})
    assert answer.status_code == 415
    assert answer.json()["error"]["type"] == "unsupported_media_type"


def test_operations(client: httpx2.Client) -> None:
    open_paths = ("/livez", "/readyz", "/healthz", "/docs", "/docs.json", "/", "/schema.json")
    for path in (*open_paths, "/v2/health/live", "/v2/health/ready"):
        assert client.get(path).status_code == 200, path
    assert "keras-model-zoo" in client.get("/").text
    metrics = client.get("/metrics").text
    assert 'zoo_requests_total{method="GET",route="/livez",status="200"}' in metrics
    assert "bentoml_service" not in metrics


def test_a_taken_port_is_one_line_and_exit_code_2(server: Server, tmp_path: Path) -> None:
    port = server.url.rpartition(":")[2]
    answer = subprocess.run(
        zoo_serve("--port", port),
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert answer.returncode == 2
    (line,) = answer.stderr.splitlines()
    assert f"port {port}" in line and "--port" in line


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--models", "nothing.*"], "unknown"),
        (["--port", "70000"], "1 to 65535"),
        (["--host", "192.0.2.1"], "cannot listen"),
        (["--runtime", "abacus"], "runtime must be one of"),
        (["--set", "max_bodi=1MiB"], "ZOO_SERVE_MAX_BODY"),
        (["--set", "max_body"], "NAME=VALUE"),
        (["--set", "keys=a-key-that-everybody-sees"], "--key-file"),
        (["--key-file", "/nowhere/keys.txt"], "cannot read"),
        (["--set", "labels_file=/nowhere/labels.json"], "labels"),
    ],
)
def test_mistakes_are_said_before_anything_starts(
    names: list[str],
    arguments: list[str],
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delattr("zoo.cli.serve.subprocess.Popen")
    assert main(["serve", *arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line


def test_keys_a_log_and_a_stop_that_waits(
    quick: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, value in quick.items():
        monkeypatch.setenv(variable, value)
    key, port = "a-key-for-one-process", free_port()
    (tmp_path / "keys.txt").write_text(f"{key}\n")
    command = zoo_serve("--port", str(port), "--models", CLASSIFIER)
    command += ["--key-file", "keys.txt", "--set", "drain_seconds=30"]
    allowed = {"Authorization": f"Bearer {key}"}
    body = json.dumps({"model": CLASSIFIER, "image": [[0, 9], [9, 0]]}).encode()
    with started(command, port, tmp_path / "server", tmp_path) as running:
        with httpx2.Client(base_url=running.url, timeout=120, trust_env=False) as client:
            for path in ("/v1/classify", "/classify"):
                refused = client.post(path, content=body)
                assert refused.status_code == 401
                assert refused.headers["www-authenticate"] == "Bearer"
            kind = {**allowed, "Content-Type": "application/json"}
            assert client.post("/v1/classify", content=body, headers=kind).status_code == 200
        with socket.create_connection(("127.0.0.1", port), timeout=60) as slow:
            head = f"POST /v1/classify HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n"
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            slow.sendall(head.encode() + body[:5])
            # Beside it there is the request that asks.
            assert _until(lambda: "zoo_requests_running 2.0" in _metrics(running.url))
            running.process.send_signal(signal.SIGTERM)
            assert _until(lambda: _status(f"{running.url}/readyz") == 503)
            assert _status(f"{running.url}/v1/models", allowed) == 503
            assert _status(f"{running.url}/livez") == 200
            slow.sendall(body[5:])
            assert slow.recv(100).startswith(b"HTTP/1.1 200")
        assert running.process.wait(timeout=60) == 0
    output = running.output.read_text()
    lines = [json.loads(line) for line in output.splitlines() if line.startswith('{"time"')]
    asked = [(line["route"], line["status"]) for line in lines if line["method"] == "POST"]
    assert asked.count(("/v1/classify", 200)) == 2
    assert [line["status"] for line in lines].count(401) == 2
    assert key not in output


def _status(url: str, headers: dict[str, str] | None = None) -> int:
    # A connection of its own, as a probe has.
    return httpx2.get(url, headers=headers, trust_env=False, timeout=20).status_code


def _metrics(url: str) -> str:
    return httpx2.get(f"{url}/metrics", trust_env=False, timeout=20).text


def _until(condition: Callable[[], bool]) -> bool:
    """Waits for a condition; returns whether it came."""
    end = time.monotonic() + 30
    while not (met := condition()) and time.monotonic() < end:
        time.sleep(0.05)
    return met


def test_the_supervisor_imports_no_framework() -> None:
    code = (
        "import sys, serving.service;"
        "print([name for name in ('tensorflow', 'keras', 'jax') if name in sys.modules])"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert answer.stdout.strip() == "[]", answer.stderr


def test_ctrl_c_stops_everything_and_nobody_was_called(server: Server) -> None:
    """The last test of this server: it is stopped here."""
    # It is printed once the server has answered its own starter.
    assert _until(lambda: "(Ctrl-C stops)" in server.output.read_text())
    assert server.stop() == 0
    assert "Traceback" not in server.output.read_text().partition("zoo: stopping")[2]
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", int(server.url.rpartition(":")[2])))
    assert server.called() <= LOOPBACK


def test_plain_bentoml_serve_is_local_and_silent_too(
    quick: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, value in quick.items():
        monkeypatch.setenv(variable, value)
    port = free_port()
    command = [sys.executable, "-m", "bentoml", "serve", "serving.service:GenerationService"]
    with started([*command, "--port", str(port)], port, tmp_path, ROOT) as running:
        with httpx2.Client(base_url=running.url, trust_env=False, timeout=60) as client:
            assert of_task(client, "classification") == []
            assert of_task(client, "generation") == [GENERATOR]
            assert client.post("/v1/classify", json={}).status_code == 404
            assert client.post("/classify", json={}).status_code == 404
            assert len(draw(client, model=GENERATOR, seed=1)) == 1
        listening = Path("/proc/net/tcp")
        if listening.exists():
            lines = [line.split() for line in listening.read_text().splitlines()[1:]]
            local = {line[1] for line in lines if line[3] == "0A"}
            assert f"0100007F:{port:04X}" in local
            assert f"00000000:{port:04X}" not in local
    assert running.called() <= LOOPBACK
