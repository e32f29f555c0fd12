"""What is deployed: the bento and its image, and the manifests for Kubernetes."""

from __future__ import annotations

import importlib
import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx2
import pytest

from serving.settings import Settings
from tests.serving.servers import ROOT, environment, free_port, start
from zoo import store
from zoo.errors import UnknownModelError

# BentoML brings it; its types would be a package of their own.
yaml = importlib.import_module("yaml")

MANIFESTS = sorted((ROOT / "deploy" / "kubernetes").glob("*.yaml"))
KINDS = ["Deployment", "Service", "HorizontalPodAutoscaler", "PodDisruptionBudget"]
BENTO = "keras-model-zoo"
# Of a rollout: until the pod's address is out of use; until BentoML has ended.
PRE_STOP, END = 5, 15


def documents(path: Path) -> dict[str, dict[str, Any]]:
    return {one["kind"]: one for one in yaml.safe_load_all(path.read_text())}


def container_of(path: Path) -> dict[str, Any]:
    (container,) = documents(path)["Deployment"]["spec"]["template"]["spec"]["containers"]
    return dict(container)


def settings_of(path: Path) -> dict[str, str]:
    return {one["name"]: one["value"] for one in container_of(path)["env"] if "value" in one}


manifest = pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.stem)


def test_classification_and_generation_are_apart() -> None:
    assert [path.stem for path in MANIFESTS] == ["classification", "generation"]
    names = [documents(path)["Deployment"]["metadata"]["name"] for path in MANIFESTS]
    assert len(set(names)) == 2


@manifest
@pytest.mark.parametrize("version", ["1.29", "latest"])
def test_the_manifests_are_what_kubernetes_takes(path: Path, version: str) -> None:
    kubernetes = pytest.importorskip("kubernetes_validate")
    version = kubernetes.latest_version() if version == "latest" else version
    assert list(documents(path)) == KINDS
    for one in documents(path).values():
        kubernetes.validate(one, version, strict=True)


