"""The OpenAPI document is true: requests made up from it get no answer that it leaves out."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from serving.app import create_app
from serving.core import Core
from serving.settings import Settings
from tests.serving.fakes import FakeSource

schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed")

ADMIN = "an-admin-key-of-tests"
# No 5xx, no status, content type or header that is not documented, and no other shape.
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)


def with_known_models(document: dict[str, Any], names: list[str]) -> dict[str, Any]:
    """Returns the document with the names of models that are there, so that some answers are good.

    In paths and bodies alike; a made-up name would be a 404 nearly every time.
    """
    document = copy.deepcopy(document)
    known = {"type": "string", "enum": [*names, "unknown.model"]}
    for operations in document["paths"].values():
        for operation in operations.values():
            for parameter in operation.get("parameters", []):
                if parameter["name"] == "name":
                    parameter["schema"] = known
    for schema in document["components"]["schemas"].values():
        fields = schema.get("properties", {})
        if "model" in fields and schema.get("additionalProperties") is False:
            fields["model"] = known
    return document


def served(folder: Path, **config: Any) -> Iterator[Any]:
    core = Core(
        settings=Settings(deadline=15, max_jobs=10_000, admin_key=ADMIN, access_log=False),
        source=FakeSource(),
        folder=folder,
    )
    app = create_app(core)
    names = sorted(card.name for card in core.models.cards() if card.name != "broken.grey")
    document = with_known_models(app.openapi(), names)
    schema = schemathesis.openapi.from_dict(document, config=schemathesis.Config.from_dict(config))
    schema.app = app
    yield schema
    core.close()


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    yield from served(
        tmp_path_factory.mktemp("api"),
        generation={"max-examples": 6, "deterministic": True},
        phases={"coverage": {"enabled": False}},
    )


@pytest.fixture(scope="module")
def api_at_length(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    yield from served(tmp_path_factory.mktemp("api"), generation={"max-examples": 60})


def check(case: Any) -> None:
    case.call_and_validate(
        headers={"Authorization": f"Bearer {ADMIN}"},
        checks=[getattr(schemathesis.checks, name) for name in CHECKS],
    )


@schemathesis.pytest.from_fixture("api").parametrize()
def test_every_answer_is_documented(case: Any) -> None:
    check(case)


@pytest.mark.full
@schemathesis.pytest.from_fixture("api_at_length").parametrize()
def test_every_answer_is_documented_at_length(case: Any) -> None:
    check(case)
