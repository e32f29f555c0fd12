"""The manifests: valid YAML that fits together, and commands that this command line takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from zoo.cli import build_parser

FOLDER = Path(__file__).parents[2] / "deploy" / "tuning"
MANIFESTS = sorted(FOLDER.glob("*.yaml"))


def documents(path: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(path.read_text(encoding="utf-8")))


def every(kind: str) -> dict[str, dict[str, Any]]:
    """Returns the objects of a kind by their names."""
    return {
        one["metadata"]["name"]: one
        for path in MANIFESTS
        for one in documents(path)
        if one["kind"] == kind
    }


def container(job: dict[str, Any]) -> dict[str, Any]:
    (only,) = job["spec"]["template"]["spec"]["containers"]
    return only


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
def test_each_object_says_what_it_is(path: Path) -> None:
    for one in documents(path):
        assert {"apiVersion", "kind", "metadata", "spec"} <= set(one)


@pytest.mark.parametrize("name", sorted(every("Job")))
def test_each_command_is_one_that_the_command_line_takes(name: str) -> None:
    job = every("Job")[name]
    main = container(job)
    words = [*main["command"], *main.get("args", [])]
    assert words[0] == "zoo"
    arguments = build_parser().parse_args(words[1:])
    assert callable(arguments.run)
    # What is killed is begun again.
    assert job["spec"]["template"]["spec"]["restartPolicy"] == "OnFailure"


def test_the_parts_fit_together() -> None:
    jobs = every("Job")
    parser = build_parser()
    parsed = {
        name: parser.parse_args([*container(job)["command"][1:], *container(job).get("args", [])])
        for name, job in jobs.items()
    }
    chief, worker = parsed["zoo-chief"], parsed["zoo-workers"]
    (service,) = every("Service").values()
    assert worker.chief == f"{service['metadata']['name']}:{service['spec']['ports'][0]['port']}"
    assert chief.port == service["spec"]["ports"][0]["port"]
    labels = jobs["zoo-chief"]["spec"]["template"]["metadata"]["labels"]
    assert service["spec"]["selector"] == labels
    assert worker.name == chief.name
    assert parsed["zoo-prepare"].sources == [chief.name.partition(".")[2]]
    assert chief.host == "0.0.0.0"

    workers = jobs["zoo-workers"]["spec"]
    assert workers["completionMode"] == "Indexed"
    assert workers["parallelism"] == workers["completions"] > 1
    (policy,) = every("NetworkPolicy").values()
    assert policy["spec"]["podSelector"]["matchLabels"] == labels
    (ingress,) = policy["spec"]["ingress"]
    allowed = ingress["from"][0]["podSelector"]["matchLabels"]
    assert allowed == workers["template"]["metadata"]["labels"]


def test_all_share_one_volume() -> None:
    (claim,) = every("PersistentVolumeClaim").values()
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
    for job in every("Job").values():
        (volume,) = job["spec"]["template"]["spec"]["volumes"]
        assert volume["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
        (mount,) = container(job)["volumeMounts"]
        home = {one["name"]: one["value"] for one in container(job)["env"]}["ZOO_HOME"]
        assert mount == {"name": volume["name"], "mountPath": home}