@manifest
def test_all_of_them_mean_the_same_pods(path: Path) -> None:
    parts = documents(path)
    labels = parts["Deployment"]["spec"]["template"]["metadata"]["labels"]
    assert parts["Deployment"]["spec"]["selector"]["matchLabels"] == labels
    assert parts["Service"]["spec"]["selector"] == labels
    assert parts["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels
    target = parts["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]
    assert target["name"] == parts["Deployment"]["metadata"]["name"]
    assert {part["metadata"]["name"] for part in parts.values()} == {target["name"]}
    (port,) = parts["Service"]["spec"]["ports"]
    assert port["targetPort"] in [one["name"] for one in container_of(path)["ports"]]


@manifest
def test_one_pod_may_go_and_another_stays(path: Path) -> None:
    parts = documents(path)
    scale = parts["HorizontalPodAutoscaler"]["spec"]
    assert 2 <= scale["minReplicas"] < scale["maxReplicas"]
    # What the autoscaler decides, an `apply` must not undo.
    assert "replicas" not in parts["Deployment"]["spec"]
    assert parts["PodDisruptionBudget"]["spec"]["minAvailable"] < scale["minReplicas"]
    assert parts["Deployment"]["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0


@manifest
def test_probes_ask_what_they_are_for_and_a_stop_has_its_time(path: Path) -> None:
    container = container_of(path)
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert container["livenessProbe"]["httpGet"]["path"] == "/livez"
    pause = container["lifecycle"]["preStop"]["exec"]["command"]
    assert pause == ["sleep", str(PRE_STOP)]
    pod = documents(path)["Deployment"]["spec"]["template"]["spec"]
    drain = Settings.from_environment(settings_of(path)).drain_seconds
    assert pod["terminationGracePeriodSeconds"] >= PRE_STOP + drain + END


@manifest
def test_it_runs_as_nobody_in_particular_and_writes_only_where_it_may(path: Path) -> None:
    from bentoml._internal.container.generate import BENTO_UID_GID

    pod = documents(path)["Deployment"]["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] == BENTO_UID_GID
    assert pod["automountServiceAccountToken"] is False
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    for container in pod["containers"]:
        rights = container["securityContext"]
        assert rights["readOnlyRootFilesystem"] is True
        assert rights["allowPrivilegeEscalation"] is False
        assert rights["capabilities"] == {"drop": ["ALL"]}
        assert "memory" in container["resources"]["limits"]
        for mount in container["volumeMounts"]:
            assert "emptyDir" in volumes[mount["name"]]
    variables = settings_of(path)
    written = [mount["mountPath"] for mount in container_of(path)["volumeMounts"]]
    for name in ("HOME", "ZOO_HOME", "BENTOML_HOME"):
        assert any(variables[name].startswith(place) for place in written), name


@manifest
def test_the_settings_are_ones_and_keys_come_from_a_secret(path: Path) -> None:
    variables = settings_of(path)
    assert variables["BENTOML_DO_NOT_TRACK"] == "true"
    Settings.from_environment(variables)
    secrets = {
        one["name"]: one["valueFrom"]["secretKeyRef"]
        for one in container_of(path)["env"]
        if "valueFrom" in one
    }
    assert set(secrets) == {"ZOO_SERVE_KEYS", "ZOO_SERVE_ADMIN_KEY"}
    assert all(secret["optional"] for secret in secrets.values())
    # Kubernetes would set ZOO_SERVE_… for a service of that name, and nobody may guess at those.
    pod = documents(path)["Deployment"]["spec"]["template"]["spec"]
    assert pod["enableServiceLinks"] is False


@manifest
def test_the_service_that_it_starts_is_there_and_of_its_kind(path: Path) -> None:
    from serving import service as services

    command = container_of(path)["args"]
    assert command[:2] == ["bentoml", "serve"] and command[3:] == ["--host", "0.0.0.0"]
    module, _, name = command[2].partition(":")
    assert module == services.__name__
    service = getattr(services, name)
    assert path.stem in service.inner.core.models.tasks
    others = {"classification", "generation"} - {path.stem}
    assert not others & set(service.inner.core.models.tasks)


def test_the_image_has_pinned_packages_and_needs_no_network_to_be_described() -> None:
    import bentoml

    from serving.image import image

    described = image()
    assert described.base_image.startswith("python:3.11")
    assert described.lock_python_packages is False
    assert described.python_requirements == f"bentoml=={bentoml.__version__}\n"
    (install,) = described.post_commands
    for word in ("constraints.txt", "pyproject.toml"):
        assert word in described.build_include_paths and f"src/{word}" in install
    from serving.service import ZooService

    assert ZooService.image == described


def test_a_bento_takes_the_code_and_the_shipped_models_and_nothing_else(tmp_path: Path) -> None:
    """BentoML decides file by file; the full tests look at what it made of them."""
    from bentoml._internal.bento.build_config import BentoPathSpec

    patterns = yaml.safe_load((ROOT / "bentofile.yaml").read_text())["include"]
    takes = BentoPathSpec(patterns, [], str(tmp_path)).includes
    for name in ("zoo/api.py", "serving/service.py", "serving/static/index.html", "LICENSE"):
        assert takes(name), name
    for card in ROOT.glob("saved_models/*/*/card.json"):
        for name in ("card.json", *json.loads(card.read_text())["networks"].values()):
            assert takes((card.parent / name).relative_to(ROOT).as_posix()), name
    others = {path.name for path in ROOT.iterdir() if path.is_dir()}
    for folder in others - {"zoo", "serving", "saved_models", "exports"} | {".git", ".venv"}:
        assert not takes(f"{folder}/zoo/api.py"), folder
    assert not takes("zoo/__pycache__/api.cpython-311.pyc") and not takes("keys.txt")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """What `bentoml build` makes of the project."""
    folder = tmp_path_factory.mktemp("build")
    command = [sys.executable, "-m", "bentoml", "build", "--version", "tested"]
    done = subprocess.run(
        command, env=environment(folder), cwd=ROOT, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert not (folder / "calls.txt").exists(), "somebody was called"
    yield folder / "bentoml" / "bentos" / BENTO / "tested"


@pytest.mark.full
def test_a_bento_has_the_code_and_the_shipped_models_and_nothing_else(built: Path) -> None:
    source = built / "src"
    for name in ("zoo/api.py", "serving/service.py", "serving/static/index.html", "LICENSE"):
        assert (source / name).is_file(), name
    shipped = {path.relative_to(ROOT) for path in ROOT.glob("saved_models/*/*/card.json")}
    assert {path.relative_to(source) for path in source.glob("saved_models/*/*/card.json")} == (
        shipped
    )
    for card in source.glob("saved_models/*/*/card.json"):
        for name in json.loads(card.read_text())["networks"].values():
            assert (card.parent / name).is_file()
    allowed = {"zoo", "serving", "saved_models", "exports"}
    assert {path.name for path in source.iterdir() if path.is_dir()} <= allowed
    assert not [*source.rglob("__pycache__"), *source.rglob("*.pyc")]


@pytest.mark.full
def test_the_image_of_a_bento_is_no_roots_and_says_nothing_home(built: Path) -> None:
    lines = (built / "env" / "docker" / "Dockerfile").read_text().splitlines()
    assert [line for line in lines if line.startswith("USER ")] == ["USER bentoml"]
    text = "\n".join(lines)
    set_there = text.replace("'", "").replace('"', "")
    assert "ARG BENTOML_DO_NOT_TRACK=true" in set_there
    assert "ARG BENTOML_HOST=0.0.0.0" in set_there
    assert "ARG ZOO_EXPORTS=/home/bentoml/bento/src/exports" in set_there
    assert text.index("uv pip install --no-cache") < text.index("USER bentoml")
    assert "COPY --chown=bentoml:bentoml ./src/constraints.txt" in text


@pytest.fixture
def build() -> ModuleType:
    """deploy/build.py, which is no part of a package."""
    spec = importlib.util.spec_from_file_location("build", ROOT / "deploy" / "build.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_chosen_models_are_staged_and_no_others(build: ModuleType, tmp_path: Path) -> None:
    stage: Callable[..., list[str]] = build.stage
    name = store.names()[0]
    newest = store.read_card(name).version
    assert stage(tmp_path, [name, f"{name}@{newest}"], exports=False) == [f"{name}@{newest}"]
    cards = list((tmp_path / "saved_models").glob("*/*/card.json"))
    assert [card.parent.parent.name for card in cards] == [name]
    assert store.verify(cards[0].parent).name == name
    assert (tmp_path / "bentofile.yaml").is_file() and (tmp_path / "serving/static").is_dir()
    with pytest.raises(UnknownModelError, match="nothing"):
        build.stage(tmp_path / "other", ["nothing.*"])


def test_a_mistake_is_one_line_and_exit_code_2(
    build: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    assert build.main(["nothing.at.all*"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "nothing.at.all" in line


@pytest.mark.full
def test_a_built_bento_serves_the_models_that_were_chosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = next(n for n in store.names() if store.read_card(n).task == "classification")
    script = [sys.executable, str(ROOT / "deploy" / "build.py"), name, "--version", "tested"]
    done = subprocess.run(script, env=environment(tmp_path), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    bento = tmp_path / "bentoml" / "bentos" / BENTO / "tested"
    assert list((bento / "src" / "exports").glob("*/export.json"))
    port = free_port()
    command = [sys.executable, "-m", "bentoml", "serve", str(bento), "--port", str(port)]
    monkeypatch.setenv("ZOO_EXPORTS", str(bento / "src" / "exports"))
    monkeypatch.setenv("ZOO_HOME", str(tmp_path / "empty"))
    # Without BENTOML_HOST, which only the image has, it listens on this machine alone.
    running = start(command, port, tmp_path / "served", tmp_path)
    try:
        with httpx2.Client(base_url=running.url, trust_env=False, timeout=240) as client:
            (model,) = client.get("/v1/models").json()["data"]
            assert model["id"] == name
            image = [[0, 128], [255, 7]]
            answer = client.post("/v1/classify", json={"model": name, "image": image})
            assert answer.status_code == 200, answer.text
    finally:
        running.stop()
